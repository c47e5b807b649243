// What an exposure costs in the record, and how the tables of before come into it: in steps of bounded size, while the
// consumer goes on. SORTITION_ROWS says how many exposures lie there; a million take some minutes.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { migrations, startConsumer } from "./consumer.mjs";
import { random } from "./random.mjs";

const ROWS = Number(process.env.SORTITION_ROWS ?? 24_000);
const MOST_WRITTEN = 3;
const MOST_BYTES = 200;

let consumer;
before(async () => {
  consumer = await startConsumer(["ONE"], { before: "0011" });
});
after(() => consumer?.close());

const next = random(3);
const pick = (list) => list[Math.floor(next() * list.length)];
const rows = (sql) => consumer.ask("record", { place: "ONE", sql });
let seq = 0;

/** An exposure of a visitor as a shop's pages send it. */
function exposed(visitor, rest = {}) {
  const at = new Date(Date.parse("2026-11-21T00:00:00Z") + Math.floor(next() * 86_400_000)).toISOString();
  return {
    type: "experiment_exposed",
    id: createHash("md5").update(visitor).digest("hex"),
    project: "acme-shop",
    config_revision: "r1",
    at,
    anonymous_id: visitor,
    user_id: null,
    experiment_id: "hero",
    iteration: 1,
    variant: pick(["control", "bold"]),
    reason: "split",
    exposed_at: at,
    request: {
      host: "shop.example",
      path: "/",
      method: "GET",
      country: pick(["DE", "AT", "CH"]),
      region: pick(["Berlin", "Wien", null]),
      device: pick(["mobile", "desktop"]),
      browser: pick(["chrome", "safari", "firefox"]),
      referrer_host: pick(["search.example", null]),
      visitor_type: pick(["new", "returning"]),
      logged_in: false,
    },
    versions: {},
    ...rest,
  };
}

/** Delivers events, a hundred a message; resolves to what the record was asked. */
async function deliver(events) {
  const bodies = [];
  for (let from = 0; from < events.length; from += 100)
    bodies.push({ schema: 1, source: "isolate-0001", seq: seq++, events: events.slice(from, from + 100) });
  const deliveries = bodies.map((_, number) => ({ id: `${seq}-${number}`, number, attempts: 1 }));
  const { acked, counts } = await consumer.ask("deliver", { place: "ONE", deliveries, bodies });
  assert.equal(acked.length, bodies.length, consumer.log());
  return counts;
}

/** What the record holds of every exposure, by its id, and every variant that its unit met. */
async function everything(exposures, variants) {
  const all = new Map();
  const columns =
    "id, variant, unit, unit_id, anonymous_id, user_id, reason, exposed_at, config_revision, country, region, device";
  for (let last = ""; ; ) {
    const page = await rows(
      `SELECT ${columns}, browser, visitor_type, referrer_host, logged_in, fallback, versions FROM ${exposures} WHERE id > '${last}' ORDER BY id LIMIT 20000`,
    );
    if (page.length === 0) break;
    for (const row of page) all.set(row.id, { ...row, met: {} });
    last = page.at(-1).id;
  }
  for (const { exposure_id, variant, first_at } of await rows(
    `SELECT v.exposure_id, v.variant, v.first_at FROM ${variants} v WHERE v.exposure_id IN
     (SELECT exposure_id FROM ${variants} GROUP BY exposure_id HAVING count(*) > 1)`,
  ))
    all.get(exposure_id).met[variant] = first_at;
  return all;
}

/** What an event changes of it. */
function take(all, { id, variant, exposed_at, ...event }) {
  const row = all.get(id);
  if (!row) return;
  row.met[row.variant] ??= row.exposed_at;
  if (!(row.met[variant] <= exposed_at)) row.met[variant] = exposed_at;
  if (exposed_at >= row.exposed_at) return;
  const { country, region, device, browser, visitor_type, referrer_host } = event.request;
  Object.assign(row, { variant, exposed_at, reason: event.reason, config_revision: event.config_revision });
  Object.assign(row, {
    country,
    region,
    device,
    browser,
    visitor_type,
    referrer_host,
    logged_in: "false",
    versions: null,
  });
}

test("the record of before comes along, step by step, while the consumer goes on", {
  timeout: 3_000_000,
}, async (t) => {
  for (let from = 0; from < ROWS; from += 20_000) {
    const to = Math.min(ROWS, from + 20_000);
    const sql = [
      `INSERT INTO exposures WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to}),
       named AS MATERIALIZED (SELECT i, lower(hex(randomblob(16))) AS id, lower(hex(randomblob(16))) AS h FROM n),
       made AS MATERIALIZED (SELECT i, id, iif(i % 50 = 0, 'foreign-' || i, substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-' || substr(h, 13, 4) || '-' || substr(h, 17, 4) || '-' || substr(h, 21)) AS visitor FROM named)
       SELECT id, 'acme-shop', iif(i % 3, 'hero', 'price'), 1 + i % 2, iif(i % 7 < 3, 'control', 'bold'), iif(i % 40 = 1, 'user', 'visitor'),
       iif(i % 40 = 1, 'user-' || i, visitor), visitor, iif(i % 40 = 1, 'user-' || i, NULL), iif(i % 5, 'split', 'sticky'),
       strftime('%Y-%m-%dT%H:%M:%S', 1795219200 + i % 86400, 'unixepoch') || '.123Z', 'r' || (i % 4), iif(i % 3, 'DE', NULL), iif(i % 2, 'mobile', 'desktop'),
       'chrome', 'new', 'Berlin', iif(i % 11, NULL, 'search.example'), iif(i % 2, 'true', NULL), NULL, iif(i % 13, NULL, '{"recommender":"v12"}') FROM made`,
      `INSERT INTO exposure_variants SELECT id, variant, exposed_at FROM exposures WHERE id NOT IN (SELECT exposure_id FROM exposure_variants)`,
    ];
    await consumer.ask("migrate", { place: "ONE", statements: sql });
  }
  const later = `INSERT INTO exposure_variants SELECT id, iif(variant = 'bold', 'control', 'bold'), '2026-11-22T12:00:00.000Z' FROM exposures WHERE id LIKE '0%' LIMIT 100`;
  await consumer.ask("migrate", { place: "ONE", statements: [later] });
  const all = await everything("exposures", "exposure_variants");
  assert.equal(all.size, ROWS);
  await consumer.ask("migrate", { place: "ONE", statements: migrations("0011") });

  const known = [...all.values()].filter(({ unit }) => unit === "visitor");
  const fresh = [];
  let runs = 0;
  const left = async () => (await rows("SELECT count(*) AS n FROM exposures_before"))[0].n;
  while ((await left()) > 0) {
    // people of before come back, with another variant, earlier and later; new ones come as well
    const row = pick(known);
    const [of] = await rows(`SELECT experiment_id, iteration FROM exposures_before WHERE id = '${row.id}'
      UNION ALL SELECT experiment_id, iteration FROM exposures WHERE id = '${row.id}' LIMIT 1`);
    const again = (exposed_at, variant) =>
      exposed(row.anonymous_id, { id: row.id, ...of, variant, exposed_at, at: exposed_at, user_id: row.user_id });
    const back = [again("2026-11-20T10:00:00.000Z", "third"), again("2026-11-29T10:00:00.000Z", "control")];
    const visitors = Array.from({ length: 20 }, () => exposed(randomUUID()));
    // why: for as long as a run takes, so that batches really come between its steps
    let over = false;
    const run = consumer.ask("schedule", { place: "ONE" }).finally(() => {
      over = true;
    });
    do {
      await deliver([...back, ...visitors]);
    } while (!over);
    const most = await run;
    assert.ok(most > 0 && most < 2000 * 8, `${most} rows in one transaction`);
    for (const event of back) take(all, event);
    fresh.push(...visitors);
    assert.ok(++runs < ROWS / 1000, "it gets on");
  }
  const found = await everything("exposures", "exposure_variants");
  for (const { id, anonymous_id } of fresh) {
    assert.equal(found.get(id)?.unit_id, anonymous_id);
    found.delete(id);
  }
  assert.equal(found.size, ROWS);
  for (const [id, row] of all) assert.deepEqual(found.get(id), row);
  // why: of a million rows that takes so long that the connection is closed meanwhile, which has to be noticed first
  await setImmediate();
  const [{ n }] = await rows("SELECT count(*) AS n FROM exposure_variants_before");
  assert.equal(n, 0);
  const counted = await rows(`SELECT i.experiment_id, i.iteration, sum(c.units) AS n, (SELECT count(*) FROM exposed e
    WHERE e.iteration_no = i.number AND e.kind = 0) AS right FROM exposed_counts c JOIN iterations i ON i.number = c.iteration_no GROUP BY i.number`);
  assert.equal(counted.length, 4);
  for (const { n, right } of counted) assert.equal(n, right);
  t.diagnostic(`${ROWS} exposures came along in ${runs} runs`);
});

test("of somebody who is forgotten no id stays", async () => {
  const visitor = randomUUID();
  await deliver(
    [1, 2].map((number) => exposed(visitor, { id: createHash("md5").update(`${visitor}${number}`).digest("hex") })),
  );
  const unit = `X'${visitor.replaceAll("-", "")}'`;
  const left = async (table) => (await rows(`SELECT count(*) AS n FROM ${table} WHERE unit = ${unit}`))[0].n;
  assert.deepEqual([await left("exposed"), await left("doubled")], [2, 1]);
  await consumer.ask("migrate", { place: "ONE", statements: [`DELETE FROM exposed WHERE unit = ${unit}`] });
  assert.deepEqual([await left("exposed"), await left("doubled"), await left("second_variants")], [0, 0, 0]);
});

test("an exposure is three written rows and less than 200 bytes", async () => {
  // the parts of the audience get their numbers once
  for (let batch = 0; batch < 4; batch++) await deliver(Array.from({ length: 1000 }, () => exposed(randomUUID())));
  const known = await deliver(Array.from({ length: 1000 }, () => exposed(randomUUID())));
  const many = 20;
  let [written, size] = [0, known.size];
  for (let batch = 0; batch < many; batch++) {
    const events = Array.from({ length: 1000 }, () => exposed(randomUUID()));
    const counts = await deliver(events);
    written += counts.written;
    size = counts.size;
    if (batch === 0) {
      const again = await deliver(events);
      assert.ok(again.written <= 1, `${again.written} rows for what is known, besides the numbers that arrived`);
    }
  }
  // the numbers of the messages that arrived: one row a batch
  assert.ok(written <= MOST_WRITTEN * 1000 * many + many, `${written / 1000 / many} rows an exposure`);
  const bytes = (size - known.size) / 1000 / many;
  assert.ok(bytes > 50 && bytes <= MOST_BYTES, `${bytes} bytes an exposure`);
});
