// The condition language against GrowthBook's SDK: random conditions over random attributes, some missing. A difference is
// shrunk to the smallest condition that still shows it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GrowthBook } from "@growthbook/growthbook";
import { MAP, person, random, sortition } from "./compare.mjs";

const CONDITIONS = Number(process.env.SORTITION_TAKEOVER_CONDITIONS ?? 300);
/** How many conditions a payload has, and how many people they are asked for, who are others in each. */
const BATCH = 2_500;
const PEOPLE = 40;
const folder = mkdtempSync(join(tmpdir(), "sortition-conditions-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const countries = ["US", "CA", "DE", "fr", "us", ""];

function leaf(dice) {
  const some = (list) => list.filter(() => dice.chance(0.5));
  const version = dice.pick(["1.0.0", "1.2.3", "1.10.0", "2.0.0-beta", "2.0.0"]);
  return dice.pick([
    { country: dice.pick(countries) },
    { country: { [dice.pick(["$eq", "$ne"])]: dice.pick(countries) } },
    { country: { [dice.pick(["$in", "$nin", "$ini", "$nini"])]: some(countries) } },
    { country: { [dice.pick(["$lt", "$lte", "$gt", "$gte"])]: dice.pick(countries) } },
    {
      plan: {
        [dice.pick(["$regex", "$regexi"])]: dice.pick(["^pro", "PLUS$", "r.*e", "^p[a-r]o$"]),
      },
    },
    { [dice.pick(["plan", "age", "premium", "version"])]: { $exists: dice.chance(0.5) } },
    { age: { [dice.pick(["$lt", "$lte", "$gt", "$gte"])]: dice.pick([-1, 0, 17.5, 18, 40]) } },
    { age: { [dice.pick(["$eq", "$ne"])]: dice.pick([0, 18, 21.5]) } },
    { age: { [dice.pick(["$in", "$nin"])]: some([0, 18, 21.5, 40]) } },
    { age: dice.pick([17, 18, 40]) },
    { premium: dice.chance(0.5) },
    { premium: { [dice.pick(["$eq", "$ne"])]: dice.chance(0.5) } },
    { version: { [dice.pick(["$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte"])]: version } },
    { country: { $not: { $in: some(countries) } } },
  ]);
}

function condition(dice, depth) {
  if (depth === 0 || dice.chance(0.4)) return leaf(dice);
  const parts = () => Array.from({ length: 1 + dice.whole(3) }, () => condition(dice, depth - 1));
  return dice.pick([
    () => ({ $and: parts() }),
    () => ({ $or: parts() }),
    () => ({ $nor: parts() }),
    () => ({ $not: condition(dice, depth - 1) }),
    () => Object.assign({}, ...parts()),
  ])();
}

const features = (conditions) =>
  Object.fromEntries(
    conditions.map((condition, i) => [`c${i}`, { defaultValue: "no", rules: [{ condition, force: "yes" }] }]),
  );

/** The conditions that are decided differently for some of these people, by their positions. */
function differing(conditions, people) {
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const all = features(conditions);
  const into = join(folder, "document.json");
  rmSync(into, { force: true });
  const source = file("payload.json", JSON.stringify({ features: all }));
  const map = file("map.json", JSON.stringify(MAP));
  const imported = sortition("import", "growthbook", source, "--into", into, "--attributes", map, "--partial");
  assert.equal(imported.status, 0, imported.stderr);
  const exact = imported.answer.flags.filter((flag) => flag.result === "exact").map((flag) => flag.key);
  const lines = people.map(({ id, attributes }) => {
    const growthbook = new GrowthBook({ attributes: { ...attributes, id }, features: all });
    const decisions = Object.fromEntries(
      exact.map((key) => [key, growthbook.getFeatureValue(key, "no") === "yes" ? "yes" : null]),
    );
    return JSON.stringify({ id, attributes, decisions });
  });
  if (exact.length === 0) return { exact, rows: [] };
  const recorded = file("decisions.jsonl", lines.join("\n"));
  const compared = sortition("compare", into, recorded, "--attributes", map);
  return { exact, rows: compared.answer.rows ?? [], decisions: compared.answer.decisions };
}

/** Smaller conditions that a condition is made of. */
function smaller(condition) {
  const found = [];
  for (const [key, value] of Object.entries(condition)) {
    if (Array.isArray(value) && key.startsWith("$")) {
      found.push(...value);
      if (value.length > 1) for (const i of value.keys()) found.push({ [key]: value.toSpliced(i, 1) });
    } else if (key === "$not") found.push(value);
    if (Object.keys(condition).length > 1) {
      const { [key]: _, ...rest } = condition;
      found.push(rest);
    }
  }
  return found;
}

test("GrowthBook's conditions", () => {
  const dice = random(20_261_126);
  const all = { exact: 0, decisions: 0 };
  for (let from = 0; from < CONDITIONS; from += BATCH) {
    const people = Array.from({ length: PEOPLE }, (_, i) => person(dice, i));
    const conditions = Array.from({ length: Math.min(BATCH, CONDITIONS - from) }, () => condition(dice, 3));
    const { exact, rows, decisions } = differing(conditions, people);
    if (rows.length > 0) {
      let worst = conditions[Number(rows[0].key.slice(1))];
      for (let shrunk = true; shrunk; ) {
        const next = smaller(worst).find((one) => differing([one], people).rows.length > 0);
        shrunk = next !== undefined;
        worst = next ?? worst;
      }
      const row = differing([worst], people).rows[0];
      assert.fail(
        `${rows.length} differ, such as ${JSON.stringify(worst)} for ${JSON.stringify(people[row.line - 1])}: ${JSON.stringify(row)}`,
      );
    }
    all.exact += exact.length;
    all.decisions += decisions;
  }
  console.log(
    `growthbook: ${all.exact} of ${CONDITIONS} conditions came over, 0 of ${all.decisions} evaluations differ`,
  );
  assert.ok(all.exact * 10 >= CONDITIONS * 9, `only ${all.exact} of ${CONDITIONS}`);
});
