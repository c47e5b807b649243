// The readout's queries in D1, against a plain computation over the same people: everything adds up, to the unit.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const sql = (name) => readFileSync(at("src/ledger/readout", `${name}.sql`), "utf8");
const CAP = 20_000;
const TODAY = "2026-11-12";

let origin;
let platform;
before(async () => {
  origin = await startOrigin();
  platform = await startHarness({ origin: origin.url });
});
after(async () => {
  await platform.close();
  await origin.close();
});

/** A generator of numbers below `n`, the same on every run (mulberry32). */
function random(seed) {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/** Visitors, users on several devices, sessions, people who met both variants, orders, refunds, other experiments. */
function world() {
  const below = random(7);
  const pick = (list) => list[below(list.length)];
  const time = () => new Date(Date.UTC(2026, 10, 1) + below(11 * 86_400) * 1000).toISOString();
  const exposures = Array.from({ length: 600 }, (_, index) => {
    const unit = pick(["visitor", "visitor", "visitor", "visitor", "user", "session"]);
    const anon = `visitor-${below(450)}`;
    const id = unit === "visitor" ? `x-${anon}` : `x-${index}`;
    const unit_id = { visitor: anon, user: `user-${below(60)}`, session: `session-${index}` }[unit];
    const variant = pick(["control", "bold", "third"]);
    return {
      id,
      unit,
      unit_id,
      anon,
      at: time(),
      variants: below(40) ? [variant] : ["control", "bold"],
      device: pick(["mobile", "desktop", null]),
      country: pick(["DE", "US", "<b>", null]),
      visitor_type: pick(["new", "returning"]),
    };
  });
  const unique = [...new Map(exposures.map((exposure) => [exposure.id, exposure])).values()];
  const identities = Array.from({ length: 130 }, () => ({
    anon: `visitor-${below(450)}`,
    user: `user-${below(60)}`,
    at: time(),
  }));
  const distinct = [...new Map(identities.map((one) => [`${one.anon} ${one.user}`, one])).values()];
  const conversions = Array.from({ length: 900 }, (_, index) => {
    const isRefund = index > 800;
    const isUser = below(6) === 0;
    return {
      id: `c-${index}`,
      event: isRefund ? "refund" : pick(["purchase", "purchase", "view"]),
      value: isRefund ? -below(5000) : pick([null, below(9000), 3_037_000_499]),
      anon: isRefund || (isUser && below(2)) ? null : `visitor-${below(450)}`,
      user: !isRefund && isUser ? `user-${below(60)}` : null,
      at: time(),
      tx: isRefund ? null : `order-${index}`,
      refund_of: isRefund ? `order-${below(800)}` : null,
      claims: below(9) ? null : pick(["control", "bold"]),
    };
  });
  return { exposures: unique, identities: distinct, conversions };
}

const byTime = (a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.id < b.id ? -1 : 1);
const first = (list) =>
  [...list].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.user < b.user ? -1 : 1))[0]?.user;

/** People, by the rules in words: who is who, who is left out, what counts. */
function people({ exposures, identities }) {
  const of = (exposure) => {
    if (exposure.unit === "user") return `u ${exposure.unit_id}`;
    const user = first(identities.filter(({ anon }) => anon === exposure.anon));
    return user ? `u ${user}` : `v ${exposure.anon}`;
  };
  const all = new Map();
  for (const exposure of exposures) {
    const name = of(exposure);
    const person = all.get(name) ?? { name, met: [], exposures: [] };
    person.met.push(...exposure.variants);
    person.exposures.push(exposure);
    all.set(name, person);
  }
  for (const person of all.values()) {
    person.crossed = new Set(person.met).size > 1;
    person.variant = person.met[0];
    person.first = person.exposures.sort(byTime)[0];
  }
  return all;
}

function ownerOf(conversion, { identities, conversions }) {
  const order =
    conversion.refund_of &&
    conversions.find((one) => one.tx === conversion.refund_of && !one.refund_of && one.event === "purchase");
  const user = conversion.user ?? order?.user;
  const anon = conversion.anon ?? order?.anon;
  const owned = order?.at ?? conversion.at;
  if (user) return `u ${user}`;
  const known = identities.filter((one) => one.anon === anon);
  const before = known.filter((one) => one.at <= owned).sort((a, b) => (a.at > b.at ? -1 : a.at < b.at ? 1 : 0));
  const latest = before.filter((one) => one.at === before[0].at);
  const found = latest.length ? latest.map((one) => one.user).sort()[0] : first(known);
  return found ? `u ${found}` : `v ${anon}`;
}

/** Sums per variant of what happened until the end of a day. */
function sums(everything, all, { event, per, cap, until, only = () => true }) {
  const out = new Map();
  for (const person of all.values()) {
    if (person.crossed || !only(person.first)) continue;
    const theirs = everything.conversions.filter(
      (one) =>
        (one.event === event || one.event === per) &&
        one.at >= person.first.at &&
        one.at.slice(0, 10) <= until &&
        ownerOf(one, everything) === person.name,
    );
    const values = theirs.filter((one) => one.event === event);
    const total = values.reduce((sum, one) => sum + (one.value ?? 0), 0);
    const y = BigInt(Math.max(Math.min(total, cap), -3_037_000_499));
    const d = BigInt(theirs.filter((one) => one.event === per).length);
    const old = out.get(person.variant) ?? [0n, 0n, 0n, 0n, 0n, 0n];
    const add = [values.length ? 1n : 0n, y, y * y, d, d * d, y * d];
    out.set(
      person.variant,
      old.map((value, index) => value + add[index]),
    );
  }
  return out;
}

/** The same out of the rows of the query. */
function summed(rows, chosen) {
  const out = new Map();
  for (const row of rows.filter(chosen)) {
    const [, , variant, converted, y, high, low, d, dd, yd] = row;
    const add = [converted, y, null, d, dd, yd].map((value) => (value === null ? 0n : BigInt(value)));
    add[2] = (BigInt(high) << 32n) + BigInt(low);
    const old = out.get(variant) ?? [0n, 0n, 0n, 0n, 0n, 0n];
    out.set(
      variant,
      old.map((value, index) => value + add[index]),
    );
  }
  return out;
}

const withoutZeros = (map) => Object.fromEntries([...map].filter(([, values]) => values.some((v) => v !== 0n)));

async function fill({ exposures, identities, conversions }) {
  const db = platform.env.LEDGER;
  const insert = (table, columns, rows) =>
    db
      .prepare(
        `INSERT INTO ${table} SELECT ${Array.from({ length: columns }, (_, n) => `value ->> ${n}`)} FROM json_each(?1) WHERE true`,
      )
      .bind(JSON.stringify(rows));
  const exposure = (project, experiment) => (e) => [
    `${project === "shop" && experiment === "hero" ? "" : `${project}${experiment}`}${e.id}`,
    project,
    experiment,
    1,
    e.variants[0],
    e.unit,
    e.unit_id,
    e.anon,
    e.unit === "user" ? e.unit_id : null,
    "split",
    e.at,
    "r",
    e.country,
    e.device,
    "chrome",
    e.visitor_type,
  ];
  await db.batch([
    insert("exposures", 21, exposures.map(exposure("shop", "hero"))),
    // why: what belongs to another experiment or project must not count
    insert("exposures", 21, exposures.slice(0, 200).map(exposure("shop", "other"))),
    insert("exposures", 21, exposures.slice(0, 200).map(exposure("elsewhere", "hero"))),
    insert(
      "exposure_variants",
      3,
      exposures.flatMap((e) => e.variants.map((variant) => [e.id, variant, e.at])),
    ),
    insert(
      "identities",
      4,
      identities.map((one) => ["shop", one.anon, one.user, one.at]),
    ),
    insert(
      "conversions",
      17,
      conversions.map((one) => [
        one.id,
        "shop",
        one.event,
        one.value,
        "EUR",
        one.tx,
        one.refund_of,
        one.anon,
        one.user,
        one.claims && "hero",
        one.claims,
        one.at,
        "page",
        "r",
        "{}",
        "x",
      ]),
    ),
  ]);
}

const asked = async (name, ...values) => {
  const statement = platform.env.LEDGER.prepare(sql("people") + sql(name)).bind("shop", "hero", 1, ...values);
  return (await statement.raw()).map(([row]) => JSON.parse(row));
};

test("units and outcomes add up to what a plain computation finds, on every day and in every part", async () => {
  const everything = world();
  await fill(everything);
  const all = people(everything);
  const counted = [...all.values()].filter((person) => !person.crossed);
  assert.ok(all.size - counted.length > 20, "some are contaminated");

  const units = await asked("units");
  const parts = { day: (first) => first.at.slice(0, 10) };
  for (const name of ["device", "country", "visitor_type"]) parts[name] = (first) => first[name] ?? "";
  for (const [dimension, part] of Object.entries(parts)) {
    const expected = {};
    for (const person of counted) {
      const key = `${part(person.first)} ${person.variant}`;
      expected[key] = (expected[key] ?? 0) + 1;
    }
    const found = units.filter((row) => row[0] === dimension && row[3] !== 0);
    assert.deepEqual(Object.fromEntries(found.map(([, value, variant, n]) => [`${value} ${variant}`, n])), expected);
  }
  const [, , , contaminated] = units.find((row) => row[0] === "contaminated");
  assert.equal(contaminated, all.size - counted.length);

  for (const [event, per, cap] of [
    ["purchase", "purchase", 3_037_000_499],
    ["purchase", "purchase", CAP],
    ["purchase", "view", CAP],
    ["refund", "refund", CAP],
  ]) {
    const rows = await asked("outcomes", event, per, cap, TODAY);
    for (let day = 1; day <= 12; day++) {
      const until = `2026-11-${String(day).padStart(2, "0")}`;
      const expected = withoutZeros(sums(everything, all, { event, per, cap, until }));
      const found = withoutZeros(summed(rows, (row) => row[0] === "day" && row[1] <= until));
      assert.deepEqual(found, expected, `${event} per ${per} until ${until}`);
    }
    for (const dimension of ["device", "country", "visitor_type"]) {
      for (const value of new Set(everything.exposures.map((one) => one[dimension] ?? ""))) {
        const only = (first) => (first[dimension] ?? "") === value;
        const expected = withoutZeros(sums(everything, all, { event, per, cap, until: "9", only }));
        const found = withoutZeros(summed(rows, (row) => row[0] === dimension && row[1] === value));
        assert.deepEqual(found, expected, `${event} per ${per} in ${dimension} ${value}`);
      }
    }
    assert.ok(rows.some((row) => row[0] === "age" && row[1] > 3));
  }
});

test("the rollup follows what moves and what is deleted", async () => {
  const db = platform.env.LEDGER;
  const sum = async () =>
    (
      await db
        .prepare("SELECT sum(units) AS n FROM exposure_counts WHERE project = 'shop' AND experiment_id = 'hero'")
        .first()
    ).n;
  const rows = async () =>
    (
      await db
        .prepare(
          "SELECT count(*) AS n FROM exposures WHERE project = 'shop' AND experiment_id = 'hero' AND unit = 'visitor'",
        )
        .first()
    ).n;
  assert.equal(await sum(), await rows());
  const id = (await db.prepare("SELECT id FROM exposures WHERE project = 'shop' AND unit = 'visitor' LIMIT 1").first())
    .id;
  await db
    .prepare("UPDATE exposures SET exposed_at = '2026-10-01T00:00:00.000Z', variant = 'moved' WHERE id = ?")
    .bind(id)
    .run();
  assert.equal(await sum(), await rows());
  const moved = await db.prepare("SELECT units, day FROM exposure_counts WHERE variant = 'moved'").first();
  assert.deepEqual(moved, { units: 1, day: "2026-10-01" });
  await db.prepare("DELETE FROM exposures WHERE project = 'shop' AND id = ?").bind(id).run();
  assert.equal(await sum(), await rows());
  const gone = await db.prepare("SELECT sum(units) AS n FROM exposure_counts WHERE variant = 'moved'").first();
  assert.equal(gone.n, 0);
});
