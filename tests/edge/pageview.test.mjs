// What is a page view at all: under the broadest scope only what a person will see as a page gets an identity; everything
// else is the origin's, byte for byte.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { documentOf, experiment, ours, startWorld } from "./world.mjs";

const REWRITE = [{ select: "h1", do: "set_text", value: "Hello" }];
const everywhere = (more) =>
  experiment({
    id: "wide",
    pages: undefined,
    variants: [
      { id: "control", weight: 0 },
      { id: "bold", weight: 1, rewrite: REWRITE },
    ],
    ...more,
  });
const VIDEO = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251));

let world;
before(async () => {
  world = await startWorld({ document: { ...documentOf([everywhere({})]), bridge: "attribute" } });
  world.origin.on("/film.mp4", (request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const part = from === undefined ? VIDEO : VIDEO.subarray(Number(from), Number(to) + 1);
    const headers = { "Content-Type": "video/mp4", ETag: '"film"', "Cache-Control": "public, max-age=60" };
    if (from !== undefined) headers["Content-Range"] = `bytes ${from}-${to}/${VIDEO.length}`;
    response.writeHead(from === undefined ? 200 : 206, { ...headers, "Content-Length": part.length }).end(part);
  });
  await world.ask("/");
});
after(() => world.close());
beforeEach(() => world.forget());

function assertUntouched(answer, path) {
  assert.deepEqual(answer.setCookies, []);
  assert.deepEqual(ours(answer.fields), []);
  const [seen] = world.origin.of(path);
  assert.deepEqual(ours(seen.fields), []);
}

const UNTOUCHED = {
  "an image": { "Sec-Fetch-Dest": "image" },
  "a font": { "Sec-Fetch-Dest": "font" },
  "a script": { "Sec-Fetch-Dest": "script" },
  "a style": { "Sec-Fetch-Dest": "style" },
  "a worker": { "Sec-Fetch-Dest": "worker" },
  "a video": { "Sec-Fetch-Dest": "video" },
  "what is embedded": { "Sec-Fetch-Dest": "embed" },
  "a script's request": { "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors" },
  "an old browser's image": { Accept: "image/avif,image/webp,*/*;q=0.8" },
  "an old browser's style": { Accept: "text/css,*/*;q=0.1" },
  "an old browser's request of data": { Accept: "application/json" },
};
for (const [what, headers] of Object.entries(UNTOUCHED)) {
  test(`${what} is untouched`, async () => {
    const answer = await world.ask("/", { headers });
    assert.match(answer.text, /Welcome/);
    assertUntouched(answer, "/");
    assert.deepEqual(await world.sent(), []);
  });
}

for (const headers of [{ "Sec-Fetch-Dest": "video" }, {}, { Accept: "*/*" }]) {
  test(`a part of a video is that part, ${JSON.stringify(headers)}`, async () => {
    const answer = await world.ask("/film.mp4", { headers: { ...headers, Range: "bytes=0-99" } });
    assert.equal(answer.status, 206);
    assert.deepEqual(answer.bytes, VIDEO.subarray(0, 100));
    assert.equal(answer.headers["content-range"], "bytes 0-99/5000");
    assert.equal(answer.headers.etag, '"film"');
    assert.equal(answer.headers["cache-control"], "public, max-age=60");
    assertUntouched(answer, "/film.mp4");
  });
}

for (const method of ["OPTIONS", "TRACE", "POST", "PUT", "DELETE", "PATCH"]) {
  test(`${method} is untouched where no document names it`, async () => {
    assertUntouched(await world.ask("/", { method, headers: { "Sec-Fetch-Dest": "document" } }), "/");
    assert.deepEqual(await world.sent(), []);
  });
}

const PAGES = {
  "a navigation": { "Sec-Fetch-Dest": "document" },
  "a frame": { "Sec-Fetch-Dest": "iframe" },
  "what a service worker passes on": { "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "navigate" },
  "an old browser's page": { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" },
  "a client that says nothing": {},
  "a client that takes everything": { Accept: "*/*" },
};
for (const [what, headers] of Object.entries(PAGES)) {
  test(`${what} is a page view`, async () => {
    const answer = await world.ask("/", { headers });
    assert.match(answer.text, /Hello/);
    assert.equal(answer.headers["sortition-variants"], "wide=bold");
  });
}

describe("where the document names the page", () => {
  before(() => world.publish(documentOf([everywhere({ pages: ["/api/*"] })])));

  test("a script's request for it is in the experiment", async () => {
    for (const headers of [{ "Sec-Fetch-Dest": "empty" }, { Accept: "application/json" }]) {
      const answer = await world.ask("/api/data", { headers });
      assert.equal(answer.headers["sortition-variants"], "wide=bold");
    }
  });

  test("an image is not, nor what only asks about it", async () => {
    assertUntouched(await world.ask("/api/data", { headers: { "Sec-Fetch-Dest": "image" } }), "/api/data");
    await world.forget();
    assertUntouched(await world.ask("/api/data", { method: "OPTIONS" }), "/api/data");
  });

  test("another method is where it is listed", async () => {
    await world.publish(documentOf([everywhere({ pages: ["/api/*"], methods: ["GET", "POST"] })]));
    const headers = { "Sec-Fetch-Dest": "empty" };
    const answer = await world.ask("/api/data", { method: "POST", body: "x=1", headers });
    assert.equal(answer.headers["sortition-variants"], "wide=bold");
    assert.equal(world.origin.of("/api/data")[0].headers["sortition-variants"], "wide=bold");
    // a HEAD is answered as the GET would be
    const head = await world.ask("/api/data", { method: "HEAD", headers });
    assert.equal(head.headers["sortition-variants"], "wide=bold");
    await world.forget();
    assertUntouched(await world.ask("/api/data", { method: "PUT", headers }), "/api/data");
  });
});

describe("a request that is no page view", () => {
  const redirected = experiment({
    id: "moved",
    pages: ["/old"],
    variants: [
      { id: "control", weight: 0 },
      { id: "new", weight: 1, redirect: { to: "/new" } },
    ],
  });
  before(() => world.publish(documentOf([everywhere({ methods: ["GET", "POST"] }), redirected], { preview: "open" })));

  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]) {
    test(`${method} to a preview's link reaches the origin, and its answer comes back`, async () => {
      for (const [path, link] of [
        ["/elsewhere", "/elsewhere?sortition_preview=wide:bold"],
        ["/elsewhere", "/elsewhere?sortition_preview="],
      ]) {
        await world.forget();
        const body = ["POST", "PUT", "PATCH"].includes(method) ? "order=1" : undefined;
        const answer = await world.ask(link, { method, body, headers: { "Sec-Fetch-Dest": "document" } });
        assert.equal(answer.status, 200);
        assert.equal(answer.setCookies.filter((cookie) => cookie.startsWith("sortition_preview=")).length, 0);
        const [seen] = world.origin.of(path);
        assert.deepEqual([seen.method, seen.url, seen.body.toString()], [method, link, body ?? ""]);
      }
    });
  }

  for (const method of ["PUT", "OPTIONS"]) {
    test(`${method} to the page that a redirect leads to is the origin's, byte for byte`, async () => {
      const answer = await world.ask("/new", { method, headers: { "Sec-Fetch-Dest": "document" } });
      assert.equal(answer.headers.link, undefined);
      assertUntouched(answer, "/new");
    });
  }
});
