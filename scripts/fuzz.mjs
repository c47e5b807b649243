// The property tests with many more cases than in `npm test`: `node scripts/fuzz.mjs [CASES] [TEST]`.
// What they find is written to tests/it/*.proptest-regressions or printed; it becomes a test.

import { run } from "./setup.mjs";

const [cases = "100000", test = ""] = process.argv.slice(2);
if (!/^[1-9]\d*$/.test(cases)) {
  console.error("usage: node scripts/fuzz.mjs [CASES] [TEST]   (100000 cases of every property by default)");
  process.exit(2);
}

const properties = test ? [test] : ["assignments", "caching", "condition::laws", "hostile", "pages"];
run("cargo", ["test", "--release", "--test", "it", "--", ...properties], {
  env: { ...process.env, PROPTEST_CASES: cases },
});
