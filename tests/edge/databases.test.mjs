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
