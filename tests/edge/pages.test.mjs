// Real pages through the worker: what a step meets changes, everything else leaves byte for byte, and as it comes in.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { BROWSER, documentOf, startWorld, treatment } from "./world.mjs";

const file = (name) => readFileSync(new URL(`../../fixtures/pages/${name}`, import.meta.url));
const CASES = Object.entries(JSON.parse(file("changes.json"))).map(([name, { steps, changes }]) => {
  const page = file(`${name}.html`).toString();
  let expected = page;
  for (const [piece, changed] of changes) expected = expected.replace(piece, () => changed);
  return { name, steps, page, expected };
});

/** Each page with an experiment that gives everybody the treatment, and another that gives everybody the control. */
const EVERYTHING = CASES.flatMap(({ name, steps }) => [
  treatment(steps, { id: name, pages: [`/${name}`] }),
  treatment(steps, { id: `${name}-control`, pages: [`/${name}/control`], winner: "control" }),
]);

let world;
before(async () => {
  world = await startWorld({ document: documentOf(EVERYTHING) });
  await world.ask("/");
});
after(() => world.close());

function assertSame(got, expected, what) {
  if (got === expected) return;
  let at = 0;
  while (got[at] === expected[at]) at++;
  assert.equal(got.slice(at - 60, at + 120), expected.slice(at - 60, at + 120), `${what}, character ${at}`);
  assert.fail(what);
}

for (const { name, page, expected, steps } of CASES) {
  describe(name, () => {
    test("it is of a real page's size", () => {
      assert.ok(Buffer.byteLength(page) >= 100 * 1024);
      assert.notEqual(page, expected);
    });

    test("the treatment: what its steps meet changes, nothing else", async () => {
      world.origin.serve(`/${name}`, { body: page });
      assertSame((await world.ask(`/${name}`)).text, expected, name);
    });

    test("the control: the origin's bytes", async () => {
      world.origin.serve(`/${name}/control`, { body: page });
      assertSame((await world.ask(`/${name}/control`)).text, page, name);
    });

    test("the control with a bridge, through the rewriter: nothing but the bridge", async () => {
      const control = treatment(steps, { winner: "control", pages: [`/${name}`] });
      await world.publish(documentOf([control], { bridge: "attribute" }));
      try {
        world.origin.serve(`/${name}`, { body: page });
        const { text } = await world.ask(`/${name}`);
        const attribute = / data-sortition="[^"]*"/;
        assert.match(text, attribute);
        assertSame(text.replace(attribute, ""), page, name);
      } finally {
        await world.publish(documentOf(EVERYTHING));
      }
    });

    test("in gzip", async () => {
      world.origin.serve(`/${name}`, {
        headers: ["Content-Type", "text/html; charset=utf-8", "Content-Encoding", "gzip"],
        body: gzipSync(page),
      });
      const got = await world.ask(`/${name}`, { headers: { "Accept-Encoding": "gzip" } });
      const text = got.headers["content-encoding"] === "gzip" ? gunzipSync(got.bytes).toString() : got.text;
      assertSame(text, expected, name);
    });

    test("in pieces of any length, some of a single byte", async () => {
      const bytes = Buffer.from(page);
      world.origin.on(`/${name}`, async (_request, response) => {
        response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
        for (let at = 0, piece = 0; at < bytes.length; piece++) {
          const length = piece % 40 < 30 ? 1 : 1 + ((piece * 7919) % 5000);
          response.write(bytes.subarray(at, at + length));
          at += length;
          if (piece % 10 === 0) await new Promise(setImmediate);
        }
        response.end();
      });
      assertSame((await world.ask(`/${name}`)).text, expected, name);
    });

    test("it streams: what the origin has sent arrives while the origin holds the rest back", async () => {
      let letGo;
      let held = true;
      const middle = page.indexOf("\n", 60_000) > 0 ? page.indexOf("\n", 60_000) : 60_000;
      world.origin.on(`/${name}`, async (_request, response) => {
        response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
        response.write(page.slice(0, middle));
        await new Promise((resolve) => {
          letGo = resolve;
        });
        held = false;
        response.end(page.slice(middle));
      });
      // why: without streaming nothing would ever arrive, since the origin waits for what it sent to come out
      const response = await fetch(new URL(`/${name}`, world.url), {
        headers: { "User-Agent": BROWSER },
      });
      let text = "";
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        // the first changed element has passed; the last is still to come
        if (held && text.length > 30_000) {
          assert.ok(text.length < expected.length);
          assert.ok(expected.startsWith(text), "it is already rewritten");
          letGo();
        }
      }
      assert.equal(held, false);
      assertSame(text, expected, name);
    });
  });
}
