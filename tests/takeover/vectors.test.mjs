// The tools' own published cases, through import and compare. They are not part of this repository: they are read from the
// folder that SORTITION_CONFORMANCE names, and left out where it names none.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sortition } from "./compare.mjs";

const data = process.env.SORTITION_CONFORMANCE;
if (!data) console.log("left out: SORTITION_CONFORMANCE names no folder with the tools' own cases");
const options = { skip: data ? false : "SORTITION_CONFORMANCE names no folder" };
const read = (...parts) => JSON.parse(readFileSync(join(data, ...parts), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "sortition-vectors-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let number = 0;

/** A map for attributes by their names, typed by what they are. */
function mapped(values, unit) {
  const map = { [unit]: "visitor_id" };
  const types = { number: "number", boolean: "boolean" };
  for (const [name, value] of Object.entries(values)) {
    if (name === unit) continue;
    map[name] = { fact: `cookie.a${name.replace(/[^A-Za-z0-9]/g, "_")}`, type: types[typeof value] ?? "string" };
  }
  return map;
}

/** Imports and compares; the keys that came over, and why others did not. */
function through(vendor, payload, map, decisions, args = []) {
  number += 1;
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const attributes = file(`map-${number}.json`, JSON.stringify(map));
  const into = join(folder, `document-${number}.json`);
  const source = file(`payload-${number}.json`, JSON.stringify(payload));
  const imported = sortition(
    "import",
    vendor,
    source,
    "--into",
    into,
    "--attributes",
    attributes,
    "--partial",
    ...args,
  );
  assert.equal(imported.status, 0, imported.stderr);
  const exact = new Set(imported.answer.flags.filter((flag) => flag.result === "exact").map((flag) => flag.key));
  const lines = decisions(exact);
  if (lines.length > 0) {
    const recorded = file(`decisions-${number}.jsonl`, lines.map((line) => JSON.stringify(line)).join("\n"));
    const compared = sortition("compare", into, recorded, "--attributes", attributes);
    assert.equal(
      compared.answer.differ,
      0,
      JSON.stringify({ rows: compared.answer.rows?.slice(0, 5), lines: lines.slice(0, 5), payload }).slice(0, 4_000),
    );
  }
  return { exact, compared: lines.length, flags: imported.answer.flags };
}

test("Eppo's subjects", options, () => {
  const payload = read("takeover", "eppo", "flags-v1.json");
  const cases = readdirSync(join(data, "takeover", "eppo", "tests")).map((name) =>
    read("takeover", "eppo", "tests", name),
  );
  const known = cases.filter(({ flag }) => payload.flags[flag]);
  const values = {};
  for (const { attribute } of Object.values(payload.flags).flatMap((flag) =>
    flag.allocations.flatMap((a) => (a.rules ?? []).flatMap((r) => r.conditions)),
  ))
    values[attribute] ??= "";
  for (const one of known)
    for (const subject of one.subjects)
      for (const [name, value] of Object.entries(subject.subjectAttributes)) if (value !== null) values[name] = value;
  let all = 0;
  const { compared, exact } = through("eppo", payload, mapped(values, "id"), (exact) =>
    known.flatMap(({ flag, subjects }) => {
      all += subjects.length;
      if (!exact.has(flag)) return [];
      // why: an attribute of the test's own `id` would be another unit
      return subjects
        .filter(
          (subject) =>
            subject.subjectAttributes.id === undefined || subject.subjectAttributes.id === subject.subjectKey,
        )
        .filter(
          (subject) =>
            !Object.entries(subject.subjectAttributes).some(
              ([name, value]) => value !== null && typeof value !== typeof values[name],
            ),
        )
        .filter((subject) => subject.evaluationDetails?.flagEvaluationCode !== "ASSIGNMENT_ERROR")
        .map((subject) => ({
          id: subject.subjectKey,
          attributes: subject.subjectAttributes,
          decisions: { [flag]: subject.evaluationDetails.variationKey },
        }));
    }),
  );
  console.log(`eppo: ${compared} of ${all} subjects of ${exact.size} flags compared, 0 differ`);
  assert.ok(compared >= 70);
});

test("Convert's bucketing vectors", options, () => {
  const vectors = read("takeover", "convert", "cross-sdk-bucketing-vectors.json");
  assert.ok(vectors.length >= 42);
  for (const { experienceId, visitorId, version, variations, expected } of vectors) {
    const layout = version !== null && version !== undefined && version <= 11 ? "packed" : "anchored";
    const payload = { experiences: [{ id: experienceId, key: "f", version: version ?? 12, variations }] };
    const { exact } = through("convert", payload, {}, () => [{ id: visitorId, decisions: { f: expected ?? null } }], [
      "--layout",
      layout,
    ]);
    assert.deepEqual([...exact], ["f"]);
  }
  console.log(`convert: ${vectors.length} vectors, 0 differ`);
});

test("Unleash's client specification", options, () => {
  const names = readdirSync(join(data, "takeover", "unleash", "specifications"));
  let all = 0;
  let done = 0;
  for (const name of names) {
    const { state, tests = [], variantTests = [] } = read("takeover", "unleash", "specifications", name);
    if (!state?.features) continue;
    const values = {};
    for (const { context } of [...tests, ...variantTests]) {
      for (const [key, value] of Object.entries({ ...context, ...context.properties }))
        if (key !== "properties") values[key] = String(value);
    }
    const constraints = JSON.stringify(state).matchAll(/"contextName":"([^"]+)"/g);
    for (const [, key] of constraints) values[key] ??= "";
    const withVariants = new Set(
      state.features
        .filter((f) => f.variants?.length > 0 || f.strategies?.some((s) => s.variants?.length > 0))
        .map((f) => f.name),
    );
    const { compared } = through("unleash", state, mapped(values, "userId"), (exact) => {
      const lines = [];
      for (const [list, of] of [
        [tests, "tests"],
        [variantTests, "variants"],
      ]) {
        for (const { context, toggleName, expectedResult } of list) {
          all += 1;
          // why: a variant test of a feature without variants, or the reverse, asks for what is no decision here
          if (!exact.has(toggleName) || withVariants.has(toggleName) !== (of === "variants")) continue;
          // why: without a user a rollout sticks to a session or to nobody
          const rolls = /rollout/i.test(
            JSON.stringify(state.features.find((feature) => feature.name === toggleName)?.strategies),
          );
          if (context.userId === undefined && (rolls || of === "variants")) continue;
          const attributes = Object.fromEntries(
            Object.entries({ ...context, ...context.properties }).filter(([key]) => key !== "properties"),
          );
          const variant =
            of === "tests" ? (expectedResult ? "true" : null) : expectedResult.enabled ? expectedResult.name : null;
          lines.push({ id: String(context.userId ?? "nobody"), attributes, decisions: { [toggleName]: variant } });
        }
      }
      return lines;
    });
    done += compared;
  }
  console.log(`unleash: ${done} of ${all} cases compared, 0 differ`);
  assert.ok(done >= 60, `${done}`);
});

test("GrowthBook's features and experiments", options, () => {
  const cases = read("growthbook", "cases.json");
  let all = 0;
  let done = 0;
  const plain = (attributes) => Object.values(attributes).every((value) => typeof value !== "object");
  for (const [, context, key, expected] of cases.feature) {
    all += 1;
    const { attributes = {}, features = {}, savedGroups } = context;
    if (
      !plain(attributes) ||
      typeof attributes.id !== "string" ||
      Object.keys(context).some((k) => !["attributes", "features", "savedGroups"].includes(k))
    )
      continue;
    const { compared } = through("growthbook", { features, savedGroups }, mapped(attributes, "id"), (exact) => {
      if (!exact.has(key)) return [];
      const { experimentResult, source, value } = expected;
      const variant =
        source === "experiment" && experimentResult ? experimentResult.key : source === "force" ? value : null;
      return [{ id: attributes.id, attributes, decisions: { [key]: variant } }];
    });
    done += compared;
  }
  for (const [, context, experiment, , inExperiment, hashUsed] of cases.run) {
    all += 1;
    const { attributes = {}, savedGroups } = context;
    if (
      !plain(attributes) ||
      typeof attributes.id !== "string" ||
      Object.keys(context).some((k) => !["attributes", "savedGroups"].includes(k))
    )
      continue;
    const index = cases.run.length;
    const payload = {
      experiments: [{ ...experiment, variations: experiment.variations.map(() => ({})) }],
      savedGroups,
    };
    const values = { ...attributes };
    const { compared } = through("growthbook", payload, mapped(values, "id"), (exact) => {
      if (!exact.has(experiment.key) || (inExperiment && !hashUsed) || index < 0) return [];
      const value = cases.run.find((one) => one[2] === experiment && one[1] === context)[3];
      const position = experiment.variations.findIndex((one) => JSON.stringify(one) === JSON.stringify(value));
      return [
        {
          id: attributes.id,
          attributes,
          decisions: { [experiment.key]: inExperiment ? (experiment.meta?.[position]?.key ?? String(position)) : null },
        },
      ];
    });
    done += compared;
  }
  console.log(`growthbook: ${done} of ${all} cases compared, 0 differ`);
  assert.ok(done >= 30, `${done}`);
});
