// The day of events of fixtures/metrics, its questions, and what the reference implementation answers to them; and an
// engine's rows in the reference's form, so that the two can be compared as exact numbers.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { at } from "../../scripts/setup.mjs";

const NAMES = ["units", "waiting", "converted", "y", "yy", "d", "dd", "yd", "x", "xx", "xy", "xd"];

/** The day of a seed, in a folder of its own: its events, document, questions, and the reference's answers. */
export function day(seed, people) {
  const folder = mkdtempSync(join(tmpdir(), "sortition-metrics-"));
  const file = (name) => join(folder, name);
  const python = (script, ...values) =>
    execFileSync("python3", [at("fixtures/metrics", script), ...values], { maxBuffer: 2 ** 28, encoding: "utf8" });
  python("day.py", `${seed}`, `${people}`, file("events.ndjson"), file("questions.json"), file("document.json"));
  const answers = bigJson(python("reference.py", file("events.ndjson"), file("questions.json")));
  const questions = JSON.parse(readFileSync(file("questions.json"), "utf8"));
  const events = readFileSync(file("events.ndjson"), "utf8").trimEnd().split("\n");
  return { folder, events, questions, answers, document: file("document.json") };
}

/** A database of PostgreSQL that may be written to, for `psql`: it is tried where there is one. */
export const POSTGRES = process.env.SORTITION_POSTGRES;

const psql = (text) =>
  execFileSync("psql", [POSTGRES, "-qAt", "-v", "ON_ERROR_STOP=1"], {
    input: text,
    maxBuffer: 2 ** 28,
    encoding: "utf8",
  });

/** Copies lines of events into the database, and makes the view of the guide, both for nobody else to see. */
export function fillPostgres(lines, view) {
  const copied = lines.replaceAll("\\", "\\\\");
  psql(`DROP SCHEMA IF EXISTS sortition_test CASCADE; CREATE SCHEMA sortition_test; SET search_path = sortition_test;
CREATE TABLE lines (line jsonb);\nCOPY lines FROM STDIN;\n${copied}\\.\n${view}`);
}

/** The rows of a statement. */
export function askPostgres(sql) {
  const columns = "what, dimension, part, variant, a, b, c, e, f, g, h, i, j, k, l, m";
  return JSON.parse(
    psql(`SET search_path = sortition_test; SELECT json_agg(json_build_array(${columns})) FROM (${sql}) answer`),
  );
}

/** JSON whose whole numbers are exact: BigInts. */
function bigJson(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value,
  );
}

/** Runs the tool. */
export function tool(...values) {
  const binary = process.env.SORTITION_BINARY ?? at("target/debug/sortition");
  return spawnSync(binary, values, { cwd: at("."), maxBuffer: 2 ** 26, encoding: "utf8" });
}

/** The statements of an experiment: `[[name, sql], …]`. */
export function statements(document, experiment, dialect, now) {
  const told = tool("readout", document, experiment, "--sql", dialect, "--at", now, "--json");
  if (told.status !== 0) throw new Error(`${told.stdout}${told.stderr}`);
  return JSON.parse(told.stdout).experiments[0].questions.map(({ name, sql }) => [name, sql]);
}

/** A number of an answer, as a BigInt: written as digits, or as limbs of 17 bits. */
function big(value) {
  if (value === null || value === undefined) return 0n;
  if (typeof value === "number") return BigInt(value);
  if (value.startsWith("[")) return JSON.parse(value).reduce((sum, limb) => (sum << 17n) + BigInt(limb), 0n);
  return BigInt(value.replace(/\.0*$/, ""));
}

const EMPTY = { currencies: [], delays: {}, contradicting: 0n, contaminated: 0n, unknown: {}, cap: null, values: {} };

/** Rows in the form of what the reference says, `wanted`. */
export function shaped(rows, wanted) {
  const out = { ...structuredClone(EMPTY), cells: {} };
  const ranks = [];
  let ended = false;
  for (const [what, dimension, part, variant, ...numbers] of rows) {
    const [first, second, third] = numbers;
    if (what === "pair" || (what === "sum" && dimension !== "age")) {
      const place = dimension === "day" ? new Date(Number(part) * 86_400_000).toISOString().slice(0, 10) : part;
      const sums = Object.fromEntries(NAMES.map((name, place) => [name, big(numbers[place])]));
      if (NAMES.some((name) => sums[name] !== 0n)) out.cells[`${dimension}\t${place}\t${variant}`] = sums;
    } else if (what === "currency") out.currencies.push([part ?? "", big(second) !== 0n, big(first)]);
    else if (what === "delay") out.delays[`${big(first)}`] = big(second);
    else if (what === "contradicts") out.contradicting += big(first);
    else if (what === "contaminated") out.contaminated += big(first);
    else if (what === "unknown") out.unknown[variant] = big(first);
    else if (what === "cap") out.cap = first === null ? null : big(first);
    else if (what === "rank") ranks.push([variant, big(first), big(second), big(third)]);
    else if (what === "end") ended = true;
  }
  if (!ended) throw new Error("the answer has no end");
  out.currencies.sort((a, b) => (`${a}` < `${b}` ? -1 : 1));
  for (const [variant, { rank }] of Object.entries(wanted.ranks))
    out.values[variant] = ranks.find(([of, , from, to]) => of === variant && from <= rank && rank <= to)?.[1];
  return trimmed(out, wanted);
}

/** Without what a question does not say, or what means nothing. */
function trimmed(out, wanted) {
  const { counts, mixed, ranks } = wanted;
  const cells = Object.entries(out.cells).flatMap(([key, sums]) => {
    if (counts === "pairs") return sums.units === 0n ? [] : [[key, { ...sums, waiting: 0n }]];
    // why: nothing is added up across currencies
    if (mixed) return [[key, { units: sums.units, waiting: sums.waiting, converted: sums.converted }]];
    return [[key, sums]];
  });
  return { ...out, cells: Object.fromEntries(cells), cap: mixed ? null : out.cap, counts, mixed, ranks };
}

/** What the reference says to a question of an experiment; nothing where it was not asked. */
export function expected(answers, experiment, name) {
  const whole = (counts, said) => {
    const { quantiles = {}, ...rest } = said;
    const values = Object.fromEntries(Object.entries(quantiles).map(([variant, { value }]) => [variant, value]));
    const wanted = { counts, mixed: false, ranks: quantiles, ...structuredClone(EMPTY), ...rest, values };
    wanted.currencies.sort((a, b) => (`${a}` < `${b}` ? -1 : 1));
    return trimmed(wanted, wanted);
  };
  if (name === "units") return whole("units", answers.units);
  if (name.startsWith("interactions ")) return whole("pairs", { cells: answers.pairs });
  const id = name.replace("metric ", "");
  const said =
    answers.metrics[id] ?? (id.startsWith(`${experiment}-`) && answers.metrics[id.slice(experiment.length + 1)]);
  return said && whole("metric", said);
}
