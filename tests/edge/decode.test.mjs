// What crosses from Rust to JavaScript, read: every text of fixtures/boundary/outcomes.json gives the object beside it.
// tests/it/boundary.rs holds the texts against what Rust writes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { change, decode } from "../../src/edge/decode.js";

const examples = JSON.parse(readFileSync(at("fixtures/boundary/outcomes.json"), "utf8"));

/** What changes do to headers, in order. */
function made(changes) {
  const list = [];
  const headers = {
    // why: what is not there need not be deleted, and here everything is
    has: () => true,
    set: (name, value) => list.push({ operation: "set", name, value }),
    append: (name, value) => list.push({ operation: "append", name, value }),
    delete: (name) => list.push({ operation: "remove", name, value: "" }),
  };
  change(headers, changes);
  return list;
}

for (const [name, { text, object }] of Object.entries(examples)) {
  test(name, () => {
    const decoded = decode(text);
    if (decoded.changes) decoded.changes = made(decoded.changes);
    // why: JSON knows no undefined
    assert.deepEqual(JSON.parse(JSON.stringify(decoded)), object);
  });
}

test("what is no outcome is refused rather than taken for another", () => {
  for (const text of ["", "200", "forwards", "-\x1f\x1f"]) assert.throws(() => decode(text), /no outcome/);
});
