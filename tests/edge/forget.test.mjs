// A person is forgotten, from the tool to the object that kept what they were assigned: `sortition events forget` writes a
// key, the worker's schedule finds it and empties the object.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { at, installed } from "../../scripts/setup.mjs";
import { ask, Jar, until } from "./client.mjs";
import { startDev, wranglerScript } from "./dev.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startOrigin } from "./origin.mjs";
import { buildTool, tool } from "./stubbed.mjs";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "sortition-forget-"));
const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false" };
const wrangler = (...args) =>
  run(installed("node"), [wranglerScript, ...args, "--local", "--persist-to", folder], { cwd: at(), env });
const kv = (...args) => wrangler("kv", "key", ...args, "--binding", "CONFIG");

let revision = 0;
/** Puts a document live in which everybody new is given one variant. */
async function publish(bold) {
  const hero = experiment({ unit: "user" });
  hero.variants[0].weight = 1 - bold;
  hero.variants[1].weight = bold;
  const document = documentOf([hero], { visitor: { user_cookie: "user" }, revision: `r${++revision}` });
  const file = join(folder, "document.json");
  writeFileSync(file, JSON.stringify(document));
  await kv("put", "config", "--path", file);
  if (!dev) return;
  const isLive = async () => (await dev.health())?.config_revision === document.revision;
  await until(isLive, "the document to be used", 30_000);
}

let origin;
let dev;
before(async () => {
  buildTool();
  origin = await startOrigin();
  await wrangler("d1", "migrations", "apply", "LEDGER");
  await publish(1);
  dev = await startDev({ folder, origin: origin.url, ttlSeconds: "0" });
});
after(async () => {
  await dev?.close();
  await origin?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What a user gets on a device that they use for the first time. */
async function onNewDevice(user) {
  const jar = new Jar().set("user", user);
  return jar.take(await ask(dev.url, "/", { cookie: jar.header })).headers["sortition-variants"];
}

test("what a person was assigned is gone on every device after the next schedule, and nobody else's", async () => {
  for (const user of ["anna", "ben"]) assert.equal(await onNewDevice(user), "hero=bold");
  await publish(0);
  for (const user of ["anna", "ben"]) {
    // why: what a page showed reaches the object behind its answer
    await until(async () => (await onNewDevice(user)) === "hero=bold", `the object of ${user} to have it`, 10_000);
  }
  assert.equal(await onNewDevice("carla"), "hero=control", "whoever is new");

  const place = ["--json", "--local", "--persist-to", folder];
  const { stdout } = await run(tool, ["events", "forget", "anna", ...place], { cwd: at(), env });
  const told = JSON.parse(stdout);
  assert.deepEqual([told.ok, told.ids[0]], [true, "anna"], told.ids);
  const waiting = async () => JSON.parse((await kv("list", "--prefix", "forget:")).stdout).map(({ name }) => name);
  // why: her devices are found in the record, if that has come so far
  const named = await waiting();
  assert.ok(named.includes("forget:acme-shop/anna") && !named.includes("forget:acme-shop/ben"), named.join());
  assert.equal(await onNewDevice("anna"), "hero=bold", "until the schedule comes");

  const ran = await fetch(`${dev.url}cdn-cgi/handler/scheduled`);
  assert.equal(ran.status, 200, await ran.text());
  await until(async () => (await waiting()).length === 0, "the key to be taken away", 30_000);
  assert.equal(await onNewDevice("anna"), "hero=control", "as somebody new");
  assert.equal(await onNewDevice("ben"), "hero=bold");
});
