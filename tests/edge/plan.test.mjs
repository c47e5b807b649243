// The plan that `push` writes beside a document: isolates start by it without reading the document, and by nothing else that
// stands in its place. What proves it is a worker without the services, which alone read documents.

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { compiler } from "../../bench/plans.mjs";
import { root, target } from "../../scripts/setup.mjs";
import { stubbed } from "./stubbed.mjs";
import { documentOf, startWorld, treatment } from "./world.mjs";

const TEXT = JSON.stringify(documentOf([treatment([{ select: "h1", do: "set_text", value: "Hello" }])]));
const SECRET = "0123456789abcdef0123456789abcdef";

const contentOf = (text) => createHash("sha256").update(text).digest("hex").slice(0, 32);
const UNSIGNED = Buffer.alloc(32);
const signedBy = (secret, plan, text = TEXT) =>
  createHmac("sha256", secret)
    .update(`plan/${contentOf(text)}/`)
    .update(plan)
    .digest();

let compile;

before(async () => {
  compile = await compiler(join(target, "bindings"), join(root, "build"));
});

/** Whether a visitor sees the treatment, by a plan and with nobody who could read the document. */
async function acts(value, { vars, without = ["services"], text = TEXT } = {}) {
  const world = await startWorld({ document: text, without, vars });
  try {
    if (value) world.setKey(`plan:${contentOf(text)}`, value);
    const answer = await world.ask("/");
    assert.equal(answer.status, 200, world.log());
    return answer.text.includes("Hello");
  } finally {
    await world.close();
  }
}

const storedOf = (tag, plan) => Buffer.concat([tag, plan]).toString("base64");

describe("a plan beside the document", () => {
  test("starts an isolate that cannot read documents", async () => {
    assert.equal(await acts(storedOf(UNSIGNED, compile(TEXT))), true);
  });

  test("is what `push` writes, signed and not", async () => {
    const stub = stubbed();
    try {
      const file = join(stub.folder, "document.json");
      writeFileSync(file, TEXT);
      for (const secret of ["", SECRET]) {
        const { keys, stderr } = await stub.run({}, { SORTITION_SECRET: secret }, "push", file, "--revision", "r2");
        assert.ok(keys.config, stderr);
        const plan = keys[`plan:${contentOf(keys.config)}`];
        assert.ok(plan, Object.keys(keys).join(", "));
        const vars = secret ? { SORTITION_SECRET: secret } : undefined;
        assert.equal(await acts(plan, { text: keys.config, vars }), true, secret ? "signed" : "without a secret");
      }
    } finally {
      stub.remove();
    }
  });

  test("is missed there, where there is none", async () => {
    assert.equal(await acts(undefined), false);
  });

  test("has to be signed where there is a secret", async () => {
    const plan = compile(TEXT);
    const vars = { SORTITION_SECRET: SECRET };
    assert.equal(await acts(storedOf(UNSIGNED, plan), { vars }), false);
    assert.equal(await acts(storedOf(signedBy("another", plan), plan), { vars }), false);
    assert.equal(await acts(storedOf(signedBy(SECRET, plan), plan), { vars }), true);
  });

  test("of another document, of another build, damaged or no plan at all is not used", async () => {
    const plan = compile(TEXT);
    const other = JSON.stringify({ ...JSON.parse(TEXT), project: "another" });
    const otherBuild = Buffer.from(plan);
    otherBuild[3] ^= 1;
    const values = {
      "another document's": storedOf(UNSIGNED, compile(other)),
      "another build's": storedOf(UNSIGNED, otherBuild),
      "cut off": storedOf(UNSIGNED, plan.slice(0, -3)),
      "not base 64": "%%%",
      "a text": "hello",
    };
    for (const [name, value] of Object.entries(values)) {
      assert.equal(await acts(value), false, name);
      assert.equal(await acts(value, { without: [] }), true, `${name}: the document is compiled instead`);
    }
  });
});
