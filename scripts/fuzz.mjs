// The property tests with many more cases than in `npm test`: `node scripts/fuzz.mjs [CASES] [TEST]`.
// What they find is written to tests/it/*.proptest-regressions or printed; it becomes a test.

import { readdirSync, readFileSync } from "node:fs";
import { at, run } from "./setup.mjs";

const [cases = "100000", test = ""] = process.argv.slice(2);
if (!/^[1-9]\d*$/.test(cases)) {
  console.error("usage: node scripts/fuzz.mjs [CASES] [TEST]   (100000 cases of every property by default)");
  process.exit(2);
}

// why: found rather than listed, so that none is forgotten
const sources = readdirSync(at("tests", "it"), { recursive: true }).filter((name) => name.endsWith(".rs"));
const holding = sources.filter((name) => readFileSync(at("tests", "it", name), "utf8").includes("proptest! {"));
const modules = holding.map((name) => `${name.slice(0, -".rs".length).replaceAll(/[/\\]/g, "::")}::`);
const properties = test ? [test] : modules;
// Not a release build: this one is there after `npm test`, its profile optimises what the laws spend their time in, and
// it traps where a number overflows.
run("cargo", ["test", "--test", "it", "--", ...properties], {
  env: { ...process.env, PROPTEST_CASES: cases },
});
