// The engine beside the worker: as a crate, in the example server, and as WebAssembly for Node. Both decide as the worker
// does, over documents of every kind.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildEngine } from "../../scripts/build.mjs";
import { at, run, target } from "../../scripts/setup.mjs";
import { documentOf, random } from "./drawn.mjs";
import { startWorld } from "./world.mjs";

const TOKEN = "api-token";
const folder = mkdtempSync(join(tmpdir(), "sortition-engine-"));
let engine;
before(async () => {
  buildEngine();
  run("cargo", ["build", "--quiet", "--example", "server"]);
  engine = await import("../../clients/engine/index.js");
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the example server with a document, for as long as something is asked of it. */
async function served(document, work) {
  const file = join(folder, "document.json");
  writeFileSync(file, JSON.stringify(document));
  const child = spawn(join(target, "debug", "examples", "server"), [file, "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = await new Promise((resolve, reject) => {
      child.stdout.once("data", (line) => resolve(String(line).trim()));
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    });
    return await work(url);
  } finally {
    child.kill();
  }
}

const post = async (url, path, body, headers = {}) => {
  const answer = await fetch(new URL(path, url), {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
  return { status: answer.status, text: await answer.text() };
};

/** A batch of a thousand units, with facts that the documents ask for. */
function batchOf(below) {
  const pick = (list) => list[below(list.length)];
  return Array.from({ length: 1000 }, (_, n) => ({
    units: {
      visitor: `visitor-${n}-${below(2 ** 30)}`,
      ...(below(2) ? { user: `u${below(5000)}` } : {}),
      ...(below(3) ? {} : { session: `session-${below(2 ** 30)}` }),
    },
    attributes: {
      country: pick(["US", "DE", "JP"]),
      device: pick(["mobile", "desktop"]),
      visitor_type: pick(["new", "returning"]),
      browser_version: pick(["17.4", "18.2"]),
      ...(below(9) ? {} : { "cookie.staff": "1" }),
    },
  }));
}

test("50,000 units are decided alike by the crate and by the WebAssembly, and some of them by the worker", async () => {
  const below = random(20261127);
  const documents = Array.from({ length: 50 }, (_, number) => ({
    ...documentOf(below, number),
    revision: `drawn-${number}`,
  }));
  const world = await startWorld({ document: documents[0], vars: { API_TOKEN: TOKEN } });
  const reasons = new Set();
  try {
    for (const [number, document] of documents.entries()) {
      // why: without a URL no page is asked, and more experiments meet each other
      const url = number % 3 === 0 ? { url: "https://shop.example/p/tent" } : {};
      const question = { batch: batchOf(below), ...url };
      const answer = new engine.Engine(document).choose(question);
      const native = await served(document, (address) => post(address, "/choose", question));
      assert.deepEqual(JSON.parse(native.text), answer, `document ${number}`);
      for (const { decisions } of answer.batch) for (const { reason } of decisions) reasons.add(reason);
      if (number % 10 > 0) continue;
      const revision = await world.publish(document);
      const some = { ...question, batch: question.batch.slice(0, 300) };
      const byWorker = await post(world.url, "/_sortition/choose", some, { authorization: `Bearer ${TOKEN}` });
      assert.deepEqual(
        JSON.parse(byWorker.text),
        { batch: answer.batch.slice(0, 300), revision },
        `document ${number}`,
      );
    }
  } finally {
    await world.close();
  }
  for (const reason of [
    "split",
    "traffic",
    "layer",
    "holdout",
    "conflict",
    "requires",
    "audience",
    "forced",
    "winner",
  ]) {
    assert.ok(reasons.has(reason), `nothing came to ${reason}`);
  }
});

describe("the WebAssembly for Node", () => {
  const DOCUMENT = {
    version: 1,
    project: "acme-shop",
    revision: "r7",
    experiments: [
      {
        id: "hero",
        status: "running",
        variants: [
          { id: "control", weight: 0 },
          { id: "bold", weight: 1, payload: { text: "Hello" } },
        ],
      },
    ],
  };

  test("decides, evaluates, and heeds the kill switch", () => {
    const one = new engine.Engine(DOCUMENT);
    assert.equal(one.revision, "r7");
    const { decisions, revision } = one.choose({ units: { visitor: "visitor-1" } });
    assert.deepEqual([decisions[0].variant, decisions[0].payload, revision], ["bold", { text: "Hello" }, "r7"]);
    const flag = one.evaluate({ targetingKey: "v1" }, "hero");
    assert.deepEqual([flag.value, flag.reason], [{ text: "Hello" }, "SPLIT"]);
    one.kill({ experiments: ["hero"] });
    assert.equal(one.evaluate({ targetingKey: "v1" }).flags[0].reason, "DISABLED");
    one.kill({});
    assert.equal(one.evaluate({ targetingKey: "v1" }).flags[0].reason, "SPLIT");
  });

  test("says what is wrong, and goes on", () => {
    const wrong = structuredClone(DOCUMENT);
    wrong.experiments[0].variants[1].weight = -1;
    assert.throws(() => new engine.Engine(wrong), /experiments\[0\]\.variants\[1\]: -1\.0 is not a weight/);
    const one = new engine.Engine(JSON.stringify(DOCUMENT));
    assert.throws(() => one.kill([]), Error);
    assert.throws(
      () => one.choose({ units: { visitor: "visitor-1" }, names: ["heroo"] }),
      (error) => error instanceof engine.Refused && error.status === 400 && /did you mean `hero`/.test(error.message),
    );
    assert.throws(() => one.evaluate({ targetingKey: "v1" }, "nothing"), { status: 404 });
    assert.equal(one.choose({ units: { visitor: "visitor-1" } }).decisions.length, 1);
  });

  test("has the version of the project", () => {
    const version = (name) => JSON.parse(readFileSync(at(name), "utf8")).version;
    assert.equal(version("clients/engine/package.json"), version("package.json"));
  });
});

test("the example server refuses what is no question, and goes on", async () => {
  const document = { version: 1, project: "acme-shop", experiments: [] };
  await served(document, async (url) => {
    assert.equal((await post(url, "/choose", { units: {} })).status, 400);
    assert.equal((await post(url, "/elsewhere", {})).status, 404);
    assert.equal(
      (await post(url, "/choose", { units: { user: "u" }, attributes: { t: "x".repeat(1_100_000) } })).status,
      413,
    );
    assert.equal((await post(url, "/choose", { units: { user: "u" } })).status, 200);
    assert.equal((await fetch(url)).status, 200);
  });
});
