// `sortition events` against wrangler's local D1 and R2: dead letters come back, a person is forgotten, an iteration goes.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { getPlatformProxy } from "wrangler";
import { documentOf, experiment } from "./documents.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const folder = mkdtempSync(join(tmpdir(), "sortition-events-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function run(program, args) {
  // why: the platform beside it is talked to from this process, which must not stand still
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.once("close", resolve)),
  ]);
  return { status, stdout, stderr };
}

async function sortition(...args) {
  const place = ["--json", "--local", "--persist-to", folder];
  const told = await run(join(target, "debug", "sortition"), ["events", ...args, ...place]);
  return { ...told, json: told.stdout.trim() && JSON.parse(told.stdout) };
}

// beside the tool, as `npm start` may run beside it
let platform;
after(() => platform?.dispose());
const state = (work) => work(platform.env);

const rows = (sql) => state(async ({ LEDGER }) => (await LEDGER.prepare(sql).all()).results);

async function objects({ ARCHIVE }, prefix) {
  const { objects } = await ARCHIVE.list({ prefix });
  return Promise.all(objects.map(async ({ key }) => ({ key, text: await (await ARCHIVE.get(key)).text() })));
}

const AT = "2026-11-21T10:00:00.000Z";
const hex = (text) => Buffer.from(text.padEnd(16, "-").slice(0, 16)).toString("hex");
const common = (visitor, user = null) => ({
  project: "acme-shop",
  config_revision: "r1",
  at: AT,
  anonymous_id: visitor,
  user_id: user,
});
const exposed = (visitor, iteration = 1) => ({
  ...common(visitor),
  type: "experiment_exposed",
  id: hex(`x${iteration}${visitor}`),
  experiment_id: "hero",
  iteration,
  variant: "bold",
  reason: "split",
  exposed_at: AT,
  request: { host: "shop.example", path: "/", method: "GET" },
});
const bought = (visitor, order, rest = {}) => ({
  ...common(visitor),
  type: "experiment_converted",
  id: hex(`c${order}`),
  conversion_event: "purchase",
  value: 10,
  currency: "EUR",
  transaction_id: order,
  converted_at: AT,
  channel: "server",
  properties: {},
  ...rest,
});
const identified = (visitor, user) => ({ ...common(visitor, user), type: "identified", id: hex(`i${visitor}${user}`) });
let seq = 0;
const message = (...events) => ({ schema: 1, source: "isolate", seq: seq++, events });

before(async () => {
  const built = await run("cargo", ["build", "--quiet", "--bin", "sortition"]);
  assert.equal(built.status, 0, built.stderr);
  const wrangler = [
    join(root, "node_modules", "wrangler", "bin", "wrangler.js"),
    "d1",
    "migrations",
    "apply",
    "LEDGER",
  ];
  const migrated = await run(process.execPath, [...wrangler, "--local", "--persist-to", folder]);
  assert.equal(migrated.status, 0, migrated.stderr + migrated.stdout);
  const path = join(folder, "v3");
  platform = await getPlatformProxy({ configPath: join(root, "wrangler.toml"), persist: { path } });
});

test("replay: dead letters and spilled messages are archived and recorded, once; what cannot be read stays", async () => {
  const health = { project: "acme-shop", experiment_id: "hero", iteration: 1, variant: "bold", hour: "2026-11-21T10" };
  const told = { ...health, requests: 3, errors: 1, latency: [3, 0, 0, 0, 0, 0, 0, 0] };
  const anna = message(exposed("anna-phone-1"), bought("anna-phone-1", "A-1"), identified("anna-phone-1", "anna"));
  await state(async ({ ARCHIVE }) => {
    const put = (key, value) => ARCHIVE.put(key, typeof value === "string" ? value : JSON.stringify(value));
    await put("dead/1.json", { reason: "it was delivered 11 times", body: anna });
    await put("dead/2.json", { reason: "schema 9 is not known here", body: { ...anna, schema: 9 } });
    await put("dead/3.json", { reason: "a text", body: JSON.stringify(message(exposed("ben-laptop-1"))) });
    await put("dead/4.json", "no JSON at all");
    await put("spill/isolate-0.json", anna);
    await put("spill/isolate-9.json", { ...message(exposed("carla-tablet-1")), health: [told] });
  });
  const dry = await sortition("replay", "--dry-run");
  assert.equal(dry.status, 0, dry.stderr);
  assert.deepEqual([dry.json.messages, dry.json.written], [4, false]);
  assert.deepEqual(await rows("SELECT * FROM exposures"), []);

  const replayed = await sortition("replay");
  assert.equal(replayed.status, 0, replayed.stderr);
  assert.deepEqual([replayed.json.messages, replayed.json.events, replayed.json.written], [4, 8, true]);
  const kept = replayed.json.kept.map(({ key, reason }) => `${key} ${reason}`).join("\n");
  assert.match(kept, /^dead\/2\.json .*schema 9[^\n]*\ndead\/4\.json .*JSON/);
  assert.equal((await rows("SELECT * FROM exposures")).length, 3);
  assert.deepEqual(await rows("SELECT requests, errors FROM origin_health"), [{ requests: 3, errors: 1 }]);
  await state(async (env) => {
    const archived = (await objects(env, "events/")).flatMap(({ text }) => text.trimEnd().split("\n"));
    const ids = new Set(archived.map((line) => JSON.parse(line).id));
    assert.equal(ids.size, 5);
    const told = (await objects(env, "messages/")).flatMap(({ text }) => text.trimEnd().split("\n"));
    const numbers = new Set(told.map((line) => JSON.parse(line).seq));
    assert.deepEqual([...numbers].sort(), [0, 1, 2], "by which loss is told without a record");
    const left = [...(await objects(env, "dead/")), ...(await objects(env, "spill/"))].map(({ key }) => key);
    assert.deepEqual(left, ["dead/2.json", "dead/4.json"]);
  });
});

test("forget: a person goes from the record and the archive with all their devices and refunds; nobody else does", async () => {
  const more = [
    message(identified("anna-laptop-1", "anna"), exposed("anna-laptop-1"), bought("anna-laptop-1", "A-2")),
    message(
      bought(null, "R-1", { refund_of: "A-2", value: -10, conversion_event: "refund" }),
      bought("ben-laptop-1", "B-1"),
    ),
    message(identified("shared-kiosk-1", "ben"), identified("shared-kiosk-1", "carla"), exposed("shared-kiosk-1")),
  ];
  await state(async ({ ARCHIVE }) => {
    for (const [index, body] of more.entries()) await ARCHIVE.put(`spill/isolate-1${index}.json`, JSON.stringify(body));
  });
  assert.equal((await sortition("replay")).status, 0);
  await state(async ({ ARCHIVE }) => {
    const both = message(exposed("anna-phone-1"), exposed("ben-laptop-1"));
    await ARCHIVE.put("spill/isolate-5.json", JSON.stringify(both));
  });
  const found = async () =>
    state(async (env) => {
      const { results } = await env.LEDGER.prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
      ).all();
      let text = "";
      for (const { name } of results.filter(({ name }) => !/^(sqlite|d1)_/.test(name)))
        text += JSON.stringify((await env.LEDGER.prepare(`SELECT * FROM "${name}"`).all()).results);
      for (const prefix of ["events/", "spill/", "dead/"])
        for (const object of await objects(env, prefix)) text += object.text;
      return text;
    });
  const before = await found();
  for (const text of ["anna-phone-1", "anna-laptop-1", '"anna"', '"R-1"']) assert.ok(before.includes(text), text);

  const dry = await sortition("forget", "anna-phone-1", "--dry-run");
  assert.equal(dry.status, 0, dry.stderr);
  assert.deepEqual(dry.json.ids, ["anna", "anna-laptop-1", "anna-phone-1"]);

  const forgotten = await sortition("forget", "anna-phone-1");
  assert.equal(forgotten.status, 0, forgotten.stderr);
  assert.deepEqual(forgotten.json.record, { exposures: 2, conversions: 3, identities: 2 });
  assert.deepEqual(forgotten.json.record, dry.json.record);
  assert.deepEqual(forgotten.json.archive, dry.json.archive);
  const rest = await found();
  for (const text of ["anna", "A-1", "A-2", "R-1"]) assert.ok(!rest.includes(text), text);
  const kept = ["ben-laptop-1", "carla-tablet-1", "shared-kiosk-1", "B-1"];
  for (const text of kept) assert.ok(rest.includes(text), text);
  assert.equal((await rows("SELECT * FROM exposures")).length, 3);

  const shared = await sortition("forget", "shared-kiosk-1");
  assert.equal(shared.status, 1);
  assert.match(shared.stderr, /error unit: .*ben, carla.*--only/);
  const only = await sortition("forget", "shared-kiosk-1", "--only");
  assert.equal(only.status, 0, only.stderr);
  assert.deepEqual(only.json.record, { exposures: 1, conversions: 0, identities: 2 });
});

test("forget without a record asks the archive, where a day without visitors and messages that are not there are no obstacle", () => {
  const place = mkdtempSync(join(tmpdir(), "sortition-archive-"));
  try {
    for (const [day, visitor] of ["2026-11-21", "2026-11-23"].map((day, at) => [day, `quiet-visitor-${at}`])) {
      const hour = join(place, "events", `dt=${day}`, "hour=10");
      mkdirSync(hour, { recursive: true });
      const lines = [exposed(visitor), identified(visitor, `user-of-${visitor}`)];
      writeFileSync(join(hour, "a.ndjson"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    }
    const question = { op: "people", folder: place, unit: "quiet-visitor-1", only: false, project: null };
    const script = join(root, "src", "cli", "readout", "archive.mjs");
    const { stdout } = spawnSync(process.execPath, [script], { input: JSON.stringify(question), encoding: "utf8" });
    const told = JSON.parse(stdout.replace("@sortition ", ""));
    assert.deepEqual(
      [told.users, [...new Set(told.ids)].sort(), told.incomplete],
      [["user-of-quiet-visitor-1"], ["quiet-visitor-1", "user-of-quiet-visitor-1"], []],
    );
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});

test("drop: an iteration goes into a file and out of the record; a live one stays, and so does an older file", async () => {
  const many = Array.from({ length: 40 }, (_, part) =>
    message(...Array.from({ length: 100 }, (_, index) => exposed(`crowd-${part * 100 + index}`, 7))),
  );
  await state(async ({ ARCHIVE, CONFIG }) => {
    for (const [index, body] of many.entries()) await ARCHIVE.put(`spill/crowd-${index}.json`, JSON.stringify(body));
    await CONFIG.put("config", JSON.stringify(documentOf([experiment({ iteration: 7 })])));
  });
  // the event of the test above that waited, too
  assert.equal((await sortition("replay")).json.events, 4001);
  const file = join(folder, "hero-7.ndjson");
  const live = await sortition("drop", "hero", "7", "--export", file);
  assert.equal(live.status, 1);
  assert.match(live.stderr, /error iteration: .*live/);
  assert.ok(!existsSync(file));
  await state(async ({ CONFIG }) => {
    await CONFIG.put("config", JSON.stringify(documentOf([experiment({ iteration: 8 })])));
  });
  const dropped = await sortition("drop", "hero", "7", "--export", file);
  assert.equal(dropped.status, 0, dropped.stderr);
  assert.equal(dropped.json.rows, 4000);
  const lines = readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const units = new Set(lines.filter(({ table }) => table === "exposures").map(({ unit_id }) => unit_id));
  assert.equal(units.size, 4000);
  const [left] = await rows(
    "SELECT (SELECT count(*) FROM exposures WHERE iteration = 7) AS gone, (SELECT count(*) FROM exposures) AS others, (SELECT count(*) FROM exposure_variants) AS variants",
  );
  assert.deepEqual(left, { gone: 0, others: 2, variants: 2 });
  const again = await sortition("drop", "hero", "1", "--export", file);
  assert.equal(again.status, 1);
  assert.match(again.stderr, /cannot be written/);
  assert.equal((await rows("SELECT * FROM exposures")).length, 2);
});

test("end: the live experiment is over, and the record and the archive know why", async () => {
  const live = { ...documentOf([experiment({ iteration: 8 })]), revision: "r8" };
  await state(({ CONFIG }) => CONFIG.put("config", JSON.stringify(live)));
  const place = ["--json", "--local", "--persist-to", folder];
  const args = ["end", "hero", "--why", "Prices changed in the middle of it.", ...place];
  const ended = await run(join(target, "debug", "sortition"), args);
  assert.equal(ended.status, 0, ended.stderr);
  const { event } = JSON.parse(ended.stdout);
  assert.deepEqual(
    [event.type, event.experiment_id, event.ended_reason, event.config_revision],
    ["experiment_ended_early", "hero", "Prices changed in the middle of it.", "r8"],
  );
  const [row] = await rows("SELECT id, experiment_id, variant, ended_reason, ended_at FROM endings");
  const { id, experiment_id, variant, ended_reason, ended_at } = event;
  assert.deepEqual(row, { id, experiment_id, variant, ended_reason, ended_at });
  const archived = await state((env) => objects(env, `events/dt=${ended_at.slice(0, 10)}/`));
  const lines = archived.filter(({ key }) => key.endsWith(`${id}.ndjson`)).map(({ text }) => JSON.parse(text));
  assert.deepEqual(lines, [event]);
  const [over] = JSON.parse(await state(({ CONFIG }) => CONFIG.get("config"))).experiments;
  assert.equal(over.status, "completed");
});
