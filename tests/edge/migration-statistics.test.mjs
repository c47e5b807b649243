// What a readout says of a record that was written by the first edition and taken along into the small record, while traffic
// went on: every number is what the reference and plain sums over the units say, and what a record says that never was another.
// SORTITION_ROWS says how many units the second day has; a million take some minutes.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { migrations, startConsumer } from "./consumer.mjs";
import { day, expected, shaped, statements } from "./metrics.mjs";
import { buildTool } from "./stubbed.mjs";

const SEED = Number(process.env.SORTITION_SEED ?? 603);
const PEOPLE = 400;
const ROWS = Number(process.env.SORTITION_ROWS ?? 9_000);
const PRECISION = 1e-12;

// As the first edition's consumer wrote them.
const EXPOSURES = `INSERT INTO exposures (id, project, experiment_id, iteration, variant, unit, unit_id, anonymous_id, user_id, reason, exposed_at,
  config_revision, country, device, browser, visitor_type, region, referrer_host, logged_in, fallback, versions)
SELECT ${Array.from({ length: 21 }, (_, at) => `value ->> ${at}`)} FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET variant = excluded.variant, anonymous_id = excluded.anonymous_id, user_id = excluded.user_id,
  reason = excluded.reason, exposed_at = excluded.exposed_at, config_revision = excluded.config_revision, country = excluded.country,
  device = excluded.device, browser = excluded.browser, visitor_type = excluded.visitor_type, region = excluded.region,
  referrer_host = excluded.referrer_host, logged_in = excluded.logged_in, fallback = excluded.fallback, versions = excluded.versions
WHERE (excluded.exposed_at, excluded.variant, coalesce(excluded.anonymous_id, ''), coalesce(excluded.user_id, ''), excluded.config_revision)
  < (exposures.exposed_at, exposures.variant, coalesce(exposures.anonymous_id, ''), coalesce(exposures.user_id, ''), exposures.config_revision)`;
const VARIANTS = `INSERT INTO exposure_variants (exposure_id, variant, first_at)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true
ON CONFLICT (exposure_id, variant) DO UPDATE SET first_at = excluded.first_at WHERE excluded.first_at < exposure_variants.first_at`;

let consumer;
before(async () => {
  buildTool();
  consumer = await startConsumer(["OLD", "NEW", "PLAIN"], { before: "0011" });
});
after(() => consumer?.close());

const chunks = (list, size) =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));
const rows = (place, sql) => consumer.ask("record", { place, sql });
const answer = async (place, sql) => (await rows(place, sql)).map((row) => JSON.parse(Object.values(row)[0]));
const fill = async (place, sql, list) => {
  for (const some of chunks(chunks(list, 500), 20)) await consumer.ask("fill", { place, sql, rows: some });
};

let seq = 0;
async function deliver(place, events) {
  for (const some of chunks(chunks(events, 100), 20)) {
    const bodies = some.map((events) => ({ schema: 1, source: "isolate-0001", seq: seq++, events }));
    const deliveries = bodies.map((_, number) => ({ id: `${seq}-${number}`, number, attempts: 1 }));
    const { acked } = await consumer.ask("deliver", { place, deliveries, bodies });
    assert.equal(acked.length, bodies.length, consumer.log());
  }
}

/** Takes everything along, and calls `between` while it goes on; resolves to how many runs of the schedule that took. */
async function takeAlong(place, between) {
  const left = async () => (await rows(place, "SELECT count(*) AS n FROM exposures_before"))[0].n;
  let runs = 0;
  for (; (await left()) > 0; runs++) {
    const run = consumer.ask("schedule", { place });
    await between(runs);
    await run;
  }
  assert.ok(runs > 0);
  return runs;
}

/** The numbers of results, each with the way to it. */
function numbers(value, path = "", all = new Map()) {
  if (typeof value === "number") all.set(path, value);
  else if (value && typeof value === "object")
    for (const [key, inner] of Object.entries(value)) numbers(inner, `${path}/${key}`, all);
  return all;
}

const isNear = (found, wanted) =>
  found === wanted || Math.abs(found - wanted) <= PRECISION * Math.max(Math.abs(found), Math.abs(wanted));

/** Compares all numbers of results; resolves to how many those are. */
function same(found, wanted) {
  const [left, right] = [numbers(found), numbers(wanted)];
  assert.deepEqual([...left.keys()], [...right.keys()]);
  for (const [path, number] of right)
    assert.ok(isNear(left.get(path), number), `${path}: ${left.get(path)}, not ${number}`);
  return right.size;
}

describe("a day with every oddity", () => {
  const one = day(SEED, PEOPLE);
  const document = JSON.parse(readFileSync(one.document, "utf8"));
  const experiments = one.questions.experiments.map(({ id }) => id);
  // why: the worker's clock goes on, so that everything is over
  const now = new Date().toISOString();
  after(() => rmSync(one.folder, { recursive: true, force: true }));

  test("is taken along with traffic beside it", async () => {
    const questions = join(one.folder, "later.json");
    writeFileSync(questions, JSON.stringify({ ...one.questions, now }));
    const asked = [at("fixtures/metrics/reference.py"), join(one.folder, "events.ndjson"), questions];
    const text = execFileSync("python3", asked, { maxBuffer: 2 ** 28, encoding: "utf8" });
    one.answers = JSON.parse(text, (_, value, { source } = {}) =>
      typeof value === "number" && /^-?\d+$/.test(source ?? "") ? BigInt(source) : value,
    );
    await consumer.ask("migrate", { place: "NEW", statements: migrations("0011") });
    const events = one.events.map((line) => JSON.parse(line));
    const [old, traffic] = [events.filter((_, at) => at % 5), events.filter((_, at) => at % 5 === 0)];
    await deliver("NEW", old);
    const exposed = old.filter(({ type }) => type === "experiment_exposed");
    await fill("OLD", EXPOSURES, exposed.map(before0011));
    await fill(
      "OLD",
      VARIANTS,
      exposed.map(({ id, variant, exposed_at }) => [id, variant, exposed_at]),
    );
    // the tables of outcomes and of who is who have not changed
    for (const table of ["conversions", "identities"]) {
      const lines = await rows("NEW", `SELECT * FROM ${table}`);
      const columns = Object.keys(lines[0]);
      const values = columns.map((_, at) => `value ->> ${at}`);
      const list = lines.map((line) => columns.map((name) => line[name]));
      await fill("OLD", `INSERT INTO ${table} (${columns}) SELECT ${values} FROM json_each(?1)`, list);
    }
    await deliver("NEW", traffic);
    await consumer.ask("migrate", { place: "OLD", statements: migrations("0011") });
    const parts = chunks(traffic, 100);
    const runs = await takeAlong("OLD", async () => deliver("OLD", parts.pop() ?? []));
    await deliver("OLD", parts.flat());
    assert.ok(runs >= 1);
  });

  for (const experiment of experiments)
    test(`the sums of ${experiment} are the reference's, exactly`, async () => {
      let compared = 0;
      for (const [name, sql] of statements(one.document, experiment, "d1", now)) {
        const wanted = expected(one.answers[experiment], experiment, name);
        if (!wanted) continue;
        assert.deepEqual(shaped(await answer("OLD", sql), wanted), wanted, name);
        compared++;
      }
      assert.ok(compared >= 2);
    });

  test("its results are, number for number, those of a record that never was another", async (t) => {
    const ids = document.experiments.map(({ id }) => id);
    const [found, wanted] = await Promise.all(
      ["OLD", "NEW"].map((place) => consumer.ask("results", { place, document, ids })),
    );
    const compared = ids.map((id) => same(found[id], wanted[id]));
    assert.ok(Math.max(...compared) > 500, `${compared} numbers`);
    t.diagnostic(`${compared.reduce((sum, n) => sum + n, 0)} numbers`);
  });
});

/** An exposure as a row of the first edition. */
function before0011(event) {
  const { id, project, experiment_id, iteration, variant, unit = "visitor", anonymous_id, user_id, request } = event;
  const name = { user: user_id, session: event.session_id, visitor: anonymous_id }[unit];
  const { country, device, browser, visitor_type, region, referrer_host, logged_in } = request;
  const versions = Object.entries(event.versions).sort(([a], [b]) => (a < b ? -1 : 1));
  const common = [id, project, experiment_id, iteration, variant, unit, name, anonymous_id, user_id];
  const told = [event.reason, event.exposed_at, event.config_revision, country, device, browser, visitor_type, region];
  const rest = [logged_in === null ? null : `${logged_in}`, event.fallback ? "true" : null];
  const known = versions.length ? JSON.stringify(Object.fromEntries(versions)) : null;
  return [...common, ...told, referrer_host, ...rest, known];
}

describe("a plain fortnight", () => {
  const DAY = 86_400;
  const START = Date.parse("2026-11-01T00:00:00Z") / 1000;
  const FRESH = 60;
  const document = {
    ...{ version: 1, project: "acme-shop", revision: "r1" },
    metrics: {
      revenue: { event: "purchase", kind: "mean", currency: "EUR" },
      adjusted: { event: "purchase", kind: "mean", currency: "EUR", cuped: { days: 14 } },
      buyers: { event: "purchase", kind: "proportion" },
      orders: { event: "purchase", kind: "count" },
      basket: { event: "purchase", kind: "ratio", per: "purchase", currency: "EUR" },
    },
    experiments: [
      {
        ...{ id: "hero", status: "running", iteration: 1, analysis: { method: "fixed", mde: 0.05 } },
        variants: [
          { id: "control", weight: 1 },
          { id: "bold", weight: 1 },
        ],
        metrics: { primary: "revenue", secondary: ["adjusted", "buyers", "orders", "basket"] },
      },
    ],
  };

  /** What the SQL below says of a unit. */
  function unit(i) {
    const isBold = ((i * 7919) % 10_007) % 2 === 1;
    const before = i % 3 === 0 ? 300 + ((i * 53) % 9973) : 0;
    const outcomes = [];
    if (i % 5 === 0) outcomes.push(500 + ((i * 37) % 20_011) + (isBold ? 211 : 0) + Math.floor(before / 2));
    if (i % 35 === 0) outcomes.push(100 + ((i * 11) % 997));
    if (i % 70 === 0) outcomes[0] -= 1 + (i % 101);
    const y = outcomes.reduce((sum, value) => sum + value, 0);
    return { variant: isBold ? "bold" : "control", before, y, orders: outcomes.length };
  }

  // the table n has the numbers of the units
  const MADE = `made AS MATERIALIZED (SELECT i, printf('%08x-0000-4000-8000-%012x', (i * 2654435761) % 4294967296, i) AS visitor,
    printf('%016x%016x', i, i + 7) AS id, iif(((i * 7919) % 10007) % 2, 'bold', 'control') AS variant,
    ${START} + (i % 14) * ${DAY} + (i * 61) % 86000 AS at, iif(i % 3, 0, 300 + (i * 53) % 9973) AS before FROM n)`;
  const time = (seconds) => `strftime('%Y-%m-%dT%H:%M:%S', ${seconds}, 'unixepoch') || '.000Z'`;
  const outcome = (name, rest, where) =>
    `SELECT '${name}' || id, 'acme-shop', ${rest}, visitor, NULL, NULL, NULL, ${where}`;
  const told = (at) => `${time(at)}, 'server', 'r1', '{}', '', NULL`;
  const SQL = [
    `INSERT INTO exposures SELECT id, 'acme-shop', 'hero', 1, variant, 'visitor', visitor, visitor, NULL, 'split', ${time("at")}, 'r1', 'DE',
      iif(i % 2, 'mobile', 'desktop'), 'chrome', 'new', NULL, NULL, NULL, NULL, NULL FROM made`,
    `INSERT INTO exposure_variants SELECT id, variant, ${time("at")} FROM made`,
    `INSERT INTO conversions
      ${outcome("a", "'purchase', 500 + (i * 37) % 20011 + iif(variant = 'bold', 211, 0) + before / 2, 'EUR', 'o' || i, NULL", `${told("at + 3600")} FROM made WHERE i % 5 = 0`)}
      UNION ALL ${outcome("b", "'purchase', 100 + (i * 11) % 997, 'EUR', NULL, NULL", `${told("at + 7200")} FROM made WHERE i % 35 = 0`)}
      UNION ALL ${outcome("c", "'refund', -(1 + i % 101), 'EUR', NULL, 'o' || i", `${told("at + 9000")} FROM made WHERE i % 70 = 0`)}
      UNION ALL ${outcome("d", "'purchase', before, 'EUR', NULL, NULL", `${told(`at - 2 * ${DAY}`)} FROM made WHERE i % 3 = 0`)}`,
  ];

  /** A unit of no outcomes, as an event, whatever is said of it again. */
  const event = (i, more = 0) => {
    const hex = (number, digits) => number.toString(16).padStart(digits, "0");
    const at = new Date((START + (i % 14) * DAY + ((i * 61) % 86_000) + more) * 1000).toISOString();
    const visitor = `${hex(Number((BigInt(i) * 2654435761n) % 4294967296n), 8)}-0000-4000-8000-${hex(i, 12)}`;
    return {
      ...{ type: "experiment_exposed", id: hex(i, 16) + hex(i + 7, 16), project: "acme-shop", config_revision: "r1" },
      ...{ at, anonymous_id: visitor, user_id: null, experiment_id: "hero", iteration: 1, variant: unit(i).variant },
      ...{ reason: "split", exposed_at: at, versions: {} },
      request: { host: "shop.example", path: "/", method: "GET", country: "DE" },
    };
  };

  test("every number that plain sums give is the readout's", { timeout: 3_000_000 }, async (t) => {
    for (let from = 0; from < ROWS; from += 20_000) {
      const to = Math.min(ROWS, from + 20_000);
      const n = `WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})`;
      const filled = SQL.map((sql) => sql.replace(/^(INSERT INTO \w+)/, `$1 ${n}, ${MADE}`));
      await consumer.ask("migrate", { place: "PLAIN", statements: filled });
    }
    await consumer.ask("migrate", { place: "PLAIN", statements: migrations("0011") });
    // people of before come back, later, and new ones come, who buy nothing
    let units = ROWS;
    const runs = await takeAlong("PLAIN", async (run) => {
      const back = Array.from({ length: 40 }, (_, at) => event((run * 997 + at * 211) % ROWS, 60));
      const fresh = Array.from({ length: FRESH }, (_, at) => event(units + at));
      units += FRESH;
      await deliver("PLAIN", [...back, ...fresh]);
    });

    const sums = { control: empty(), bold: empty() };
    for (let i = 0; i < units; i++) {
      const { variant, before, y, orders } = i < ROWS ? unit(i) : { ...unit(i), before: 0, y: 0, orders: 0 };
      add(sums[variant], { y, x: before, d: orders });
    }
    const { hero } = await consumer.ask("results", { place: "PLAIN", document, ids: ["hero"] });
    assert.deepEqual(
      hero.gates.filter(({ name, level }) => name === "record" && level !== "green"),
      [],
    );
    assert.equal(hero.units, units);
    let compared = 0;
    const near = (found, wanted, what) => {
      compared++;
      assert.ok(isNear(found, wanted), `${what}: ${found}, not ${wanted}`);
    };
    const arms = [sums.control, sums.bold];
    for (const { id, variants, means, comparisons } of hero.metrics) {
      const wanted = WANTED[id](...arms);
      for (const [at, arm] of arms.entries()) {
        near(variants[at].n, Number(arm.n), `${id} n`);
        near(variants[at].converted, Number(arm.converted), `${id} converted`);
        if (id === "revenue") near(variants[at].sum, Number(arm.y), `${id} sum`);
        if (id === "revenue") near(variants[at].sum_sq, Number(arm.yy), `${id} sum of squares`);
        near(means[at], wanted.means[at], `${id} mean`);
      }
      const [{ difference, std_error, interval, lift, status }] = comparisons;
      assert.equal(status, "OK", id);
      near(difference, wanted.difference, `${id} difference`);
      near(std_error, wanted.error, `${id} standard error`);
      assert.ok(Math.abs((interval[0] + interval[1]) / 2 - wanted.difference) <= PRECISION * Math.abs(interval[1]), id);
      if (wanted.lift !== undefined) near(lift, wanted.lift, `${id} lift`);
    }
    t.diagnostic(`${units} units, ${runs} runs of the schedule, ${compared} numbers`);
  });

  const empty = () => ({ n: 0n, converted: 0n, y: 0n, yy: 0n, x: 0n, xx: 0n, xy: 0n, d: 0n, dd: 0n, yd: 0n });

  function add(sums, numbers) {
    const [y, x, d] = [numbers.y, numbers.x, numbers.d].map(BigInt);
    const more = { n: 1n, converted: BigInt(d > 0n), y, yy: y * y, x, xx: x * x, xy: x * y, d, dd: d * d, yd: y * d };
    for (const [name, number] of Object.entries(more)) sums[name] += number;
  }

  /** A fraction of whole numbers, as near as a double comes. */
  const ratio = (a, b) => Number((a << 160n) / b) / 2 ** 160;
  const variance = ({ n }, [y, yy]) => ratio(n * yy - y * y, n * (n - 1n));

  /** The mean of a number of each unit, and what it differs by. */
  const ofMeans = (minor, pick) => (control, bold) => {
    const means = [control, bold].map((arm) => ratio(pick(arm)[0], arm.n * minor));
    const error = Math.sqrt(
      [control, bold].reduce((sum, arm) => sum + variance(arm, pick(arm)) / Number(arm.n) / Number(minor) ** 2, 0),
    );
    const [y0, y1] = [pick(control)[0], pick(bold)[0]];
    const difference = ratio(y1 * control.n - y0 * bold.n, control.n * bold.n * minor);
    return { means, difference, error, lift: ratio(y1 * control.n - y0 * bold.n, y0 * bold.n) };
  };

  const WANTED = {
    revenue: ofMeans(100n, ({ y, yy }) => [y, yy]),
    buyers: (control, bold) => {
      const { means, difference, lift } = ofMeans(1n, ({ converted }) => [converted, converted])(control, bold);
      const square = [control, bold].reduce((sum, { n, converted: k }) => sum + ratio(k * (n - k), n ** 3n), 0);
      return { means, difference, error: Math.sqrt(square), lift };
    },
    orders: ofMeans(1n, ({ d, dd }) => [d, dd]),
    adjusted: (control, bold) => {
      const both = Object.fromEntries(Object.keys(control).map((name) => [name, control[name] + bold[name]]));
      const theta = ratio(both.n * both.xy - both.x * both.y, both.n * both.xx - both.x * both.x);
      const raw = WANTED.revenue(control, bold);
      const shift = ratio(bold.x * control.n - control.x * bold.n, control.n * bold.n);
      const square = [control, bold].reduce((sum, arm) => {
        const covariance = ratio(arm.n * arm.xy - arm.x * arm.y, arm.n * (arm.n - 1n));
        const left =
          variance(arm, [arm.y, arm.yy]) + theta ** 2 * variance(arm, [arm.x, arm.xx]) - 2 * theta * covariance;
        return sum + left / Number(arm.n);
      }, 0);
      return { means: raw.means, difference: raw.difference - (theta * shift) / 100, error: Math.sqrt(square) / 100 };
    },
    basket: (control, bold) => {
      const means = [control, bold].map(({ y, d }) => ratio(y, d * 100n));
      // the delta method: what is left of each unit once the ratio has its part
      const square = [control, bold].reduce((sum, { n, y, yy, d, dd, yd }) => {
        const left = yy * d * d - 2n * y * d * yd + y * y * dd;
        return sum + ratio(n * left, d ** 4n * (n - 1n));
      }, 0);
      const difference = ratio(bold.y * control.d - control.y * bold.d, bold.d * control.d * 100n);
      return { means, difference, error: Math.sqrt(square) / 100 };
    },
  };
});
