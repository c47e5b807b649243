// The day of events of fixtures/metrics, its questions, and what the reference implementation answers to them; and an
// engine's rows in the reference's form, so that the two can be compared as exact numbers.

import { execFileSync } from "node:child_process";
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

/** JSON whose whole numbers are exact: BigInts. */
function bigJson(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value,
  );
}

/** The statements of an experiment: `[[name, sql], …]`. */
export function statements(document, experiment, dialect, now) {
  const binary = process.env.SORTITION_BINARY ?? at("target/debug/sortition");
  const told = execFileSync(
    binary,
    ["readout", document, experiment, "--sql", dialect, "--at", now, "--json"],
    { maxBuffer: 2 ** 26, encoding: "utf8" },
  );
  return JSON.parse(told).experiments[0].questions.map(({ name, sql }) => [name, sql]);
}

/** A number of an answer, as a BigInt: written as digits, or as limbs of 17 bits. */
function big(value) {
  if (value === null || value === undefined) return 0n;
  if (typeof value === "number") return BigInt(value);
  if (value.startsWith("[")) return JSON.parse(value).reduce((sum, limb) => (sum << 17n) + BigInt(limb), 0n);
  return BigInt(value.replace(/\.0*$/, ""));
}

/** Rows in the form of the reference's answers. */
export function shaped(rows) {
  const cells = {};
  const out = { cells, currencies: [], delays: {}, contradicting: 0n, contaminated: 0n, unknown: {}, cap: null, ranks: [] };
  let ended = false;
  for (const [what, dimension, part, variant, ...numbers] of rows) {
    const [first, second, third] = numbers;
    if (what === "sum" && dimension !== "age") {
      const shown = dimension === "day" ? new Date(Number(part) * 86_400_000).toISOString().slice(0, 10) : part;
      const sums = Object.fromEntries(NAMES.map((name, place) => [name, big(numbers[place])]));
      if (NAMES.some((name) => sums[name] !== 0n)) cells[`${dimension}\t${shown}\t${variant}`] = sums;
    } else if (what === "pair") {
      cells[`${dimension}\t${part}\t${variant}`] = Object.fromEntries(
        NAMES.map((name, place) => [name, big(numbers[place])]),
      );
    } else if (what === "currency") out.currencies.push([part ?? "", big(second) !== 0n, big(first)]);
    else if (what === "delay") out.delays[`${big(first)}`] = big(second);
    else if (what === "contradicts") out.contradicting += big(first);
    else if (what === "contaminated") out.contaminated += big(first);
    else if (what === "unknown") out.unknown[variant] = big(first);
    else if (what === "cap") out.cap = first === null ? null : big(first);
    else if (what === "rank") out.ranks.push([variant, big(first), big(second), big(third)]);
    else if (what === "end") ended = true;
  }
  if (!ended) throw new Error("the answer has no end");
  out.currencies.sort((a, b) => (`${a}` < `${b}` ? -1 : 1));
  return out;
}

/** What the reference says, for comparison with [`shaped`] rows: only what means something. */
export function expected(answers, name) {
  if (name === "units") {
    const { cells, contaminated, unknown } = answers.units;
    return { cells, contaminated, unknown };
  }
  const metric = (of) => Object.entries(answers.metrics).find(([id]) => of === id || of.endsWith(`-${id}`))?.[1];
  if (name.startsWith("interactions ")) {
    const cells = Object.fromEntries(
      Object.entries(answers.pairs).map(([key, sums]) => [key, { ...sums, waiting: undefined }]),
    );
    return { cells };
  }
  const id = name.replace("metric ", "");
  return metric(id);
}
