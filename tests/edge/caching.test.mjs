// No shared cache can mix visitors, and no validator can mistake one variant for another.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { documentOf, experiment, startWorld } from "./world.mjs";

const HALVES = experiment({
  variants: [
    { id: "control", weight: 1 },
    { id: "bold", weight: 1, rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] },
  ],
});

let world;
/** A visitor of each variant, by its id, with the cookies of a second visit. */
const cookies = {};
before(async () => {
  world = await startWorld({ document: documentOf([HALVES]) });
  for (let n = 0; !(cookies.control && cookies.bold); n++) {
    const id = `visitor-number-${n}`;
    const answer = await world.ask("/", { cookie: `sortition_id=${id}` });
    const variant = answer.headers["sortition-variants"].split("=")[1];
    cookies[variant] ??= `sortition_id=${id}; ${answer.setCookies[0].split(";")[0]}`;
  }
});
after(() => world.close());
beforeEach(() => world.origin.forget());

const directives = (answer) =>
  (answer.headers["cache-control"] ?? "")
    .split(",")
    .map((one) => one.trim().toLowerCase())
    .filter(Boolean);

describe("Cache-Control", () => {
  const CASES = [
    [undefined, ["private"]],
    ["public", ["private"]],
    ["public, max-age=60", ["max-age=60", "private"]],
    ["max-age=60", ["max-age=60", "private"]],
    ["PUBLIC, S-MaxAge=600, max-age=60", ["max-age=60", "private"]],
    ["s-maxage=600, proxy-revalidate, must-revalidate", ["must-revalidate", "private"]],
    ["no-cache", ["no-cache", "private"]],
    ["no-store", ["no-store"]],
    ["private, max-age=5", ["max-age=5", "private"]],
    ['private="Set-Cookie", max-age=60', ["max-age=60", "private"]],
  ];
  for (const [sent, expected] of CASES) {
    for (const variant of ["control", "bold", "a new visitor"]) {
      test(`${sent ?? "none"}, ${variant}: ${expected.join(", ")}`, async () => {
        world.origin.serve("/", { headers: ["Content-Type", "text/html", ...(sent ? ["Cache-Control", sent] : [])] });
        const answer = await world.ask("/", { cookie: cookies[variant] });
        assert.deepEqual(directives(answer).sort(), expected);
      });
    }
  }

  test("headers for CDNs that would override it go", async () => {
    const names = [
      "CDN-Cache-Control",
      "Cloudflare-CDN-Cache-Control",
      "Surrogate-Control",
      "Akamai-Cache-Control",
      "Edge-Control",
      "Netlify-CDN-Cache-Control",
      "Vercel-CDN-Cache-Control",
      "X-Accel-Expires",
    ];
    const headers = ["Content-Type", "text/html", ...names.flatMap((name) => [name, "max-age=600"])];
    world.origin.serve("/", { headers });
    const answer = await world.ask("/");
    for (const name of names) assert.equal(answer.headers[name.toLowerCase()], undefined, name);
    assert.deepEqual(directives(answer), ["private"]);
  });

  test("redirects and errors are private too", async () => {
    for (const status of [302, 404, 500]) {
      world.origin.serve("/", {
        status,
        headers: [
          "Content-Type",
          "text/html",
          "Cache-Control",
          "public, max-age=60",
          ...(status === 302 ? ["Location", "/x"] : []),
        ],
      });
      const answer = await world.ask("/", { cookie: cookies.bold });
      assert.equal(answer.status, status);
      assert.deepEqual(directives(answer).sort(), ["max-age=60", "private"], String(status));
    }
  });

  test("the origin's Vary stays, whatever is added to it", async () => {
    world.origin.serve("/", { headers: ["Content-Type", "text/html", "Vary", "Accept-Encoding, X-Shop"] });
    const vary = (await world.ask("/")).headers.vary.split(",").map((name) => name.trim().toLowerCase());
    for (const name of ["accept-encoding", "x-shop"]) assert.ok(vary.includes(name), vary.join());
  });

  test("what no experiment touches stays as the origin said", async () => {
    world.origin.serve("/other", {
      headers: [
        "Content-Type",
        "text/html",
        "Cache-Control",
        "public, s-maxage=600",
        "CDN-Cache-Control",
        "max-age=5",
        "ETag",
        '"v1"',
      ],
    });
    const answer = await world.ask("/other", { cookie: cookies.bold });
    assert.equal(answer.headers["cache-control"], "public, s-maxage=600");
    assert.equal(answer.headers["cdn-cache-control"], "max-age=5");
    assert.equal(answer.headers.etag, '"v1"');
  });
});

describe("validators", () => {
  const MODIFIED = "Wed, 18 Nov 2026 10:00:00 GMT";
  const sends = (tag) =>
    world.origin.on("/", (request, response) => {
      const fresh =
        (request.headers["if-none-match"] ?? "").split(",").some((one) => one.trim() === tag) ||
        request.headers["if-modified-since"] === MODIFIED;
      response.writeHead(fresh ? 304 : 200, {
        "Content-Type": "text/html",
        ETag: tag,
        "Last-Modified": MODIFIED,
        "Cache-Control": "public, max-age=60",
      });
      response.end(fresh ? undefined : "<html><body><h1>x</h1></body></html>");
    });

  for (const tag of ['"v1"', 'W/"v1"', '"--st-"', '"a,b"']) {
    test(`${tag}: each variant has a tag of its own, and it comes back as a 304`, async () => {
      sends(tag);
      const tags = {};
      for (const variant of ["control", "bold"]) {
        const answer = await world.ask("/", { cookie: cookies[variant] });
        tags[variant] = answer.headers.etag;
        assert.match(tags[variant], /^(W\/)?"[^"]+"$/);
        assert.notEqual(tags[variant], tag);
      }
      assert.notEqual(tags.control, tags.bold);
      for (const variant of ["control", "bold"]) {
        world.origin.forget();
        const same = await world.ask("/", { cookie: cookies[variant], headers: { "If-None-Match": tags[variant] } });
        if (!tag.includes(",")) assert.equal(same.status, 304, variant);
        if (same.status === 304) {
          assert.equal(same.headers.etag, tags[variant]);
          assert.ok(directives(same).includes("private"));
          assert.equal(same.bytes.length, 0);
          assert.equal(world.origin.of("/")[0].headers["if-none-match"], tag);
        }
        const other = variant === "bold" ? "control" : "bold";
        const foreign = await world.ask("/", { cookie: cookies[variant], headers: { "If-None-Match": tags[other] } });
        assert.equal(foreign.status, 200);
        assert.equal(foreign.text.includes("Hello"), variant === "bold");
      }
    });
  }

  test("of several tags the one of this variant counts", async () => {
    sends('"v1"');
    const { etag } = (await world.ask("/", { cookie: cookies.bold })).headers;
    const { etag: other } = (await world.ask("/", { cookie: cookies.control })).headers;
    assert.equal(
      (await world.ask("/", { cookie: cookies.bold, headers: { "If-None-Match": `${other}, "x", ${etag}` } })).status,
      304,
    );
    assert.equal(
      (await world.ask("/", { cookie: cookies.bold, headers: { "If-None-Match": `${other}, "x"` } })).status,
      200,
    );
  });

  test("the origin's own tag, from before the experiment, does not count", async () => {
    sends('"v1"');
    for (const cookie of [cookies.control, cookies.bold]) {
      assert.equal((await world.ask("/", { cookie, headers: { "If-None-Match": '"v1"' } })).status, 200);
      assert.equal((await world.ask("/", { cookie, headers: { "If-None-Match": "*" } })).status, 200);
    }
  });

  test("dates tell no variants apart: none is sent, none is heeded", async () => {
    sends('"v1"');
    const answer = await world.ask("/", { cookie: cookies.bold, headers: { "If-Modified-Since": MODIFIED } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["last-modified"], undefined);
  });

  test("a new document makes every tag stale", async () => {
    sends('"v1"');
    const { etag } = (await world.ask("/", { cookie: cookies.bold })).headers;
    const [control, bold] = HALVES.variants;
    const changed = { ...bold, rewrite: [{ select: "h1", do: "set_text", value: "Hello again" }] };
    await world.publish(documentOf([{ ...HALVES, variants: [control, changed] }]));
    const answer = await world.ask("/", { cookie: cookies.bold, headers: { "If-None-Match": etag } });
    assert.equal(answer.status, 200);
    assert.match(answer.text, /Hello again/);
  });
});
