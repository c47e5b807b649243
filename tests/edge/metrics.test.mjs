// A day of events with every oddity, through the real queue and consumer: what D1 answers from the record, and what DuckDB
// answers from the archive, is what the reference implementation says, as exact numbers.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { at } from "../../scripts/setup.mjs";
import { until } from "./client.mjs";
import { startHarness } from "./harness.mjs";
import { askPostgres, day, expected, fillPostgres, POSTGRES, shaped, statements, tool } from "./metrics.mjs";
import { startOrigin } from "./origin.mjs";

// Its sums of squares pass 64 bits. Another day: SORTITION_SEED=7.
const SEED = Number(process.env.SORTITION_SEED ?? 603);
const PEOPLE = 300;

let origin;
let platform;
let duckdb;
const one = day(SEED, PEOPLE);
const experiments = one.questions.experiments.map(({ id }) => id);

before(async () => {
  origin = await startOrigin();
  platform = await startHarness({ origin: origin.url });
  const sent = new Set();
  for (let from = 0, seq = 0; from < one.events.length; from += 100, seq++) {
    const events = one.events.slice(from, from + 100).map((line) => JSON.parse(line));
    for (const { id } of events) sent.add(id);
    const message = { schema: 1, source: `isolate-${seq % 3}`, seq: Math.floor(seq / 3), events };
    await platform.env.EVENTS.send(message, { contentType: "json" });
  }
  const stored = async () => {
    const [{ n }] = await platform.rows("SELECT (SELECT sum(arrived) FROM arrivals) AS n");
    return n === Math.ceil(one.events.length / 100);
  };
  await until(stored, () => `the day in the record:\n${platform.log().slice(-2000)}`, 120_000);
  for (const { key, text } of await platform.archived("events/")) {
    mkdirSync(dirname(join(one.folder, key)), { recursive: true });
    writeFileSync(join(one.folder, key), text);
  }
  duckdb = await (await DuckDBInstance.create()).connect();
  await duckdb.run(`SET file_search_path = '${one.folder}'`);
  const guide = readFileSync(at("docs/warehouse.md"), "utf8");
  await duckdb.run(/```sql duckdb\n([\s\S]*?)```/.exec(guide)[1]);
  if (POSTGRES) {
    const archived = (await platform.archived("events/")).map(({ text }) => text).join("");
    fillPostgres(archived, /```sql postgres\n([\s\S]*?)```/.exec(guide)[1]);
  }
});
after(async () => {
  duckdb?.closeSync();
  await platform?.close();
  await origin?.close();
  rmSync(one.folder, { recursive: true, force: true });
});

const ENGINES = {
  d1: async (sql) => (await platform.env.LEDGER.prepare(sql).raw()).map(([row]) => JSON.parse(row)),
  duckdb: async (sql) => (await duckdb.runAndReadAll(sql)).getRowsJson(),
};
if (POSTGRES) ENGINES.postgres = async (sql) => askPostgres(sql);
else test("postgres", { skip: "SORTITION_POSTGRES names no database to try the statements on" }, () => {});

for (const [dialect, ask] of Object.entries(ENGINES))
  for (const experiment of experiments)
    describe(`${dialect} about ${experiment}`, () => {
      for (const [name, sql] of statements(one.document, experiment, dialect, one.questions.now)) {
        // why: the holdout is asked every metric of the document, and the reference its own
        const wanted = expected(one.answers[experiment], experiment, name);
        if (!wanted) continue;
        test(name, async () => {
          assert.ok(sql.length < 100_000, "D1 takes statements of up to 100 KB");
          assert.deepEqual(shaped(await ask(sql), wanted), wanted);
        });
      }
    });

// What the tool asks DuckDB is not what it prints: what the statements share is made once.
describe("DuckDB, asked by the tool, about", () => {
  const file = join(one.folder, "kept.json");
  for (const experiment of [undefined, ...experiments.filter((id) => id !== "_holdout")]) {
    const which = experiment ? [experiment] : [];
    test(experiment ?? "all of them", () => {
      const asked = ["readout", one.document, ...which, "--from", `duckdb:${one.folder}`, "--at", one.questions.now];
      const told = tool(...asked, "--keep", file, "--json");
      assert.equal(told.status, 0, told.stderr);
      const rows = new Map();
      let open = [];
      for (const row of JSON.parse(readFileSync(file, "utf8"))) {
        if (["endings", "delivery", "health"].includes(row[0])) continue;
        open.push(row);
        if (row[0] !== "end") continue;
        rows.set(row[1], open);
        open = [];
      }
      let compared = 0;
      for (const [name, answer] of rows) {
        const [of, ...question] = name.split(" ");
        const wanted = one.answers[of] && expected(one.answers[of], of, question.join(" "));
        if (!wanted) continue;
        assert.deepEqual(shaped(answer, wanted), wanted, name);
        compared++;
      }
      assert.ok(compared >= (experiment ? 1 : 20), `${compared} answers`);
      const again = tool("readout", one.document, ...which, "--answers", file, "--at", one.questions.now, "--json");
      const shown = ({ stdout }) =>
        [JSON.parse(stdout)].flatMap((one) => one.experiments ?? one).map((one) => one.metrics);
      assert.deepEqual(shown(again), shown(told));
    });
  }
});

test("the tool's readout from DuckDB has the reference's numbers", () => {
  const asked = ["readout", one.document, "hero", "--from", `duckdb:${one.folder}`, "--at", one.questions.now];
  const shown = tool(...asked, "--json");
  assert.equal(shown.status, 0, shown.stderr);
  const { metrics, gates, contaminated } = JSON.parse(shown.stdout);
  const { units, metrics: wanted } = one.answers.hero;
  assert.equal(BigInt(contaminated), units.contaminated);
  for (const [name, { cells, mixed }] of Object.entries(wanted)) {
    const { variants } = metrics.find(({ id }) => id === `hero-${name}`);
    for (const { variant, n, converted, waiting, sum } of mixed ? [] : variants) {
      const right = cells[`\t\t${variant}`];
      assert.deepEqual([n, converted, waiting].map(BigInt), [right.units, right.converted, right.waiting], name);
      assert.equal(BigInt(sum), right.y, name);
    }
  }
  assert.ok(Object.values(wanted).some(({ mixed }) => mixed));
  assert.equal(gates.find(({ name }) => name === "currency").level, "red", "several currencies: nothing is added up");
  assert.match(tool(...asked).stdout, /hero.*computed by DuckDB/);
});

test("the day has what it is for", () => {
  const { units, metrics } = one.answers.hero;
  assert.ok(units.contaminated > 0n && units.unknown.removed > 0n);
  assert.ok(metrics.mixed.mixed && metrics.revenue.currencies.some(([, leftOut]) => leftOut));
  const sum = (metric, name) =>
    Object.entries(metric.cells).reduce((n, [key, sums]) => n + (key.startsWith("\t") ? sums[name] : 0n), 0n);
  assert.ok(sum(metrics.quick, "waiting") > 0n && sum(metrics.capped, "xy") > 0n);
  assert.ok(sum(metrics.revenue, "y") < sum(metrics.gross, "y"), "some money went back");
  assert.ok(Object.keys(one.answers.hero.pairs).length > 4);
  assert.equal(Object.keys(one.answers.nobody.units.cells).length, 0);
});
