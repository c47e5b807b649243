// A server in Python that asks through OpenFeature's packages from PyPI, in a virtual environment of their own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { at, target } from "../../scripts/setup.mjs";
import { documentOf, experiment, startWorld } from "../edge/world.mjs";
import { startRoad } from "./road.mjs";

const TOKEN = "api-token";
const DOCUMENT = documentOf([
  experiment({
    id: "hero",
    variants: [
      { id: "control", weight: 1 },
      { id: "bold", weight: 1 },
    ],
  }),
  experiment({ id: "price", kind: "ops", winner: "b", variants: [{ id: "b", weight: 1, payload: { cents: 999 } }] }),
  experiment({ id: "number", kind: "ops", winner: "b", variants: [{ id: "b", weight: 1, payload: 17 }] }),
  experiment({ id: "ratio", kind: "ops", winner: "b", variants: [{ id: "b", weight: 1, payload: "ratio" }] }),
  experiment({ id: "later", status: "draft" }),
]);
// why: JavaScript writes a whole number without its fraction, and Python takes that for another kind
const TEXT = JSON.stringify(DOCUMENT).replace('"payload":"ratio"', '"payload":1.0');

/** The interpreter with OpenFeature's packages; or why there is none. */
function interpreter() {
  const folder = join(target, "openfeature-python");
  const python = join(folder, "bin", "python");
  const wanted = readFileSync(at("tests/openfeature/requirements.txt"), "utf8");
  const stamp = join(folder, "stamp");
  const hash = createHash("sha256").update(wanted).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return { python };
  rmSync(folder, { recursive: true, force: true });
  const made = spawnSync("python3", ["-m", "venv", folder], { encoding: "utf8" });
  if (made.status !== 0) return { missing: "python3 with venv is not installed" };
  const requirements = at("tests/openfeature/requirements.txt");
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
  const packages = spawnSync(python, pip, { encoding: "utf8", timeout: 120_000 });
  if (packages.status !== 0)
    return { missing: `pip could not install openfeature-sdk: ${packages.stderr.slice(-300)}` };
  writeFileSync(stamp, hash);
  return { python };
}

const { python, missing } = interpreter();
if (missing) console.log(`OpenFeature's client in Python is left out: ${missing}`);

let world;
let road;
before(async () => {
  if (missing) return;
  world = await startWorld({ document: TEXT, vars: { API_TOKEN: TOKEN } });
  await world.ask("/warm");
  road = await startRoad(world.url);
});
after(async () => {
  road?.close();
  await world?.close();
});

/** The answers of a program that asks all of these. */
async function ask(questions, token = TOKEN) {
  const { spawn } = await import("node:child_process");
  const child = spawn(python, [at("tests/openfeature/ask.py"), `${road.url}/_sortition`, token]);
  let [text, problems] = ["", ""];
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  child.stderr.on("data", (chunk) => {
    problems += chunk;
  });
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(""));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, problems);
  return text.trim().split("\n").map(JSON.parse);
}

const question = (type, key, fallback, context = { targetingKey: "user-7" }) => ({
  type,
  key,
  default: fallback,
  context,
});

test("Python serves the variant that the page shows", { skip: missing }, async () => {
  const visitors = Array.from({ length: 20 }, (_, n) => `visitor-in-python-${n}`);
  const answers = await ask(visitors.map((targetingKey) => question("string", "hero", "none", { targetingKey })));
  for (const [n, visitor] of visitors.entries()) {
    const page = await world.ask("/", { cookie: `sortition_id=${visitor}` });
    assert.match(page.headers["sortition-variants"], new RegExp(`hero=${answers[n].variant}`));
    assert.deepEqual([answers[n].value, answers[n].reason], [answers[n].variant, "SPLIT"]);
    assert.equal(answers[n].metadata.experiment, "hero");
  }
});

test("Python reads objects and numbers, and falls back to its default", { skip: missing }, async () => {
  const [price, number, ratio, later, nothing, wrong, nobody] = await ask([
    question("object", "price", {}),
    question("integer", "number", 1),
    question("float", "ratio", 0.5),
    question("string", "later", "mine"),
    question("string", "nothing", "mine"),
    question("boolean", "hero", false),
    question("string", "hero", "mine", {}),
  ]);
  assert.deepEqual([price.value, price.reason], [{ cents: 999 }, "STATIC"]);
  assert.deepEqual([number.value, number.reason], [17, "STATIC"]);
  assert.deepEqual([ratio.value, ratio.code], [1, null]);
  assert.equal(later.value, "mine");
  assert.deepEqual([nothing.value, nothing.code], ["mine", "FLAG_NOT_FOUND"]);
  assert.deepEqual([wrong.value, wrong.code], [false, "TYPE_MISMATCH"]);
  assert.deepEqual([nobody.value, nobody.code], ["mine", "TARGETING_KEY_MISSING"]);
});

test("Python waits as the worker says after many wrong tokens", { skip: missing }, async () => {
  const asked = road.exchanges.length;
  const answers = await ask(Array(30).fill(question("string", "hero", "mine")), "another");
  assert.deepEqual([...new Set(answers.map(({ value }) => value))], ["mine"]);
  assert.match(answers.at(-1).message, /paused/);
  const statuses = road.exchanges.slice(asked).map(({ status }) => status);
  assert.deepEqual(statuses, [...Array(20).fill(401), 429]);
});

test("every answer is as OFREP's schema says", { skip: missing }, () => {
  assert.ok(road.exchanges.length > 20);
  assert.deepEqual(road.problems(), []);
});
