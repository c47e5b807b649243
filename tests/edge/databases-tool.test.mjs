// The tool on a record in three databases, beside the worker in `wrangler dev`: every command that reads or writes the record,
// and what it says when a database is missing, new, or behind.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { getPlatformProxy, unstable_readConfig as readConfig } from "wrangler";
import { startShop } from "../../demo/shop.mjs";
import { at } from "../../scripts/setup.mjs";
import { until } from "./client.mjs";
import { migrations } from "./consumer.mjs";
import { startDev } from "./dev.mjs";
import { buildTool, tool } from "./stubbed.mjs";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "sortition-three-"));
const SECRETS = { SORTITION_SECRET: "three-secret", ADMIN_TOKEN: "three-token", INGEST_SECRET: "three-ingest" };
const env = {
  ...process.env,
  ...SECRETS,
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CI: "1",
  NO_COLOR: "1",
};
const BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const BINDINGS = ["LEDGER", "LEDGER_1", "LEDGER_2"];
const UNITS = "SELECT count(*) FROM exposures WHERE experiment_id = 'hero'";
const demo = JSON.parse(readFileSync(at("fixtures/demo/experiments.json"), "utf8"));

/** Writes the configuration with some bindings, by default each of the database of its own name. */
function configure(bindings, of = bindings) {
  const { d1_databases, ...read } = readConfig({ config: at("wrangler.toml") }, { hideWarnings: true });
  const { name, compatibility_date, kv_namespaces, queues, r2_buckets, durable_objects, migrations, triggers } = read;
  for (const consumer of queues.consumers) consumer.max_batch_timeout = 1;
  const config = { name, main: at("build/index.js"), compatibility_date, kv_namespaces, queues, r2_buckets };
  const databases = bindings.map((binding, number) => {
    const database = of[number].toLowerCase().replace("_", "-");
    return {
      ...d1_databases[0],
      binding,
      database_name: database,
      database_id: database,
      migrations_dir: at("migrations"),
    };
  });
  const rest = { durable_objects, migrations, triggers, vars: read.vars, d1_databases: databases };
  writeFileSync(join(folder, "wrangler.json"), JSON.stringify({ ...config, ...rest }));
}

/** Runs the tool in the project. */
async function sortition(...args) {
  const ran = await run(tool, [...args, "--json"], { cwd: folder, env }).catch((error) => error);
  return { code: ran.code ?? 0, stderr: ran.stderr, json: ran.stdout?.startsWith("{") ? JSON.parse(ran.stdout) : null };
}

let shop;
let dev;
// beside the tool and the worker, which is faster than a start of wrangler each time
let platform;
const execute = (binding, sql) => platform.env[binding].prepare(sql).all();
const count = async (binding, sql) => (await execute(binding, `SELECT (${sql}) AS n`)).results[0].n;

/** What `upgrade` does, without wrangler. */
async function migrate(database) {
  const names = readdirSync(at("migrations")).sort();
  const table =
    "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP)";
  const applied = names.map((name) => `INSERT INTO d1_migrations (name) VALUES ('${name}')`);
  await database.batch([...migrations(), table, ...applied].map((sql) => database.prepare(sql)));
}

before(async () => {
  buildTool();
  symlinkSync(at("node_modules"), join(folder, "node_modules"));
  const document = { ...demo, revision: "d1" };
  writeFileSync(join(folder, "experiments.json"), JSON.stringify(document));
  const event = { type: "experiment_converted", conversion_event: "purchase", value: 12.5, currency: "EUR" };
  const post = { method: "POST", path: "/_sortition/events", json: { events: [event] } };
  writeFileSync(join(folder, "steps.json"), JSON.stringify([post]));
  configure(BINDINGS);
  shop = await startShop({ port: 0 });
  const state = join(folder, ".wrangler", "state");
  const configPath = join(folder, "wrangler.json");
  platform = await getPlatformProxy({ configPath, persist: { path: join(state, "v3") } });
  await platform.env.CONFIG.put("config", JSON.stringify(document));
  for (const binding of BINDINGS.slice(0, 2)) await migrate(platform.env[binding]);
  dev = await startDev({ folder: state, config: configPath, origin: shop.url, ttlSeconds: "0", more: SECRETS });
});
after(async () => {
  await platform?.dispose();
  await dev?.close();
  await shop?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("one of them without its tables", () => {
  test("doctor names it, and does not blame the document", async () => {
    const { code, stderr, json } = await sortition("doctor", `${dev.url}`, "--local");
    assert.equal(code, 1, stderr);
    const of = (name) => json.checks.filter((check) => check.name === name);
    const states = BINDINGS.map((name) => of(name)[0]?.state);
    assert.deepEqual(states, ["ok", "ok", "ok"]);
    assert.equal(of("document live")[0].state, "ok", JSON.stringify(of("document live")));
    const [record] = of("record");
    assert.equal(record.state, "failure");
    assert.match(record.said, /^LEDGER_2 does not answer: .*no such table/);
    assert.match(record.advice, /sortition upgrade/);
    assert.match(of("migrations of LEDGER_2")[0].said, /^not applied: 0001_/);
    assert.equal(of("migrations of LEDGER_1")[0].state, "ok");
  });

  test("commands that need the record name it, and what to do", async () => {
    const export_ = ["--export", join(folder, "hero.ndjson")];
    const [decided, ...others] = await Promise.all([
      sortition("decide", "hero", "keep", "--why", "Enough.", "--dry-run", "--local"),
      sortition("events", "forget", "somebody", "--local"),
      sortition("events", "drop", "hero", "7", ...export_, "--local"),
    ]);
    for (const { code, stderr } of others) {
      assert.notEqual(code, 0);
      assert.match(stderr, /LEDGER_2: .*no such table: \w+.*apply the migrations first: sortition upgrade/);
    }
    assert.equal(decided.code, 0, decided.stderr);
    assert.match(decided.stderr, /decision\.summary: .*LEDGER_2: .*no such table/);
  });

  test("the worker records nothing by halves meanwhile", async () => {
    await fetch(dev.url, { headers: { "user-agent": BROWSER, accept: "text/html" } });
    await until(() => /delivered again: .*no such table/.test(dev.log()), "the consumer to refuse it", 20_000);
    const rows = "SELECT (SELECT count(*) FROM exposed) + (SELECT count(*) FROM arrivals)";
    assert.deepEqual([await count("LEDGER", rows), await count("LEDGER_1", rows)], [0, 0]);
  });
});

describe("three databases in order", () => {
  test("upgrade refuses one behind a gap before it does anything, and migrates each in their order", async () => {
    configure(["LEDGER", "LEDGER_2"]);
    const gap = await sortition("upgrade", "--local");
    assert.notEqual(gap.code, 0);
    assert.match(gap.stderr, /LEDGER_2 is bound, and LEDGER_1 is not: nothing is recorded with a gap/);
    configure(BINDINGS.toReversed());
    const { code, stderr, json } = await sortition("upgrade", "--local");
    assert.equal(code, 0, stderr);
    const said = json.steps.slice(-3).map((step) => step.said.replace(/ 0001_.* 0012_homes\.sql$/, ""));
    const all = ["migrations: all applied", "migrations of LEDGER_1: all applied"];
    assert.deepEqual(said, [...all, "migrations of LEDGER_2: applied"]);
    configure(BINDINGS);
  });

  test("verify finds the exposures and the events of each variant, wherever they are", async () => {
    const args = ["--url", `${dev.url}`, "--steps", join(folder, "steps.json"), "--local"];
    const { code, stderr, json } = await sortition("verify", "hero", ...args);
    assert.equal(code, 0, stderr);
    const found = json.checks.filter(({ check }) => check === "exposure" || check === "event");
    const lines = found.map(({ check, variant, fine }) => `${check} ${variant ?? ""} ${fine}`);
    assert.deepEqual(lines.sort(), ["event  true", "exposure bold true", "exposure control true"]);
  });

  test("doctor says so, and decide sums up all of them", async () => {
    const [{ json }, decided] = await Promise.all([
      sortition("doctor", `${dev.url}`),
      sortition("decide", "hero", "keep", "--why", "Enough.", "--dry-run", "--local"),
    ]);
    const record = json.checks.filter(({ name }) => name === "record" || /^LEDGER/.test(name));
    assert.deepEqual(
      record.map(({ state }) => state),
      ["ok", "ok", "ok", "ok"],
      JSON.stringify(record),
    );
    assert.equal(record.at(-1).said, "in 3 databases");
    const [, visitors] = / (\d+) visitors /.exec(decided.json.decision.summary);
    // why: with those that verify made come, late, those that were refused
    const exposed = await Promise.all(BINDINGS.map((name) => count(name, UNITS)));
    const sum = exposed.reduce((sum, n) => sum + n, 0);
    assert.ok(Number(visitors) >= 2 && Number(visitors) <= sum, `${visitors} of ${exposed}`);
  });

  test("drop waits until everybody is at home", async () => {
    const file = join(folder, "hero-1.ndjson");
    const drop = () => sortition("events", "drop", "hero", "1", "--export", file, "--local");
    const experiments = demo.experiments.map((one) => (one.id === "hero" ? { ...one, status: "completed" } : one));
    await platform.env.CONFIG.put("config", JSON.stringify({ ...demo, experiments, revision: "d2" }));
    await execute("LEDGER_1", "UPDATE placement SET scan = ''");
    const early = await drop();
    assert.equal(early.code, 1);
    assert.match(early.stderr, /error iteration: rows are still being carried from one database to another/);
    await execute("LEDGER_1", "UPDATE placement SET scan = NULL");
    const dropped = await drop();
    assert.equal(dropped.code, 0, dropped.stderr);
    assert.ok(dropped.json.rows >= 2);
    for (const name of BINDINGS) {
      assert.equal(await count(name, UNITS), 0, name);
    }
  });
});

test("one that is taken away, or swapped: commands say so, and do nothing by halves", async () => {
  const event = {
    ...{ type: "identified", id: "0".repeat(32), project: demo.project, config_revision: "r1" },
    ...{ at: "2026-11-21T10:00:00.000Z", anonymous_id: "v", user_id: "u" },
  };
  const body = { schema: 1, source: "isolate-9", seq: 0, events: [event] };
  await platform.env.ARCHIVE.put("dead/1.json", JSON.stringify({ reason: "", body }));
  configure(["LEDGER"]);
  const alone = await Promise.all([["replay"], ["forget", "v"]].map((args) => sortition("events", ...args, "--local")));
  for (const { code, stderr } of alone) {
    assert.equal(code, 1);
    assert.match(stderr, /error LEDGER: the record lies in 3 databases, and 1 is bound/);
  }
  configure(BINDINGS, ["LEDGER", "LEDGER_2", "LEDGER_1"]);
  const swapped = await sortition("events", "forget", "somebody", "--local");
  assert.match(swapped.stderr, /error LEDGER: LEDGER_1 is bound to what was LEDGER_2/);
  configure(BINDINGS);
  const replayed = await sortition("events", "replay", "--local");
  assert.equal(replayed.json?.messages, 1, replayed.stderr);
});
