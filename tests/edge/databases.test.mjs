// A record in several databases: the day of events with every oddity, through the real queue and consumer into one database
// and into four, has the same readouts and downloads, row for row.

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { until } from "./client.mjs";
import { startHarness } from "./harness.mjs";
import { day } from "./metrics.mjs";
import { startOrigin } from "./origin.mjs";

const SEED = Number(process.env.SORTITION_SEED ?? 603);
const PEOPLE = 300;
const DATABASES = 4;

const one = day(SEED, PEOPLE);
const document = { ...JSON.parse(readFileSync(one.document, "utf8")), holdout: { percent: 5 } };
const experiments = document.experiments.map(({ id }) => id).filter((id) => id !== "nobody");
let origin;
let alone;
let divided;

/** More databases, as somebody writes them into wrangler.toml. */
export const more = (count) => (config) => {
  // why: people turn out to be one when some of their rows are there already
  config.queues.consumers[0].max_batch_size = 2;
  for (let number = 1; number < count; number++)
    config.d1_databases.push({
      ...config.d1_databases[0],
      binding: `LEDGER_${number}`,
      database_name: `sortition-ledger-${number}`,
    });
};

/** Sends the day, in messages of a hundred events, each twice. */
async function send(platform) {
  for (let from = 0, seq = 0; from < one.events.length; from += 100, seq++) {
    const events = one.events.slice(from, from + 100).map((line) => JSON.parse(line));
    const message = { schema: 1, source: `isolate-${seq % 3}`, seq: Math.floor(seq / 3), events };
    for (let copy = 0; copy < 2; copy++) await platform.env.EVENTS.send(message, { contentType: "json" });
  }
  const stored = async () => {
    const [{ n }] = await platform.rows("SELECT (SELECT sum(arrived) FROM arrivals) AS n");
    return n === Math.ceil(one.events.length / 100);
  };
  await until(stored, () => `the day in the record:\n${platform.log().slice(-2000)}`, 120_000);
}

before(async () => {
  origin = await startOrigin();
  alone = await startHarness({ origin: origin.url, document });
  divided = await startHarness({ origin: origin.url, document, change: more(DATABASES) });
  await Promise.all([alone, divided].map(send));
  const settled = async () => (await divided.rows("SELECT count(*) AS n FROM moves"))[0].n === 0;
  await until(settled, () => `nothing to be carried:\n${divided.log().slice(-2000)}`, 60_000);
});
after(async () => {
  await alone?.close();
  await divided?.close();
  await origin?.close();
  rmSync(one.folder, { recursive: true, force: true });
});

const headers = { Authorization: "Bearer test-admin-token" };
const get = async (platform, path) => (await platform.ask(`/_sortition/experiments${path}`, { headers })).text;

/** A readout without the time that it was computed at. */
async function readout(platform, path) {
  const text = await get(platform, path);
  return JSON.parse(text, (key, value) => (/^(computed_at|asked_at)$/.test(key) ? undefined : value));
}

describe("four databases say what one says", () => {
  for (const id of [...experiments, "holdout"])
    test(`about ${id}`, async () => {
      const [wanted, found] = await Promise.all([alone, divided].map((platform) => readout(platform, `/${id}.json`)));
      assert.ok(wanted.metrics.length > 0 && wanted.units > 0);
      assert.deepEqual(found, wanted);
    });

  test("about all experiments", async () => {
    const [wanted, found] = await Promise.all([alone, divided].map((platform) => readout(platform, ".json")));
    assert.equal(wanted.experiments.length, document.experiments.length);
    assert.deepEqual(found, wanted);
  });

  for (const id of experiments)
    test(`line by line of ${id}`, async () => {
      const [wanted, found] = await Promise.all([alone, divided].map((platform) => get(platform, `/${id}.csv`)));
      assert.ok(wanted.split("\r\n").length > 50);
      assert.deepEqual(found.split("\r\n"), wanted.split("\r\n"));
    });
});

describe("what is not whole is said", () => {
  const gate = async () => {
    await divided.env.LEDGER.exec("DELETE FROM readouts");
    return (await readout(divided, "/visit.json")).gates.find(({ name }) => name === "record");
  };
  const FAULTS = {
    "rows are still to be looked through": [
      ["LEDGER_2", "UPDATE placement SET scan = ''", "UPDATE placement SET scan = NULL"],
      /still being carried to the database/,
    ],
    "somebody has been waiting to be carried": [
      ["LEDGER", "INSERT INTO moves VALUES ('p', 'vx', 1, 1)", "DELETE FROM moves"],
      /still being carried to the database/,
    ],
    "a database is missing": [
      ["LEDGER_3", "UPDATE placement SET databases = 5", "UPDATE placement SET databases = 4"],
      /The record lies in 5 databases, and the worker has 4 of them/,
    ],
    "a database is in another's place": [
      ["LEDGER_1", "UPDATE placement SET number = 2", "UPDATE placement SET number = 1"],
      /bound in the place of another/,
    ],
    "a database fails": [
      ["LEDGER_3", "ALTER TABLE segments RENAME TO away", "ALTER TABLE away RENAME TO segments"],
      /question/,
    ],
  };
  for (const [name, [[binding, spoil, mend], said]] of Object.entries(FAULTS))
    test(name, async () => {
      assert.equal((await gate()).level, "green");
      await divided.env[binding].exec(spoil);
      try {
        const { level, text } = await gate();
        assert.equal(level, "red", text);
        assert.match(text, said);
      } finally {
        await divided.env[binding].exec(mend);
      }
    });

  test("health names the database", async () => {
    assert.deepEqual((await divided.health()).record, { databases: DATABASES, problems: [] });
    assert.equal((await alone.health()).record, undefined);
    await divided.env.LEDGER_2.exec("ALTER TABLE placement RENAME TO away");
    try {
      const { status, record } = await divided.health();
      assert.equal(status, "degraded");
      assert.match(record.problems.join(), /^LEDGER_2 does not answer: .*placement/);
      const stranger = JSON.parse((await divided.ask("/_sortition/health")).text);
      assert.deepEqual(stranger.record, { databases: DATABASES });
    } finally {
      await divided.env.LEDGER_2.exec("ALTER TABLE away RENAME TO placement");
    }
  });
});

test("with a gap nothing is recorded by halves, and health says so", async () => {
  const gap = await startHarness({
    origin: origin.url,
    document,
    change(config) {
      more(3)(config);
      config.d1_databases.splice(1, 1);
      for (const consumer of config.queues.consumers) consumer.max_retries = 0;
    },
  });
  try {
    const message = { schema: 1, source: "isolate-9", seq: 0, events: [JSON.parse(one.events[0])] };
    await gap.env.EVENTS.send(message, { contentType: "json" });
    await until(() => gap.log().includes("delivered again: "), "the consumer to refuse it", 30_000);
    assert.deepEqual(await gap.rows("SELECT * FROM arrivals"), []);
    const { status, record } = await gap.health();
    assert.equal(status, "degraded");
    assert.match(record.problems.join(), /LEDGER_2 is bound, and LEDGER_1 is not/);
  } finally {
    await gap.close();
  }
});

const COLUMNS = {
  exposures: `id, project, experiment_id, iteration, variant, unit, unit_id, anonymous_id, user_id, reason, exposed_at, config_revision,
    country, device, browser, visitor_type, region, referrer_host, logged_in, fallback, versions`,
  exposure_variants: "exposure_id, variant, first_at",
  conversions: "*",
  identities: "*",
};

test("the rows are divided: those of all databases together are those of the one", async () => {
  const bindings = ["LEDGER", ...Array.from({ length: DATABASES - 1 }, (_, at) => `LEDGER_${at + 1}`)];
  for (const [table, columns] of Object.entries(COLUMNS)) {
    const of = async (platform, binding) =>
      (await platform.env[binding].prepare(`SELECT ${columns} FROM ${table}`).all()).results.map((row) =>
        JSON.stringify(row),
      );
    const found = await Promise.all(bindings.map((binding) => of(divided, binding)));
    for (const [number, rows] of found.entries()) assert.ok(rows.length > 10, `${table} in ${bindings[number]}`);
    assert.deepEqual(found.flat().sort(), (await of(alone, "LEDGER")).sort(), table);
  }
});
