// The statistics in wasm: every reference case within its tolerance, as natively.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { wasm } from "./wasm.mjs";

for (const file of ["cases.json", "more_cases.json"]) {
  test(`${file}: what other libraries compute`, async () => {
    const { analyze } = await wasm();
    const { cases } = JSON.parse(readFileSync(at("fixtures/stats", file), "utf8"));
    assert.ok(cases.length > 10);
    for (const { id, op, in: inputs, expect, tol } of cases) {
      const { out, error } = JSON.parse(analyze(JSON.stringify({ id, op, in: inputs })));
      assert.equal(error, undefined, id);
      for (const [field, expected] of Object.entries(expect))
        close(`${id} ${field}`, out[field], expected, tol[field] ?? tol["*"]);
    }
  });
}

function close(what, found, expected, tolerance) {
  if (Array.isArray(expected)) {
    assert.equal(found.length, expected.length, what);
    for (const [index, value] of expected.entries()) close(`${what}[${index}]`, found[index], value, tolerance);
  } else if (expected !== null && typeof expected === "object") {
    for (const [field, value] of Object.entries(expected)) close(`${what}.${field}`, found[field], value, tolerance);
  } else if (typeof expected === "number") {
    const [relative, absolute] = tolerance;
    const far = Math.abs(Number(found) - expected) > absolute + relative * Math.abs(expected);
    assert.ok(typeof found === "number" && !far, `${what}: ${found} is not ${expected}`);
  } else {
    assert.deepEqual(found, expected, what);
  }
}
