// What the tool asks DuckDB, of tables in which most units need no rule, beside the statements that stand alone: the same
// answers over data that is odd in every way that the tables look for. As objects, as compacted days, and as both.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { at } from "../../scripts/setup.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { statements, tool } from "./metrics.mjs";
import { random } from "./random.mjs";

const folder = mkdtempSync(join(tmpdir(), "sortition-tables-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const DAY = 86_400_000;
const FIRST = Date.parse("2026-11-18T00:00:00Z");
const NOW = "2026-11-21T12:00:00.000Z";
const SEED = Number(process.env.SORTITION_SEED ?? 11);

const metrics = {
  revenue: { event: "purchase", kind: "mean", cuped: { days: 14 } },
  euros: { event: "purchase", kind: "mean", currency: "EUR", cap: 90, window_hours: 30 },
  gross: { event: "purchase", kind: "mean", refunds: "ignore", cap_percentile: 80, cuped: { days: 1 } },
  buyers: { event: "purchase", kind: "proportion", window_hours: 6 },
  orders: { event: "purchase", kind: "count", cuped: { days: 2 }, where: { big: true } },
  basket: { event: "purchase", kind: "ratio", per: "view", where_per: { page: { $lt: 3 } }, cuped: { days: 14 } },
  failures: { event: "view", kind: "ratio", of: "count", per: "purchase" },
  speed: { event: "view", kind: "quantile", q: 0.9 },
  back: { event: "view", kind: "retention", from_days: 0, to_days: 1 },
};
const [primary, ...secondary] = Object.keys(metrics);
const variants = ["control", "bold"].map((id) => ({ id, weight: 50 }));
const measured = (id, unit) => experiment({ id, unit, pages: [`/${id}`], variants, metrics: { primary, secondary } });
const document = join(folder, "experiments.json");
writeFileSync(
  document,
  JSON.stringify(documentOf([measured("hero"), measured("nav"), measured("visit", "session")], { metrics })),
);

const roll = random(SEED);
const below = (number) => Math.floor(roll() * number);
const one = (values) => values[below(values.length)];
const time = (millis) => new Date(millis).toISOString();
/** The largest amounts that a currency has: 10^15 of its smallest unit. */
const largest = (currency) => (currency === "JPY" ? 1e15 : 1e13);
const moment = () => FIRST + below(96) * (DAY / 24);

/** An event of somebody: few visitors, fewer users, so that they meet. */
function somebody(type, rest) {
  const user = below(5) === 0 ? `user-${below(40)}` : undefined;
  const visitor = `${one(["visitor", "ünknown"])}-${below(160)}`;
  const id = rest.id ?? `${type}-${below(900)}`;
  return {
    type,
    project: "acme-shop",
    config_revision: one(["r1", "r2"]),
    at: time(moment()),
    anonymous_id: visitor,
    user_id: user,
    ...rest,
    id,
  };
}

/** One of several by a text: what the rules leave open, two tellings that differ in nothing else, must not differ either. */
const by = (text, values) => values[createHash("md5").update(text).digest().readUInt32LE() % values.length];

function exposure() {
  const which = one(["hero", "hero", "nav", "visit"]);
  const number = below(160);
  // why: most ids are those of their unit, as the worker makes them; some are told of several units, some units have several
  const id = below(12) === 0 ? `shared-${below(9)}` : `${which}-${below(20) === 0 ? `${number}-again` : number}`;
  const { anonymous_id, ...sent } = somebody("experiment_exposed", { id });
  // why: at one and the same time the variant and who it was decide which is the first; before 1970 and after 2038 no unit is spared
  const exposed = below(60) === 0 ? one([-DAY, -1, 0]) : below(3) === 0 ? FIRST : moment();
  const own = number % 7 === 0 ? "gone" : number % 2 ? "bold" : "control";
  const variant = below(20) === 0 ? "bold" : own;
  const visitor = below(10) > 0 ? `visitor-${number}` : anonymous_id;
  const key = [id, exposed, variant, visitor, sent.user_id, sent.config_revision].join();
  const session = by(`${key} session`, [...Array(8).fill(number), number % 80]);
  const versions = by(`${key} versions`, [undefined, { pricing: "a" }, { pricing: "b" }]);
  const fallback = by(`${key} fallback`, [undefined, undefined, true]);
  return {
    ...{
      ...sent,
      anonymous_id: visitor,
      experiment_id: which,
      iteration: by(`${key} iteration`, [1, 1, 1, 1, 2]),
      variant,
    },
    ...(which === "visit" && { session_id: `session-${session}` }),
    ...{
      unit: which === "visit" && by(`${key} unit`, [0, 1, 1, 1]) ? "session" : "visitor",
      reason: "split",
      exposed_at: time(exposed),
    },
    request: {
      ...{
        host: "shop.example",
        path: "/",
        method: "GET",
        device: by(`${key} device`, ["mobile", "desktop", undefined]),
      },
      ...{
        country: by(`${key} country`, ["DE", "AT"]),
        browser: "chrome",
        visitor_type: by(`${key} type`, ["new", "returning"]),
      },
      logged_in: sent.user_id !== undefined,
    },
    ...(versions && { versions }),
    ...(fallback && { fallback }),
  };
}

function outcome() {
  const order = below(300);
  const event = one(["purchase", "purchase", "view", "other"]);
  const currency = one(["EUR", "EUR", "JPY", undefined]);
  return somebody("experiment_converted", {
    ...{
      id: `outcome-${below(700)}`,
      conversion_event: event,
      converted_at: time(moment()),
      channel: one(["page", "server"]),
    },
    ...(below(8) > 0 && { value: one([0, 0.01, 19.99, 120, -5, largest(currency)]), currency }),
    ...(event === "purchase" && { transaction_id: `order-${order}` }),
    ...(below(9) === 0 && { refund_of: `order-${below(300)}` }),
    ...(below(4) === 0 && { session_id: `session-${below(160)}` }),
    ...(below(9) === 0 && { experiment_id: "hero", variant: one(["control", "bold"]) }),
    properties: { big: below(2) === 0, page: below(5) },
  });
}

const identification = () => somebody("identified", { user_id: `user-${below(40)}` });

const lines = (number, make) =>
  Array.from({ length: number }, make)
    .flatMap((event) => (below(4) === 0 ? [event, event] : [event]))
    .map((event) => JSON.stringify(event));

/** Each day in two objects. */
function archive(place) {
  for (let day = 0; day < 4; day++)
    for (const hour of ["10", "11"]) {
      const all = [...lines(150, exposure), ...lines(150, outcome), ...lines(8, identification)];
      const dt = `dt=${time(FIRST + day * DAY).slice(0, 10)}`;
      const write = (key, text) => {
        mkdirSync(dirname(join(place, key)), { recursive: true });
        writeFileSync(join(place, key), text);
      };
      write(`events/${dt}/hour=${hour}/a.ndjson`, `${all.join("\n")}\n`);
      write(`messages/${dt}/hour=${hour}/a.ndjson`, `${JSON.stringify({ source: `isolate-${hour}`, seq: day })}\n`);
    }
}

/** Rows by what they are of, without those that say nothing. */
function said(rows) {
  const number = (value) => BigInt(`${value ?? 0}`.replace(/\.0*$/, ""));
  const all = rows.map(([what, dimension, part, variant, ...numbers]) => [
    [what, dimension ?? "", part ?? "", variant ?? "", ...(what === "currency" ? [`${numbers[1]}`] : [])].join("|"),
    numbers.map(number),
  ]);
  // why: a value has several ranks, a delay several hours: such rows are told apart by their first number
  const named = all.map(([key, numbers]) => [/^(rank|delay)/.test(key) ? `${key}|${numbers[0]}` : key, numbers]);
  return Object.fromEntries(
    named.filter(([key, numbers]) => key.startsWith("end") || numbers.some((n) => n !== 0n)).sort(),
  );
}

const objects = join(folder, "objects");
archive(objects);
const compacted = join(folder, "compacted");
cpSync(objects, compacted, { recursive: true });
const both = join(folder, "both");
cpSync(objects, both, { recursive: true });

async function alone() {
  const instance = await DuckDBInstance.create(":memory:");
  const database = await instance.connect();
  await database.run(`SET file_search_path = '${objects}'; SET TimeZone = 'UTC'`);
  const guide = readFileSync(at("docs/warehouse.md"), "utf8");
  await database.run(/```sql duckdb\n([\s\S]*?)```/.exec(guide)[1]);
  const answers = {};
  for (const id of ["hero", "nav", "visit"])
    for (const [name, sql] of statements(document, id, "duckdb", NOW))
      answers[`${id} ${name}`] = said((await database.runAndReadAll(sql)).getRowsJson());
  database.closeSync();
  instance.closeSync();
  return answers;
}

const wanted = await alone();

function asked(place, ...which) {
  const file = join(folder, "kept.json");
  const told = tool("readout", document, ...which, "--from", `duckdb:${place}`, "--at", NOW, "--keep", file, "--json");
  assert.equal(told.status, 0, told.stderr);
  const answers = {};
  let open = [];
  for (const row of JSON.parse(readFileSync(file, "utf8"))) {
    if (["endings", "delivery", "health"].includes(row[0])) continue;
    open.push(row);
    if (row[0] !== "end") continue;
    answers[row[1]] = said(open);
    open = [];
  }
  return answers;
}

function compact(place, until) {
  const done = tool("events", "compact", "--in", place, "--until", until, "--remove", "--json");
  assert.equal(done.status, 0, `${done.stdout}${done.stderr}`);
}

test("the data is as odd as it should be", () => {
  const units = wanted["hero units"];
  assert.ok(units["contaminated|||"][0] > 3n && units["unknown|||gone"], "units that are left out");
  assert.ok(wanted["hero metric revenue"]["contradicts|||"], "outcomes that name another variant");
  assert.ok(Object.keys(wanted["visit metric revenue"]).length > 10);
  assert.ok(Object.keys(wanted).some((name) => name.includes("interactions")));
});

for (const [name, place, until] of [
  ["objects", objects],
  ["compacted days", compacted, "2026-11-22"],
  ["compacted days and objects", both, "2026-11-20"],
])
  describe(`from ${name}`, () => {
    if (until) test("compaction", () => compact(place, until));
    for (const which of [[], ["hero"], ["nav"], ["visit"]])
      test(which[0] ?? "all of them", () => {
        const answers = asked(place, ...which);
        assert.ok(Object.keys(answers).length >= 10);
        for (const [question, answer] of Object.entries(answers)) assert.deepEqual(answer, wanted[question], question);
      });
  });
