// The day of events of fixtures/metrics through engines that are too large for `npm test`: PostgreSQL (Debian's), ClickHouse
// (chdb), Spark in local mode (pyspark, needs Java), and the text for BigQuery, Snowflake, Databricks and Trino, which sqlglot
// reads in its dialect and DuckDB runs. Every answer is compared with the reference as exact numbers:
//
//   npm run engines                    all of them; some minutes, and ten for Spark
//   npm run engines -- clickhouse …    some

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { at, installed, packages, run } from "../../scripts/setup.mjs";
import { startPostgres } from "./postgres.mjs";
import { overS3 } from "./s3.mjs";

if (Number(process.versions.node.split(".")[0]) < 22) {
  // why: the machine's Node may be older than the one of the project's packages, and reads no exact whole numbers
  run(installed("node"), [at("tests/engines/run.mjs"), ...process.argv.slice(2)]);
  process.exit(0);
}
const ENGINES = ["s3", "postgres", "clickhouse", "bigquery", "snowflake", "databricks", "trino", "spark"];
const PACKAGES = { clickhouse: "chdb", spark: "pyspark" };
const chosen = process.argv.slice(2);
const wanted = chosen.length > 0 ? chosen : ENGINES;

packages();
const postgres = wanted.includes("postgres") && !process.env.SORTITION_POSTGRES ? startPostgres() : undefined;
if (postgres) process.env.SORTITION_POSTGRES = postgres.url;
const { askPostgres, day, expected, fillPostgres, POSTGRES, shaped, statements } = await import("../edge/metrics.mjs");
run("cargo", ["build", "--quiet", "--bin", "sortition"]);
// why: in the user's cache, so that fresh clones need not fetch them again
const venv = process.env.SORTITION_ENGINES ?? join(homedir(), ".cache", "sortition-engines");
if (!existsSync(join(venv, "bin", "python"))) run("python3", ["-m", "venv", venv]);
const has = (name) => spawnSync(join(venv, "bin", "python"), ["-c", `import ${name}`]).status === 0;
const inPython = wanted.filter((engine) => !["postgres", "s3"].includes(engine));
const needed = new Set(inPython.flatMap((engine) => (PACKAGES[engine] ? [PACKAGES[engine]] : ["sqlglot", "duckdb"])));
const missing = [...needed].filter((name) => !has(name));
if (missing.length > 0) run(join(venv, "bin", "python"), ["-m", "pip", "install", "--quiet", ...missing]);

const one = day(20261121, 300);
const events = join(one.folder, "all.ndjson");
writeFileSync(events, `${one.events.join("\n")}\n`);
let failed = 0;

/** The answers of an engine that Python asks, or why there are none. */
function ofPython(engine, checked) {
  const file = join(one.folder, "answers.json");
  const question = { engine, events, answers: file, statements: checked.map(({ sql }) => sql) };
  const { status, stderr } = spawnSync(join(venv, "bin", "python"), [at("tests/engines/ask.py")], {
    input: JSON.stringify(question),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  return status === 0 ? JSON.parse(readFileSync(file, "utf8")) : stderr.trim().split("\n").at(-1);
}

/** The answers of PostgreSQL, on the view of the guide, or why there are none. */
function ofPostgres(checked) {
  if (!POSTGRES) return "it is not installed, and SORTITION_POSTGRES names no database";
  const guide = readFileSync(at("docs/warehouse.md"), "utf8");
  fillPostgres(`${one.events.join("\n")}\n`, /```sql postgres\n([\s\S]*?)```/.exec(guide)[1]);
  return checked.map(({ sql }) => {
    try {
      return { rows: askPostgres(sql) };
    } catch (error) {
      return { error: String(error.message) };
    }
  });
}

if (wanted.includes("s3")) {
  const started = performance.now();
  try {
    const equal = await overS3(venv, one);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(`s3: ${equal} readouts over S3 equal those from a folder, ${seconds} s`);
  } catch (error) {
    failed++;
    console.log(`s3: ${error.message}`);
  }
}

for (const engine of wanted.filter((engine) => engine !== "s3")) {
  const asked = one.questions.experiments.flatMap(({ id }) =>
    statements(one.document, id, engine, one.questions.now).map(([name, sql]) => ({ id, name, sql })),
  );
  const checked = asked.filter(({ id, name }) => expected(one.answers[id], id, name));
  const started = performance.now();
  const answers = engine === "postgres" ? ofPostgres(checked) : ofPython(engine, checked);
  if (typeof answers === "string") {
    console.log(`${engine}: cannot be asked: ${answers}`);
    failed++;
    continue;
  }
  let equal = 0;
  for (const [index, { id, name }] of checked.entries()) {
    const right = expected(one.answers[id], id, name);
    try {
      assert.ok(answers[index].rows, answers[index].error);
      assert.deepEqual(shaped(answers[index].rows, right), right);
      equal++;
    } catch (error) {
      failed++;
      console.log(`${engine} about ${id}, ${name}: ${String(error.message).slice(0, 600)}`);
    }
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${engine}: ${equal} of ${checked.length} answers equal the reference, ${seconds} s`);
}
postgres?.close();
rmSync(one.folder, { recursive: true, force: true });
process.exitCode = failed > 0 ? 1 : 0;
