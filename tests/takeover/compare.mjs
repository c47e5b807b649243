// Import a payload, let the tool's own SDK decide for many ids, and compare: what the takeover promises.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { random as numbers } from "../edge/random.mjs";

/** How many ids a payload is asked for. */
export const IDS = Number(process.env.SORTITION_TAKEOVER_IDS ?? 400);
/** How many random payloads a tool is tried with. */
export const PAYLOADS = Number(process.env.SORTITION_TAKEOVER_PAYLOADS ?? 6);

export const MAP = {
  country: "cookie.country",
  plan: "cookie.plan",
  age: { fact: "cookie.age", type: "number" },
  premium: { fact: "cookie.premium", type: "boolean" },
  version: { fact: "cookie.version", type: "semver" },
};

/** A tool's own SDK with a payload, as `clients/record` opens it. */
export async function recorder(tool, payload) {
  const { sdk, open } = await import(`../../clients/record/${tool}.js`);
  const inside = createRequire(import.meta.url);
  const integrations = tool === "launchdarkly" ? inside(`${sdk}/integrations`) : undefined;
  return open(await import(sdk), payload, integrations);
}

/** Dice that fall the same for the same seed. */
export function random(seed) {
  const next = numbers(seed);
  const whole = (below) => Math.floor(next() * below);
  const pick = (list) => list[whole(list.length)];
  return { next, whole, pick, chance: (p) => next() < p };
}

/** Somebody: an id and attributes, of which some are missing. */
export function person(dice, number) {
  const attributes = {};
  if (dice.chance(0.8)) attributes.country = dice.pick(["US", "CA", "DE", "fr", "us"]);
  if (dice.chance(0.7)) attributes.plan = dice.pick(["free", "pro", "pro-plus", "Enterprise"]);
  if (dice.chance(0.7)) attributes.age = dice.pick([0, 17, 18, 21.5, 40, 65]);
  if (dice.chance(0.7)) attributes.premium = dice.chance(0.5);
  if (dice.chance(0.6)) attributes.version = dice.pick(["1.0.0", "1.2.3", "1.10.0", "2.0.0-beta", "2.0.0", "10.1.0"]);
  return { id: `id-${number}-${dice.whole(1e9)}`, attributes };
}

export const binary = (() => {
  if (process.env.SORTITION_BIN) return process.env.SORTITION_BIN;
  execFileSync("cargo", ["build", "--quiet", "--bin", "sortition"], { stdio: "inherit" });
  return join(process.env.CARGO_TARGET_DIR ?? "target", "debug", "sortition");
})();

export function sortition(...args) {
  const { status, stdout, stderr } = spawnSync(binary, [...args, "--json"], { encoding: "utf8", maxBuffer: 1 << 28 });
  let answer;
  try {
    answer = JSON.parse(stdout);
  } catch {
    assert.fail(`${args.join(" ")}: ${stdout}${stderr}`);
  }
  return { status, answer, stderr };
}

/**
 * Imports a payload and compares with what `decide(key, person)` says for every flag that came over. Returns the flags'
 * results; each refused one must give one of these reasons.
 */
export async function takeover(
  vendor,
  payload,
  decide,
  { reasons = [], ids = IDS, seed = 1, args = [], map = MAP } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), "sortition-takeover-"));
  try {
    const file = (name, text) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const source = file("payload.json", JSON.stringify(payload));
    const attributes = file("map.json", JSON.stringify(map));
    const into = join(folder, "experiments.json");
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
    const flags = imported.answer.flags;
    for (const flag of flags.filter((flag) => flag.result !== "exact")) {
      assert.ok(
        reasons.some((reason) => flag.reason.includes(reason)),
        `${vendor} ${flag.key} ${flag.path}: ${flag.reason}\n${JSON.stringify(payload, null, 1)}`,
      );
    }
    const exact = flags.filter((flag) => flag.result === "exact").map((flag) => flag.key);
    if (exact.length === 0) return flags;
    const dice = random(seed);
    const lines = [];
    for (let number = 0; number < ids; number += 1) {
      const who = person(dice, number);
      const decisions = {};
      for (const key of exact) decisions[key] = await decide(key, who);
      lines.push(JSON.stringify({ id: who.id, attributes: who.attributes, decisions }));
    }
    const recorded = file("decisions.jsonl", `${lines.join("\n")}\n`);
    const compared = sortition("compare", into, recorded, "--attributes", attributes);
    const rows = (compared.answer.rows ?? []).slice(0, 5);
    const keys = new Set(rows.map((row) => row.key));
    const shown = JSON.stringify(
      { rows, lines: rows.map((row) => lines[row.line - 1]), keys: [...keys], payload },
      null,
      1,
    );
    assert.equal(
      compared.answer.differ,
      0,
      `${vendor}: ${compared.answer.differ} of ${compared.answer.decisions} differ\n${shown}`,
    );
    assert.equal(compared.answer.decisions, ids * exact.length);
    return flags;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a tool's payloads; at least half of all flags must come over. */
export async function payloads(vendor, make, options = {}) {
  let exact = 0;
  let all = 0;
  let decisions = 0;
  for (let seed = 1; seed <= PAYLOADS; seed += 1) {
    const dice = random(seed * 7919);
    const { payload, decide, close, args } = await make(dice);
    try {
      const flags = await takeover(vendor, payload, decide, { seed, args, ...options });
      const came = flags.filter((flag) => flag.result === "exact").length;
      exact += came;
      all += flags.length;
      decisions += came * (options.ids ?? IDS);
    } finally {
      await close?.();
    }
  }
  console.log(`${vendor}: ${exact} of ${all} flags came over, 0 of ${decisions} decisions differ`);
  assert.ok(exact * 2 >= all, `${vendor}: only ${exact} of ${all} flags came over`);
}
