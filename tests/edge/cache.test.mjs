// Shared copies: one answer of the origin for everybody who would be sent the same, and nothing of anybody in it.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";
import { BROWSER, documentOf, experiment, Jar, startWorld, treatment, until } from "./world.mjs";

const GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const HELLO = [{ select: "h1", do: "set_text", value: "Hello" }];
const PUBLIC = "public, max-age=60";
const cache = { pages: ["/*"] };

/** Even halves, the second with these steps. */
const halves = (id, rewrite, rest = {}) =>
  experiment({
    id,
    pages: ["/*"],
    variants: [
      { id: "control", weight: 1 },
      { id: "bold", weight: 1, rewrite },
    ],
    ...rest,
  });
const THREE = [
  halves("one", HELLO),
  halves("two", [{ select: "#lead", do: "set_text", value: "Two" }]),
  halves("three", [{ select: "#cta", do: "add_class", value: "three" }]),
];
const BY_ORIGIN = halves("rendered", []);

let origin;
let platform;
before(async () => {
  origin = await startOrigin();
  platform = await startHarness({ origin: origin.url, document: documentOf([]) });
});
after(async () => {
  await platform?.close();
  await origin?.close();
});

let pages = 0;
/** A page of its own for each test, since copies stay. */
const freshPage = () => `/page-${++pages}`;

let revisions = 0;
async function publish(document) {
  const revision = `cache-${++revisions}`;
  await platform.env.CONFIG.put("config", JSON.stringify({ ...document, revision }));
  await until(async () => (await platform.health()).config_revision === revision, "the document");
}

/** What the origin answers: a page that says which request it is for, by what of the visitor reached it. */
function answering(headers = {}, status = 200) {
  origin.on("*", (request, response) => {
    const seen = [request.headers["sortition-variants"], request.headers.cookie].map((it) => it ?? "none").join(" | ");
    response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": PUBLIC, ...headers });
    response.end(`<html><head></head><body><h1>Welcome</h1><p id="lead">${seen}</p><a id="cta">x</a></body></html>`);
  });
}
beforeEach(() => {
  origin.forget();
  answering();
});

const ask = (path, options) => platform.ask(path, options);
const how = (answer) => answer.headers["sortition-cache"];

// Copies once counted as answers of the origin: a thousand hits hid ten errors, and all were fast.
test("what comes from a copy says nothing of how the origin fares", async () => {
  await publish(documentOf([halves("counted", HELLO)], { cache }));
  const path = freshPage();
  const requests = async () => {
    for (let visitor = 0; visitor < 3; visitor++) await ask(path);
    const counted = "SELECT sum(requests) AS requests FROM origin_health WHERE experiment_id = 'counted'";
    const [row] = await platform.rows(counted);
    await new Promise((resolve) => setTimeout(resolve, 500));
    return row?.requests;
  };
  assert.equal(await until(requests, "the counters in D1", 60_000), 1);
  assert.equal(origin.of(path).length, 1);
});

/** Whether a page whose origin answers so is kept: asks twice, and once more as somebody else. */
async function isKept(path, options = {}) {
  for (const cookie of ["basket=1", "basket=2"]) await ask(path, { cookie, ...options });
  const last = await ask(path, { cookie: "basket=3", ...options });
  return how(last) === "hit";
}

describe("what is kept", () => {
  before(() => publish(documentOf([halves("one", HELLO)], { cache })));

  const CASES = [
    ["public, max-age=60", {}, true],
    ["public, s-maxage=60, max-age=0", {}, true],
    ["public, s-maxage=0, max-age=60", {}, false],
    ["PUBLIC,MAX-AGE=60", {}, true],
    ["public", {}, false],
    ["max-age=60", {}, false],
    ["private, max-age=60", {}, false],
    ["public, max-age=60, no-store", {}, false],
    ["public, max-age=60, no-cache", {}, false],
    ['public, max-age=60, no-cache="Set-Cookie"', {}, false],
    ["public, max-age=60", { Age: "61" }, false],
    ["public, max-age=60", { "Set-Cookie": "session=1" }, false],
    ["public, max-age=60", { "Sortition-User": "user-1" }, false],
    ["public, max-age=60", { Vary: "Accept-Encoding" }, true],
    ["public, max-age=60", { Vary: "accept-encoding, Cookie" }, false],
    ["public, max-age=60", { Vary: "User-Agent" }, false],
    ["public, max-age=60", { Vary: "*" }, false],
  ];
  for (const [control, headers, kept] of CASES) {
    test(`${control} ${JSON.stringify(headers)}: ${kept ? "kept" : "not kept"}`, async () => {
      answering({ "Cache-Control": control, ...headers });
      const path = freshPage();
      assert.equal(await isKept(path), kept);
      const cookies = origin.of(path).map((seen) => seen.headers.cookie);
      if (kept) assert.deepEqual(cookies, [undefined], "one request, of nobody");
      // what is not everybody's is asked for as the visitor
      else for (const basket of [1, 2, 3]) assert.ok(cookies.some((cookie) => cookie?.includes(`basket=${basket}`)));
    });
  }

  for (const status of [203, 404, 500]) {
    test(`a ${status}: not kept`, async () => {
      answering({}, status);
      const path = freshPage();
      assert.equal(await isKept(path), false);
      assert.equal((await ask(path)).status, status);
    });
  }

  const REQUESTS = [
    ["POST", { method: "POST", body: "a=1" }],
    ["HEAD", { method: "HEAD" }],
    ["Range", { headers: { Range: "bytes=0-10" } }],
    ["Authorization", { headers: { Authorization: "Bearer x" } }],
  ];
  for (const [what, options] of REQUESTS) {
    test(`${what}: neither asked for nor answered by a copy`, async () => {
      const path = freshPage();
      assert.ok(await isKept(path), "there is a copy");
      origin.forget();
      const answer = await ask(path, { cookie: "basket=9", ...options });
      assert.equal(how(answer), undefined);
      const [seen] = origin.of(path);
      assert.match(seen.headers.cookie, /basket=9/);
    });
  }

  test("a page that the document does not name is asked for as ever", async () => {
    await publish(documentOf([halves("one", HELLO)], { cache: { pages: ["/only"] } }));
    const path = freshPage();
    assert.equal(await isKept(path), false);
    assert.equal(origin.of(path).length, 3);
    await publish(documentOf([halves("one", HELLO)], { cache }));
  });
});

describe("who gets what", () => {
  /** What people see of a page, a hundred of them, by what the page says. */
  async function crowd(path, count = 40) {
    const seen = [];
    for (let n = 0; n < count; n++) {
      const jar = new Jar().set("basket", String(n));
      const first = jar.take(await ask(path, { cookie: jar.header }));
      const second = await ask(path, { cookie: jar.header });
      seen.push({ first, second, id: jar.get("sortition_id"), n });
    }
    return seen;
  }

  test("three experiments of rewriting share one copy; each visitor gets the own variants and cookies, twice", async () => {
    await publish(documentOf(THREE, { cache }));
    const path = freshPage();
    const seen = await crowd(path);
    assert.equal(origin.of(path).length, 1, "the origin is asked once");
    const [request] = origin.of(path);
    for (const name of ["cookie", "sortition-visitor", "sortition-variants", "referer"]) {
      assert.equal(request.headers[name], undefined, name);
    }
    const ids = new Set();
    const variants = new Set();
    for (const { first, second, id } of seen) {
      ids.add(id);
      const told = first.headers["sortition-variants"];
      variants.add(told);
      for (const answer of [first, second]) {
        assert.equal(answer.headers["sortition-variants"], told);
        assert.equal(answer.text.includes("Hello"), told.includes("one=bold"));
        assert.equal(answer.text.includes(">Two<"), told.includes("two=bold"));
        assert.equal(answer.text.includes('class="three"'), told.includes("three=bold"));
        assert.doesNotMatch(answer.text, /basket|sortition_id/);
        assert.match(answer.headers["cache-control"], /^private/);
        assert.match(answer.headers.vary, /Cookie/);
      }
      assert.equal(first.setCookies.filter((cookie) => cookie.startsWith("sortition_id=")).length, 1);
      assert.deepEqual(
        second.setCookies.filter((cookie) => cookie.startsWith("sortition_id=")),
        [],
      );
    }
    assert.equal(ids.size, seen.length, "no two visitors have one id");
    assert.ok(variants.size > 4, "of eight mixtures");
  });

  test("the ratio of hits with three experiments of rewriting is that with none", async () => {
    const ratios = [];
    for (const experiments of [[], THREE]) {
      await publish(documentOf(experiments, { cache }));
      const before = (await platform.health()).cache;
      const paths = [freshPage(), freshPage(), freshPage()];
      for (let n = 0; n < 60; n++) await ask(paths[n % 3], { cookie: `basket=${n}` });
      const after = (await platform.health()).cache;
      assert.equal(paths.flatMap((path) => origin.of(path)).length, 3);
      ratios.push([after.hits - (before?.hits ?? 0), after.misses - (before?.misses ?? 0)]);
    }
    assert.deepEqual(ratios[0], [57, 3]);
    assert.deepEqual(ratios[1], ratios[0]);
  });

  test("variants that the origin renders have copies of their own, and only they tell copies apart", async () => {
    await publish(documentOf([BY_ORIGIN, ...THREE], { cache }));
    const path = freshPage();
    for (const { first, second } of await crowd(path)) {
      const [, mine] = first.headers["sortition-variants"].match(/rendered=(\w+)/);
      for (const answer of [first, second]) {
        assert.ok(
          answer.text.includes(`rendered=${mine} | none`) || answer.text.includes(">Two<"),
          "the page that the origin made for this variant, and for nobody",
        );
      }
    }
    const told = origin.of(path).map((seen) => seen.headers["sortition-variants"]);
    assert.deepEqual(told.sort(), ["rendered=bold", "rendered=control"]);
  });

  test("crawlers share the control's copy, and are told nothing of it", async () => {
    await publish(documentOf([BY_ORIGIN, ...THREE], { cache }));
    const path = freshPage();
    const answers = [];
    for (let n = 0; n < 3; n++) answers.push(await ask(path, { headers: { "User-Agent": GOOGLEBOT } }));
    assert.equal(origin.of(path).length, 1);
    for (const answer of answers) {
      assert.deepEqual(
        answer.fields.filter(([name]) => name.startsWith("sortition") || name === "set-cookie"),
        [],
      );
      assert.match(answer.text, /rendered=control \| none/);
      assert.match(answer.headers["cache-control"], /^private/, "people are answered differently");
    }
  });

  test("a visitor's URL cannot be another copy's key", async () => {
    await publish(documentOf([BY_ORIGIN], { cache }));
    const path = freshPage();
    const forged = `${path}?sortition-variants=${encodeURIComponent("rendered=bold")}`;
    answering();
    await ask(forged, { cookie: "basket=1" });
    origin.forget();
    for (let n = 0; n < 12; n++) await ask(path);
    assert.deepEqual(
      origin
        .of(path)
        .map((seen) => seen.url)
        .sort(),
      [path, path],
    );
  });

  test("a preview is never answered from a copy", async () => {
    await publish(documentOf([halves("one", HELLO)], { cache, preview: "open" }));
    const path = freshPage();
    assert.ok(await isKept(path));
    origin.forget();
    const shown = await ask(path, { cookie: "sortition_preview=one:bold" });
    assert.match(shown.text, /Hello/);
    assert.equal(origin.of(path).length, 1);
    assert.equal(how(shown), undefined);
  });
});

// Fifty simultaneous visitors of a page without a copy once asked the origin fifty times.
describe("at the same time", () => {
  before(() => publish(documentOf([halves("one", HELLO)], { cache })));

  test("fifty visitors, one request of the origin", async () => {
    const path = freshPage();
    origin.on(path, (_request, response) => {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": PUBLIC });
      setTimeout(() => response.end("<html><body><h1>Welcome</h1></body></html>"), 200);
    });
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => ask(path, { cookie: `basket=${n}` })));
    assert.equal(origin.of(path).length, 1);
    assert.deepEqual([...new Set(answers.map(how))].sort(), ["hit", "miss"]);
    for (const { status, text } of answers) assert.ok(status === 200 && /<h1>(Welcome|Hello)<\/h1>/.test(text));
  });

  test("a page that is not for everybody: each is asked for as the visitor", async () => {
    const path = freshPage();
    origin.on(path, (request, response) => {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "private" });
      setTimeout(() => response.end(`<h1>${request.headers.cookie}</h1>`), 100);
    });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(path, { cookie: `basket=${n}` })));
    for (const [n, { headers }] of answers.entries()) assert.equal(headers["sortition-cache"], undefined, String(n));
    assert.equal(origin.of(path).length, 21, "once for everybody, then for each");
  });
});

describe("time and validators", () => {
  before(() => publish(documentOf([halves("one", HELLO)], { cache })));

  test("a copy carries its age, the origin's other headers, and nothing of ours", async () => {
    answering({ "X-Shop": "yes", "Last-Modified": "Wed, 18 Nov 2026 10:00:00 GMT" });
    const path = freshPage();
    await ask(path);
    const { headers } = await ask(path);
    assert.equal(headers["sortition-cache"], "hit");
    assert.equal(headers["x-shop"], "yes");
    assert.match(headers.age, /^\d+$/);
    for (const name of ["sortition-made", "sortition-cache-control"]) assert.equal(headers[name], undefined);
    assert.match(headers["cache-control"], /max-age=60/);
  });

  test("the visitor's own tag is answered with a 304, from the copy; another variant's is not", async () => {
    answering({ ETag: '"v1"' });
    const path = freshPage();
    const jar = new Jar();
    const first = jar.take(await ask(path));
    const again = await ask(path, { cookie: jar.header, headers: { "If-None-Match": first.headers.etag } });
    assert.equal(again.status, 304);
    assert.equal(again.bytes.length, 0);
    assert.equal(again.headers.etag, first.headers.etag);
    assert.equal(origin.of(path).length, 1);
    const foreign = await ask(path, {
      cookie: jar.header,
      headers: { "If-None-Match": 'W/"v1--st-0000000000000000"' },
    });
    assert.equal(foreign.status, 200);
    const anew = await ask(path, { headers: { "If-None-Match": first.headers.etag } });
    assert.equal(anew.status, 200, "to who has no cookie it is new, and a 304 would expose nobody");
  });

  test("when it is over the origin is asked again", async () => {
    answering({ "Cache-Control": "public, max-age=1" });
    const path = freshPage();
    await ask(path);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(how(await ask(path)), "miss");
    assert.equal(origin.of(path).length, 2);
  });

  test("stale-while-revalidate: the old one at once, the new one behind the answer", async () => {
    answering({ "Cache-Control": "public, max-age=1, stale-while-revalidate=60", "X-Edition": "1" });
    const path = freshPage();
    await ask(path);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    answering({ "X-Edition": "2" });
    const stale = await ask(path, { cookie: "basket=1" });
    assert.deepEqual([how(stale), stale.headers["x-edition"]], ["stale", "1"]);
    await until(async () => (await ask(path)).headers["x-edition"] === "2", "the new edition");
    assert.equal(how(await ask(path)), "hit");
    assert.ok(origin.of(path).every((seen) => !seen.headers.cookie));
  });

  test("a stale copy serves on while the origin is down", async () => {
    answering({ "Cache-Control": "public, max-age=1, stale-while-revalidate=60" });
    const path = freshPage();
    await ask(path);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    answering({}, 503);
    for (let n = 0; n < 3; n++) assert.equal((await ask(path)).status, 200);
  });
});

test("without a cache under it the page is asked for as ever", async (t) => {
  const world = await startWorld({ document: documentOf([treatment(HELLO)], { cache }) });
  t.after(() => world.close());
  world.origin.serve("/", { headers: ["Content-Type", "text/html", "Cache-Control", PUBLIC], body: "<h1>x</h1>" });
  for (let n = 0; n < 3; n++) {
    const answer = await world.ask("/", { cookie: "basket=7", headers: { "User-Agent": BROWSER } });
    assert.match(answer.text, /Hello/);
  }
  assert.equal(world.origin.of("/").length, 3);
  for (const seen of world.origin.of("/")) assert.match(seen.headers.cookie, /basket=7/);
});
