// `sortition verify` and `sortition shots` before the demo shop behind the built worker: what is in order is said to be, and
// what is not is found.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { startShop } from "../../demo/shop.mjs";
import { at, installed, systemProgram } from "../../scripts/setup.mjs";
import { until } from "./client.mjs";
import { startDev, wranglerScript } from "./dev.mjs";
import { buildTool, tool } from "./stubbed.mjs";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "sortition-verify-"));
const SECRETS = { SORTITION_SECRET: "verify-secret", ADMIN_TOKEN: "verify-token" };
const env = {
  ...process.env,
  ...SECRETS,
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CHROMIUM: process.env.CHROMIUM ?? systemProgram(["chromium", "chromium-browser", "google-chrome"], "chromium"),
};
const wrangler = (...args) =>
  run(installed("node"), [wranglerScript, ...args, "--local", "--persist-to", folder], { cwd: at(), env });
const demo = JSON.parse(readFileSync(at("fixtures/demo/experiments.json"), "utf8"));
const steps = join(folder, "steps.json");
const event = { type: "experiment_converted", conversion_event: "purchase", value: 12.5, currency: "EUR" };
writeFileSync(steps, JSON.stringify([{ method: "POST", path: "/_sortition/events", json: { events: [event] } }]));

let revision = 0;
async function publish(change) {
  const document = structuredClone(demo);
  change?.(
    document.experiments.find(({ id }) => id === "hero"),
    document,
  );
  document.revision = `v${++revision}`;
  const file = join(folder, "document.json");
  writeFileSync(file, JSON.stringify(document));
  await wrangler("kv", "key", "put", "--binding", "CONFIG", "config", "--path", file);
  const isLive = async () => (await dev.health())?.config_revision === document.revision;
  if (dev) await until(isLive, "the document to be used", 30_000);
}

const sortition = (...args) => told(...args, "--url", `${dev.url}`);

async function told(...args) {
  const all = [...args, "--local", "--persist-to", folder, "--json"];
  const ran = await run(tool, all, { cwd: at(), env }).catch((error) => error);
  assert.ok(ran.stdout?.startsWith("{"), ran.stderr);
  return { code: ran.code ?? 0, stderr: ran.stderr, json: JSON.parse(ran.stdout) };
}

let shop;
let dev;
before(async () => {
  buildTool();
  shop = await startShop({ port: 0 });
  await wrangler("d1", "migrations", "apply", "LEDGER");
  await publish();
  dev = await startDev({ folder, origin: shop.url, ttlSeconds: "0", more: SECRETS });
});
after(async () => {
  await dev?.close();
  await shop?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("verify", () => {
  test("what is in order: a line for each thing, for each variant", async () => {
    const { code, stderr, json } = await sortition("verify", "hero", "--steps", steps);
    assert.equal(code, 0, stderr);
    const lines = json.checks.map(({ check, variant }) => (variant ? `${check} ${variant}` : check));
    const wanted = ["worker", "shown control", "shown bold", "selectors bold", "seo bold", "crawler", "seo (crawler)"];
    for (const line of [...wanted, "exposure control", "exposure bold", "event"]) {
      assert.ok(lines.includes(line), `${line} in ${lines}`);
    }
    assert.ok(json.checks.every(({ fine }) => fine === true));
    const selectors = json.checks.find(({ check }) => check === "selectors").said;
    assert.match(selectors, /#hero-cta × 1 \(`a#hero-cta` costs less\)/);
    assert.match(json.checks.find(({ check }) => check === "event").said, /`purchase` came 2 times from the steps/);
  });

  test("what is not: selectors, search appearance, events, visitors that cannot be", async () => {
    await publish((hero, document) => {
      hero.variants[1].rewrite = [
        { select: "#not-on-this-page", do: "set_text", value: "x" },
        { select: "h1", do: "set_text", value: "Another headline" },
      ];
      hero.seo = { protect_h1: true, allow: ["h1"] };
      document.metrics.signup = { event: "signup", kind: "proportion" };
      hero.metrics = { primary: "signup" };
      hero.variants.push({ id: "third", weight: 0 });
    });
    const { code, stderr, json } = await sortition("verify", "hero", "--patience", "2");
    assert.equal(code, 1);
    const said = (check, variant) =>
      json.checks.find((it) => it.check === check && (it.variant ?? undefined) === variant);
    assert.match(said("selectors", "bold").said, /nothing on the page is #not-on-this-page/);
    assert.equal(said("seo", "bold").fine, true, "the document allows the headline");
    assert.match(said("event").said, /no `signup` came within a day/);
    assert.equal(said("assigned", "third").fine, null, "nobody is to be given it");
    assert.match(stderr, /^error selectors\.bold: nothing on the page is #not-on-this-page/m);
    assert.equal(json.ok, false);
  });
});

test("shots: a picture of each variant, which the readout shows", async () => {
  await publish();
  const { code, stderr, json } = await sortition("shots", "hero", "--width", "800", "--height", "600");
  assert.equal(code, 0, stderr);
  assert.deepEqual(json.pictures, ["screens/hero/control.png", "screens/hero/bold.png"]);
  const ask = (path) =>
    fetch(new URL(`/_sortition/experiments/${path}`, dev.url), {
      headers: { Authorization: `Bearer ${SECRETS.ADMIN_TOKEN}` },
    });
  const bytes = [];
  for (const variant of ["control", "bold"]) {
    const answer = await ask(`hero/screens/${variant}.png`);
    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "image/png"]);
    const picture = Buffer.from(await answer.arrayBuffer());
    // the signature of a PNG, then its header with width and height
    assert.equal(picture.subarray(1, 4).toString(), "PNG");
    assert.deepEqual([picture.readUInt32BE(16), picture.readUInt32BE(20)], [800, 600]);
    bytes.push(picture);
  }
  assert.notDeepEqual(bytes[0], bytes[1], "each variant looks otherwise");
  const page = await (await ask("hero")).text();
  assert.match(page, /<img[^>]+screens\/bold\.png/);
});

test("decide keeps what came out as the record has it, or what it is told, and says where nobody can be asked", async () => {
  const decide = async (...more) => {
    const { code, stderr, json } = await told("decide", "hero", "keep", "--why", "Enough.", "--dry-run", ...more);
    assert.equal(code, 0, stderr);
    return { stderr, summary: json.decision.summary };
  };
  await sortition("verify", "hero", "--steps", steps);
  const asked = await decide();
  assert.match(
    asked.summary,
    /^No winner is shown yet: .* \d+ visitors in 0 whole days\. purchase: bold .*\. Computed \d+ \w+ 20\d\d/,
  );
  assert.doesNotMatch(asked.stderr, /summary/);
  assert.equal((await decide("--summary", "Two fewer in a hundred.")).summary, "Two fewer in a hundred.");
  await wrangler("d1", "execute", "LEDGER", "--command", "ALTER TABLE guard_notes RENAME TO away");
  const alone = await decide();
  assert.equal(alone.summary, undefined, "the decision does not wait for the record");
  assert.match(
    alone.stderr,
    /decision\.summary: the decision keeps no summary of the result: .*guard_notes.*--summary TEXT/,
  );
});
