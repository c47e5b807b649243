// An origin that answers oddly: hundreds of combinations of status, type, coding, caching and validators. Whatever it says,
// the visitor gets its page, nobody else can be given it from a cache, and nothing between the origin and us leaves.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { documentOf, experiment, ours, startWorld } from "./world.mjs";

const STATUSES = [200, 201, 203, 204, 206, 226, 301, 304, 400, 404, 410, 418, 500, 503];
const TYPES = [
  undefined,
  "",
  "text/html",
  "text/html; charset=utf-8",
  "text/html;charset='utf-8'",
  "text/html; charset=utf-16le",
  'TEXT/HTML; CHARSET="x\\"y"',
  "text/html; charset=utf-8; charset=utf-16",
  "text/html, text/html; charset=iso-2022-jp",
  'text/html; boundary="a;b,c"; charset=latin1',
  "text/html; charset=caf\xe9",
  "application/xhtml+xml",
  "application/json",
  "image/png",
  ";;;",
];
const CONTROLS = [
  undefined,
  "",
  "public, max-age=600",
  "PUBLIC , s-maxage = 600",
  'private="Set-Cookie", max-age=60',
  "no-store",
  "no-transform, public",
  'x="public, max-age=1", s-maxage=5',
  ",,,",
  'max-age="60',
];
const TAGS = [undefined, '"v1"', 'W/"v1"', "v1", '"v1', '""', '"a,b"', '"\xe9"'];
const CODINGS = [undefined, "gzip", "br", "deflate", "identity", "x-unknown"];
const OTHERS = [
  {},
  { Vary: "*" },
  { "Set-Cookie": ["a=1", "b=2; Path=/"] },
  { "CDN-Cache-Control": "max-age=600", "Surrogate-Control": "max-age=600" },
  { Expires: "Thu, 31 Dec 2037 23:55:55 GMT", Age: "5" },
  { "Sortition-Variants": "forged=yes", "Sortition-Visitor": "x", "Sortition-Handover": "known;;x" },
  { "Sortition-Expose": "hero, *", "Sortition-User": "user-1", "Sortition-Versions": "a=b" },
  { "Sortition-Assignments": "1~other.1.x.gu2", Link: '</a>; rel="canonical"' },
];
const PAGE = '<!doctype html><html><head><title>x</title></head><body><h1 class="a">Welcome</h1><p>é</p></body></html>';

let world;
before(async () => {
  const variants = [
    { id: "control", weight: 1 },
    { id: "bold", weight: 1, rewrite: [{ select: "h1", do: "set_text", value: "Hé" }] },
  ];
  world = await startWorld({
    document: documentOf([experiment({ pages: ["/*"], variants })], { bridge: "script" }),
    cache: new Map(),
  });
});
after(() => world?.close());

const encoded = (coding) => {
  const bytes = Buffer.from(PAGE);
  return { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync }[coding]?.(bytes) ?? bytes;
};

/** The n-th combination: every value of every list comes up with every value of some others. */
function combination(n) {
  const pick = (list, step) => list[(n * step + Math.floor(n / list.length)) % list.length];
  return {
    // why: most of what can go wrong needs a page that is rewritten
    status: n % 2 ? 200 : pick(STATUSES, 1),
    type: pick(TYPES, 1),
    control: pick(CONTROLS, 3),
    tag: pick(TAGS, 5),
    coding: pick(CODINGS, 7),
    others: pick(OTHERS, 11),
  };
}

const COUNT = 400;
test(`${COUNT} odd answers`, async () => {
  let odd;
  world.origin.on("*", (request, response) => {
    const { status, type, control, tag, coding, others } = odd;
    const headers = {
      "Content-Type": type,
      "Cache-Control": control,
      ETag: tag,
      "Content-Encoding": coding,
      ...others,
    };
    const fields = Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [value].flat().flatMap((one) => [name, one]),
    );
    response.writeHead(status, fields);
    response.end(request.method === "HEAD" || status === 204 || status === 304 ? undefined : encoded(coding));
  });
  const wrong = [];
  for (let n = 0; n < COUNT; n++) {
    odd = combination(n);
    const path = `/page-${n}`;
    for (const method of ["GET", "HEAD"]) {
      const what = `${method} ${n} ${JSON.stringify(odd)}`;
      const complain = (why) => wrong.push(`${why}: ${what}`);
      let answer;
      try {
        answer = await Promise.race([
          world.ask(path, { method, headers: { "Accept-Encoding": "gzip, br" } }),
          new Promise((_, reject) => setTimeout(reject, 10_000, new Error("it took ten seconds"))),
        ]);
      } catch (error) {
        complain(`no answer (${error})`);
        continue;
      }
      if (answer.status !== odd.status) complain(`status ${answer.status}`);
      const control = (answer.headers["cache-control"] ?? "").toLowerCase();
      if (!/(^|, ?)(private|no-store)(,|$)/.test(control)) complain(`kept by caches: ${control}`);
      for (const name of ["cdn-cache-control", "surrogate-control", "cloudflare-cdn-cache-control"]) {
        if (answer.headers[name]) complain(`${name} is left`);
      }
      const told = ours(answer.fields);
      if (told.length !== 1 || !/^hero=(control|bold)(, forged=yes)?$/.test(told[0][1]))
        complain(`told ${JSON.stringify(told)}`);
      const own = answer.setCookies.filter((cookie) => !cookie.startsWith("sortition_"));
      if (own.join() !== (odd.others["Set-Cookie"] ?? []).join()) complain(`cookies ${own}`);
      if (!answer.setCookies.some((cookie) => cookie.startsWith("sortition_id="))) complain("no id");
      const tag = answer.headers.etag;
      if (tag && !/^(W\/)?"[^"]*--[sw][tk]-[0-9a-f]{16}"$/.test(tag)) complain(`a tag of all variants: ${tag}`);
      if (odd.type && !odd.type.includes("\xe9") && answer.headers["content-type"] !== odd.type)
        complain(`type ${answer.headers["content-type"]}`);
      if (method === "HEAD" || [204, 304].includes(odd.status)) continue;
      if (answer.bytes.length === 0) complain("no body");
    }
  }
  assert.deepEqual(wrong, []);
  assert.equal(world.log().includes("failed in"), false, world.log());
  const health = await world.health();
  assert.equal(health.status, "ok");
  assert.ok(
    health.not_rewritten.charset > 0 && health.not_rewritten.forbidden > 0 && health.not_rewritten.encoding > 0,
  );
});

test("a page in a coding with nothing in it is an empty page", async () => {
  for (const coding of ["gzip", "br"]) {
    world.origin.serve("/empty", {
      headers: ["Content-Type", "text/html; charset=utf-8", "Content-Encoding", coding, "Content-Length", "0"],
      body: "",
    });
    const answer = await world.ask("/empty", { headers: { "Accept-Encoding": "gzip, br" } });
    assert.deepEqual([answer.status, answer.bytes.length], [200, 0]);
    assert.match(answer.headers["cache-control"], /^private/);
  }
});

// `Response` takes no such status, though servers send them.
test("an answer with a status that there is not leaves as it came", async () => {
  world.origin.serve("/odd", { status: 999, headers: ["Content-Type", "text/html", "X-Own", "1"], body: PAGE });
  const answer = await world.ask("/odd");
  assert.deepEqual([answer.status, answer.text, answer.headers["x-own"]], [999, PAGE, "1"]);
  const headers = ["Content-Type", "text/html", "Sortition-User", "user-1"];
  world.origin.serve("/odd", { status: 999, headers, body: PAGE });
  const inside = await world.ask("/odd");
  assert.equal(inside.headers["sortition-user"], undefined);
});
