// A day of 50,000 events, each message delivered one to five times, out of order, in random batches, with garbage between
// them, while D1, R2 and the dead letters' queue fail and the consumer is killed: the record equals that of a clean run.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { unstable_readConfig as readConfig } from "wrangler";
import { at } from "../../scripts/setup.mjs";
import { startConsumer } from "./consumer.mjs";
import { day, EVENTS, eventsOf, garbage, visitsOf } from "./day.mjs";
import { random } from "./random.mjs";

const MESSAGES = 5000;
const MOST = 100;

const TABLES = {
  exposures: "id",
  exposure_variants: "exposure_id, variant",
  conversions: "id",
  identities: "project, anonymous_id, user_id",
  endings: "id",
  served: "source",
  origin_health: "project, experiment_id, iteration, variant, hour, source",
  arrivals: "source",
  sources: "source",
};

let consumer;
before(async () => {
  consumer = await startConsumer(["CLEAN", "WILD", "ONE"]);
});
after(() => consumer?.close());

const deliver = (place, deliveries, rest) => consumer.ask("deliver", { size: MESSAGES, place, deliveries, ...rest });
const count = (map, source, seq) => map.set(source, (map.get(source) ?? new Set()).add(seq));
const first = (number) => ({ id: `m${number}`, number, attempts: 1 });

function shuffled(list, next) {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

/** Delivers everything once, in order. */
async function cleanRun(numbers) {
  for (let from = 0; from < numbers.length; from += MOST) {
    const { acked } = await deliver("CLEAN", numbers.slice(from, from + MOST).map(first));
    assert.equal(acked.length, Math.min(MOST, numbers.length - from));
  }
}

/** Plays a queue that is as bad as a queue may be; returns what happened. */
async function wildRun(deliveries, next) {
  const pending = shuffled(deliveries, next);
  const happened = { batches: 0, retried: 0, broken: 0, kills: 0 };
  const back = (delivery) => {
    const place = Math.floor(next() * (pending.length + 1));
    pending.splice(place, 0, { ...delivery, attempts: delivery.attempts + 1 });
  };
  let patience = 1;
  const killAt = new Set([pending.length * 0.66, pending.length * 0.33].map(Math.floor));
  while (pending.length > 0) {
    const threshold = [...killAt].find((left) => pending.length <= left);
    const batches = [];
    // the platform runs several consumers at once
    for (let parallel = 0; parallel < (threshold === undefined ? 2 : 4) && pending.length > 0; parallel++)
      batches.push(pending.splice(0, threshold === undefined ? 1 + Math.floor(next() * MOST) : MOST));
    const answers = batches.map((batch, index) =>
      deliver("WILD", batch, { failures: 0.05, seed: happened.batches + index }).then(
        ({ acked, retried }) => {
          assert.equal(acked.length + retried.length, batch.length, "every message is acknowledged or retried");
          const again = new Set(retried);
          happened.retried += again.size;
          return batch.filter(({ id }) => again.has(id));
        },
        // nothing was heard of it: the queue delivers it again
        () => {
          happened.broken++;
          return batch;
        },
      ),
    );
    const broken = happened.broken;
    if (threshold !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, patience * (100 + 400 * next())));
      await consumer.kill();
      happened.kills++;
    }
    for (const batch of await Promise.all(answers)) batch.forEach(back);
    happened.batches += batches.length;
    if (threshold !== undefined) {
      // a kill that came when all was done shows nothing: it is tried again, sooner
      if (happened.broken > broken) killAt.delete(threshold);
      else patience /= 2;
      await consumer.start();
    }
  }
  return happened;
}

/** Compares rows, and shows only the first that differ. */
function same(found, wanted, table) {
  assert.equal(found.length, wanted.length, table);
  const different = found.findIndex((row, index) => JSON.stringify(row) !== JSON.stringify(wanted[index]));
  assert.deepEqual(found[different], wanted[different], table);
}

test("one batch of 100 messages of 12 events is two objects, one call and thirteen statements", async () => {
  const { acked, counts } = await deliver(
    "ONE",
    Array.from({ length: 100 }, (_, number) => first(number)),
  );
  assert.equal(acked.length, 100);
  assert.deepEqual([counts.puts, counts.batches], [2, 1]);
  const rows = await consumer.ask("streamed");
  assert.equal(rows.length, 100 * EVENTS);
  assert.ok(counts.streams <= 3, `${counts.streams} calls of the stream`);
  assert.deepEqual(rows[0], JSON.parse((await consumer.ask("objects", { place: "ONE" }))[0].text.split("\n")[0]));
  assert.equal(counts.statements, 13);
});

test("a message on its last delivery is kept in R2, and one before it is not", async () => {
  const { queues } = readConfig({ config: at("wrangler.toml") }, { hideWarnings: true });
  const retries = queues.consumers[0].max_retries;
  const last = { ...first(7), attempts: retries + 1 };
  await deliver("ONE", [last, { ...first(8), attempts: retries }, first(9)]);
  const kept = await consumer.ask("objects", { place: "ONE", prefix: "dead/" });
  assert.deepEqual(
    kept.map(({ key, text }) => [key, JSON.parse(text).body]),
    [["dead/m7.json", day(MESSAGES)[7]]],
  );
});

test("the record of a wild day is that of a clean one, row for row", { timeout: 300_000 }, async () => {
  const next = random(11);
  const all = day(MESSAGES);
  // dropped on purpose, never the last of an isolate: what comes after it is needed to notice
  const highest = (message) => Math.max(...visitsOf(message).map(({ seq }) => seq));
  const last = new Map();
  for (const message of all) last.set(message.source, Math.max(last.get(message.source) ?? 0, highest(message)));
  const isLast = (message) => highest(message) === last.get(message.source);
  const kept = all.flatMap((message, number) => (isLast(message) || next() > 0.03 ? [number] : []));
  const poison = Array.from({ length: Math.ceil(kept.length / 100) }, (_, index) => index + 1);

  await cleanRun(kept);
  let copies = 0;
  const wild = [...kept, ...poison.map((number) => -number)].flatMap((number) =>
    Array.from({ length: 1 + Math.floor(next() * 5) }, () => ({ ...first(number), id: `m${number}-${copies++}` })),
  );
  const happened = await wildRun(wild, next);
  assert.ok(happened.retried > 1000 && happened.kills >= 2 && happened.broken > 0, JSON.stringify(happened));

  const record = {};
  for (const [table, order] of Object.entries(TABLES)) {
    const sql = `SELECT * FROM ${table} ORDER BY ${order}`;
    record[table] = await consumer.ask("record", { place: "CLEAN", sql });
    assert.ok(record[table].length > 0, table);
    same(await consumer.ask("record", { place: "WILD", sql }), record[table], table);
  }
  const numbers = kept.flatMap((number) => visitsOf(all[number]));
  const arrived = record.arrivals.reduce((sum, source) => sum + source.arrived, 0);
  assert.equal(arrived, numbers.length);
  assert.equal(record.arrivals.length, new Set(kept.map((number) => all[number].source)).size, "a row an isolate");
  assert.ok(record.exposure_variants.length > record.exposures.length, "some units met both variants");

  const lost = record.sources.reduce((sum, source) => sum + source.lost, 0);
  const told = new Map();
  for (const number of kept) for (const { seq } of visitsOf(all[number])) count(told, all[number].source, seq);
  const gaps = [...told].map(([source, seen]) => last.get(source) + 1 - seen.size);
  assert.equal(
    lost,
    gaps.reduce((sum, gap) => sum + gap, 0),
  );
  assert.ok(lost > 100);

  const archive = await consumer.ask("archive", { place: "CLEAN" });
  const events = new Set(kept.flatMap((number) => eventsOf(all[number]).map((event) => JSON.stringify(event))));
  assert.equal(archive.lines, events.size);
  assert.deepEqual(await consumer.ask("archive", { place: "WILD" }), archive);
  const messages = await consumer.ask("archive", { place: "CLEAN", folder: "messages" });
  assert.equal(messages.lines, numbers.length);
  assert.deepEqual(await consumer.ask("archive", { place: "WILD", folder: "messages" }), messages);

  const letters = await consumer.ask("letters");
  const bodies = new Set(letters.map(({ body }) => JSON.stringify(body)));
  assert.deepEqual([...bodies].sort(), poison.map((number) => JSON.stringify(garbage(number))).sort());
  assert.ok(letters.every(({ reason }) => typeof reason === "string" && reason.length > 0));
  console.log(`${MESSAGES * EVENTS} events: ${JSON.stringify(happened)}`);
});
