// Finished bodies: what the rewriter made of a shared copy, kept for everybody who is to be sent the same. Whatever comes
// from one is byte for byte what rewriting afresh gives, and has nothing of anybody in it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { cookieOf, documentOf, experiment, Jar, startWorld } from "./world.mjs";

const GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const PUBLIC = "public, max-age=600";
const cache = { pages: ["/*"] };

/** Even halves on every page, the second with these steps. */
const halves = (id, rewrite, rest = {}) =>
  experiment({
    id,
    pages: ["/*"],
    variants: [
      { id: "control", weight: 1 },
      { id: "bold", weight: 1, rewrite, payload: { of: id, sign: "</script>é&" } },
    ],
    ...rest,
  });
const TEXTS = halves("texts", [
  { select: "h1", do: "set_text", value: "Grüße & <more>" },
  { select: "head", do: "append", value: "<style>h1 { color: red }</style>", html: true },
]);
const REMOVES = halves("removes", [{ select: "#lead", do: "remove" }], { expose: "selector" });
const CLASSES = halves("classes", [
  { select: "a", do: "add_class", value: "button" },
  { select: "a[href]", do: "set_attribute", name: "data-of", value: "ü\"'" },
  { select: ".not-there", do: "set_text", value: "never" },
]);
const ALL = [TEXTS, REMOVES, CLASSES];

const cards = Array.from({ length: 400 }, (_, n) => `<article id="card-${n}"><a href="/p/${n}">№ ${n}</a></article>`);
const html = (head, body) => `<!doctype html><html><head>${head}</head><body>${body}</body></html>`;
const MAIN = '<h1>Welcome</h1><p id="lead">Tents</p><a href="/cart">Cart</a>';
const UTF8 = "text/html; charset=utf-8";
const PAGES = {
  "/small": { type: UTF8, body: html("<title>Tents</title>", MAIN) },
  "/large": { type: UTF8, body: html("<title>Zelte</title>", MAIN + cards.join("\n")) },
  "/mark": { type: UTF8, body: `\ufeff${html("", MAIN)}` },
  "/unnamed": { type: "text/html", body: html('<meta charset="utf-8">', MAIN) },
  "/latin": { type: "text/html; charset=windows-1252", body: Buffer.from(html("", `${MAIN}<p>Größe</p>`), "latin1") },
  "/fragment": { type: UTF8, body: "<h1>Welcome<a>one<a href=x>two" },
  "/nothing": { type: UTF8, body: html("", "<p>There is nothing to change</p>") },
  "/empty": { type: UTF8, body: "" },
  "/kept": { type: UTF8, body: html("", MAIN), control: `${PUBLIC}, no-transform` },
  "/data": { type: "application/json", body: '{"h1":"<h1>Welcome</h1>"}' },
};

function serve(world) {
  for (const [path, { type, body, control = PUBLIC }] of Object.entries(PAGES)) {
    world.origin.on(path, (_request, response) => {
      response.writeHead(200, { "Content-Type": type, "Cache-Control": control, ETag: '"v1"', "X-Shop": "yes" });
      response.end(body);
    });
  }
}

/** How many answers came from finished bodies. */
const finished = async (world) => (await world.health()).cache?.finished ?? 0;

/** The body of an answer, unpacked. */
const bodyOf = (answer) =>
  answer.headers["content-encoding"] === "gzip" ? gunzipSync(answer.bytes) : Buffer.from(answer.bytes);

/** What differs between any two answers, or is said of the copy or of the body's form. */
const PASSING = ["date", "age", "sortition-cache", "content-length", "transfer-encoding", "content-encoding", "vary"];
const fieldsOf = (answer) =>
  answer.fields
    .filter(([name]) => !PASSING.includes(name))
    // why: what an isolate exposed today it notes in the cookie at once, and the other has not met this visitor
    .map(([name, value]) => `${name}: ${value.replace(/^(sortition_as=)[^;]*/, "$1")}`)
    .sort();

/** Visitors, one of every mixture of variants. */
async function mixtures(world, path, count) {
  const visitors = new Map();
  for (let n = 0; visitors.size < count && n < 400; n++) {
    const cookie = `sortition_id=finished-number-${n}`;
    const answer = await world.ask(path, { cookie });
    const told = answer.headers["sortition-variants"];
    const kept = `${cookie}; sortition_as=${cookieOf(answer, "sortition_as")}`;
    if (!visitors.has(told)) visitors.set(told, { first: cookie, returning: kept });
  }
  assert.equal(visitors.size, count);
  return visitors;
}

describe("every page, variant and coding is what rewriting afresh gives", () => {
  for (const bridge of ["none", "attribute", "script"]) {
    test(`with a bridge: ${bridge}`, async (t) => {
      const document = documentOf(ALL, { cache, bridge });
      // why: without a cache under it every page is rewritten afresh
      const [afresh, kept] = await Promise.all([startWorld({ document }), startWorld({ document, cache: new Map() })]);
      t.after(() => Promise.all([afresh.close(), kept.close()]));
      for (const world of [afresh, kept]) serve(world);
      const visitors = await mixtures(afresh, "/small", 8);
      for (const path of Object.keys(PAGES)) {
        const before = await finished(kept);
        let count = 0;
        let zipped = 0;
        for (const [told, { first, returning }] of visitors) {
          const answers = new Map();
          const compared = async (cookie, coding) => {
            const headers = coding ? { "Accept-Encoding": coding } : {};
            const asked = `${cookie} ${coding}`;
            if (!answers.has(asked)) answers.set(asked, await afresh.ask(path, { cookie, headers }));
            const expected = answers.get(asked);
            const given = await kept.ask(path, { cookie, headers });
            const what = `${path} ${told} ${coding} ${count}`;
            assert.equal(given.status, 200, what);
            assert.equal(bodyOf(given).toString("latin1"), bodyOf(expected).toString("latin1"), what);
            const isZipped = given.headers["content-encoding"] === "gzip";
            if (isZipped) {
              assert.match(coding, /gzip/, what);
              assert.match(given.headers.vary, /accept-encoding/i, what);
              // the bytes are others, so the tag is no strong one
              assert.match(given.headers.etag, /^W\//, what);
            }
            const weak = (lines) => (isZipped ? lines.map((line) => line.replace(/^etag: (W\/)?/, "etag: ")) : lines);
            assert.deepEqual(weak(fieldsOf(given)), weak(fieldsOf(expected)), what);
            count++;
            zipped += isZipped;
          };
          for (let again = 0; again < 4; again++) await compared(first, undefined);
          for (let again = 0; again < 3; again++) await compared(returning, "gzip, br");
          await compared(returning, "br;q=1, gzip;q=0");
          await compared(first, "identity");
        }
        const came = (await finished(kept)) - before;
        // why: of a page that is not rewritten nobody looks whether an element is there that an exposure waits for
        const isRewritten = !["/kept", "/data"].includes(path);
        assert.ok(came > count / 2 || !isRewritten, `${path}: ${came} of ${count} came from finished bodies`);
        if (path === "/large") assert.ok(zipped > count / 8, `${path}: ${zipped} came compressed`);
        assert.equal(kept.origin.of(path).length, 1, path);
      }
    });
  }
});

describe("who gets what", () => {
  let world;
  before(async () => {
    world = await startWorld({ document: documentOf(ALL, { cache, bridge: "script" }), cache: new Map() });
    serve(world);
    world.origin.on("/echo", (request, response) => {
      const seen = [request.headers.cookie, request.headers["sortition-visitor"], request.headers["user-agent"]];
      response.writeHead(200, { "Content-Type": UTF8, "Cache-Control": PUBLIC });
      response.end(html("", `${MAIN}<pre>${seen.join(" | ")}</pre>`));
    });
  });
  after(() => world?.close());

  test("sixty visitors at once, three times: each the own id, cookies and variants, and nothing of another", async () => {
    const jars = Array.from({ length: 60 }, (_, n) => new Jar().set("basket", `basket-${n}`));
    const told = [];
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(
        jars.map((jar) => world.ask("/echo", { cookie: jar.header, headers: { "Accept-Encoding": "gzip" } })),
      );
      for (const [n, answer] of answers.entries()) {
        const text = bodyOf(answer).toString();
        const variants = answer.headers["sortition-variants"];
        told[n] ??= variants;
        assert.equal(variants, told[n]);
        assert.equal(text.includes("Grüße"), variants.includes("texts=bold"));
        assert.equal(text.includes('id="lead"'), variants.includes("removes=control"));
        assert.equal(text.includes("button"), variants.includes("classes=bold"));
        assert.doesNotMatch(text, /basket-|sortition_id/);
        assert.match(answer.headers["cache-control"], /^private/);
        assert.match(answer.headers.vary, /Cookie/);
        jars[n].take(answer);
      }
    }
    const ids = new Set(jars.map((jar) => jar.get("sortition_id")));
    assert.equal(ids.size, jars.length);
    assert.equal(new Set(told).size, 8);
    assert.equal(world.origin.of("/echo").length, 1);
    assert.ok((await finished(world)) > 60);
  });

  test("crawlers see the control's bytes, without a cookie or a word of ours", async () => {
    const answers = [];
    for (let n = 0; n < 5; n++) answers.push(await world.ask("/small", { headers: { "User-Agent": GOOGLEBOT } }));
    for (const answer of answers) {
      assert.equal(answer.text, PAGES["/small"].body);
      assert.deepEqual(
        answer.fields.filter(([name]) => name.startsWith("sortition") || name === "set-cookie"),
        [],
      );
    }
  });

  test("every visitor is exposed once, where the element is on the page, in both groups", async () => {
    await world.forget();
    const jars = Array.from({ length: 24 }, () => new Jar());
    for (const jar of jars) {
      jar.take(await world.ask("/nothing", { cookie: jar.header }));
      jar.take(await world.ask("/small", { cookie: jar.header }));
    }
    const events = (await world.sent()).flatMap(({ events }) => events);
    const exposed = events.filter(({ experiment_id }) => experiment_id === "removes");
    assert.equal(exposed.length, jars.length);
    for (const event of exposed) {
      const where = JSON.stringify(event);
      assert.ok(where.includes('"path":"/small"'), `the page without the element exposes nobody: ${where}`);
    }
    assert.deepEqual([...new Set(exposed.map(({ variant }) => variant))].sort(), ["bold", "control"]);
  });

  const REQUESTS = [
    ["HEAD", { method: "HEAD" }],
    ["Range", { headers: { Range: "bytes=0-10" } }],
    ["Authorization", { headers: { Authorization: "Bearer x" } }],
    ["POST", { method: "POST", body: "a=1" }],
  ];
  for (const [what, options] of REQUESTS) {
    test(`${what}: the origin answers it`, async () => {
      for (let n = 0; n < 4; n++) await world.ask("/small");
      world.origin.forget();
      const answer = await world.ask("/small", { cookie: "basket=9", ...options });
      assert.equal(answer.headers["sortition-cache"], undefined);
      assert.equal(answer.headers["content-encoding"], undefined);
      assert.equal(world.origin.of("/small").length, 1);
    });
  }

  test("the visitor's own tag is answered with a 304, another variant's is not", async () => {
    const seen = new Map();
    for (let n = 0; seen.size < 8 && n < 200; n++) {
      const jar = new Jar();
      const answer = jar.take(await world.ask("/small", { headers: { "Accept-Encoding": "gzip" } }));
      // why: that a selector was met is in the cookie from the second view on, and before that there is no 304
      jar.take(await world.ask("/small", { cookie: jar.header, headers: { "Accept-Encoding": "gzip" } }));
      seen.set(answer.headers["sortition-variants"], { jar, tag: answer.headers.etag });
    }
    assert.equal(new Set([...seen.values()].map(({ tag }) => tag)).size, 8, "each has a tag of its own");
    for (const { jar, tag } of seen.values()) {
      for (const { tag: asked } of seen.values()) {
        const answer = await world.ask("/small", { cookie: jar.header, headers: { "If-None-Match": asked } });
        assert.equal(answer.status, asked === tag ? 304 : 200);
        if (answer.status === 304) assert.equal(answer.bytes.length, 0);
      }
    }
  });
});

describe("what is not kept", () => {
  test("a preview neither gets a finished body nor leaves one", async (t) => {
    const document = documentOf([TEXTS], { cache, preview: "open" });
    const world = await startWorld({ document, cache: new Map() });
    t.after(() => world.close());
    serve(world);
    for (let n = 0; n < 30; n++) await world.ask("/small");
    const before = await finished(world);
    assert.ok(before > 0);
    for (const variant of ["bold", "control"]) {
      for (let n = 0; n < 4; n++) {
        const shown = await world.ask("/small", { cookie: `sortition_preview=texts:${variant}` });
        assert.equal(shown.text.includes("Grüße"), variant === "bold");
        assert.match(shown.text, /sortition/, "the bar");
      }
    }
    assert.equal(await finished(world), before);
    for (let n = 0; n < 10; n++) assert.doesNotMatch((await world.ask("/small")).text, /sortition/);
  });

  for (const [what, headers] of [
    ["private", { "Cache-Control": "private, max-age=60" }],
    ["with a cookie", { "Set-Cookie": "session=1" }],
    ["with a user", { "Sortition-User": "user-1" }],
    ["of a Vary", { Vary: "Accept-Language" }],
  ]) {
    test(`a page that is ${what} is asked for and rewritten for each`, async (t) => {
      const world = await startWorld({ document: documentOf([TEXTS], { cache }), cache: new Map() });
      t.after(() => world.close());
      world.origin.on("/own", (request, response) => {
        response.writeHead(200, { "Content-Type": UTF8, "Cache-Control": PUBLIC, ...headers });
        response.end(html("", `${MAIN}<pre>${request.headers.cookie}</pre>`));
      });
      for (let n = 0; n < 12; n++) {
        const answer = await world.ask("/own", { cookie: `basket=${n}` });
        assert.ok(answer.text.includes(`basket=${n}`));
      }
      assert.equal(await finished(world), 0);
    });
  }

  test("a page that is longer than what an isolate keeps, and more mixtures than it keeps of a page", async (t) => {
    const many = Array.from({ length: 6 }, (_, n) =>
      halves(`m${n}`, [{ select: "h1", do: "append", value: ` <i>${n}</i>`, html: true }]),
    );
    const document = documentOf(many, { cache });
    const [afresh, kept] = await Promise.all([startWorld({ document }), startWorld({ document, cache: new Map() })]);
    t.after(() => Promise.all([afresh.close(), kept.close()]));
    const long = html("", MAIN + "<p>tent</p>".repeat(100_000));
    for (const world of [afresh, kept]) {
      serve(world);
      world.origin.serve("/long", { headers: ["Content-Type", UTF8, "Cache-Control", PUBLIC], body: long });
    }
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 40; n++) {
        const cookie = `sortition_id=one-of-many-${n}`;
        const [expected, given] = await Promise.all([afresh, kept].map((world) => world.ask("/small", { cookie })));
        assert.equal(given.text, expected.text);
      }
    }
    const before = await finished(kept);
    for (let n = 0; n < 5; n++) {
      const cookie = "sortition_id=one-of-many-1";
      const [expected, given] = await Promise.all([afresh, kept].map((world) => world.ask("/long", { cookie })));
      assert.equal(given.text.length, expected.text.length);
      assert.equal(given.text, expected.text);
    }
    assert.equal(await finished(kept), before);
  });
});

describe("in time", () => {
  const page = (edition) => html("", `${MAIN}<p>edition ${edition}</p>`);
  async function begun(t, document, control = PUBLIC) {
    const world = await startWorld({ document, cache: new Map() });
    t.after(() => world.close());
    world.edition = 1;
    world.origin.on("/news", (_request, response) => {
      response.writeHead(200, { "Content-Type": UTF8, "Cache-Control": control, ETag: `"e${world.edition}"` });
      response.end(page(world.edition));
    });
    return world;
  }
  const everybody = (rewrite, rest = {}) =>
    experiment({
      pages: ["/*"],
      variants: [
        { id: "control", weight: 0 },
        { id: "bold", weight: 1, rewrite },
      ],
      ...rest,
    });
  const HELLO = [{ select: "h1", do: "set_text", value: "Hello" }];
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  async function warm(world) {
    for (let n = 0; n < 5; n++) await world.ask("/news");
    assert.ok((await finished(world)) > 0);
  }

  test("another plan, and a kill, hold at once", async (t) => {
    const world = await begun(t, documentOf([everybody(HELLO)], { cache }));
    await warm(world);
    // why: the revision stays, as in a document that somebody edits by hand
    const edited = documentOf([everybody([{ select: "h1", do: "set_text", value: "Hi" }])], { cache });
    world.setKey("config", edited);
    await world.ask("/news");
    await world.settled(async () => (await world.ask("/news")).text.includes(">Hi<"), "the other text");
    for (let n = 0; n < 5; n++) assert.match((await world.ask("/news")).text, />Hi</);
    world.setKey("kill", { experiments: ["hero"] });
    await world.settled((health) => health.killed_count === 1);
    for (let n = 0; n < 5; n++) assert.match((await world.ask("/news")).text, />Welcome</);
    world.setKey("kill", undefined);
    await world.settled((health) => health.killed_count === 0);
    for (let n = 0; n < 5; n++) assert.match((await world.ask("/news")).text, />Hi</);
  });

  test("none outlives its copy", async (t) => {
    const world = await begun(t, documentOf([everybody(HELLO)], { cache }), "public, max-age=2");
    await warm(world);
    world.edition = 2;
    await pause(2100);
    for (let n = 0; n < 5; n++) assert.match((await world.ask("/news")).text, /Hello.*edition 2/s);
  });

  test("a copy that is shown while another is fetched is the old one, then the new one, rewritten", async (t) => {
    const world = await begun(
      t,
      documentOf([everybody(HELLO)], { cache }),
      "public, max-age=1, stale-while-revalidate=60",
    );
    await warm(world);
    world.edition = 2;
    await pause(1200);
    const stale = await world.ask("/news");
    assert.equal(stale.headers["sortition-cache"], "stale");
    assert.match(stale.text, /Hello.*edition 1/s);
    await pause(200);
    assert.match((await world.ask("/news")).text, /Hello.*edition 2/s);
  });

  test("a copy that another isolate put in its place, or that was purged, is noticed within two seconds", async (t) => {
    const world = await begun(t, documentOf([everybody(HELLO)], { cache }));
    await warm(world);
    const [[url, copy]] = [...world.platform.cache].filter(([key]) => key.includes("/news"));
    const headers = copy.headers.map(([name, value]) =>
      name.toLowerCase() === "sortition-made"
        ? [name, value.replace(/^\d+/, (made) => Number(made) + 1)]
        : [name, value],
    );
    world.platform.cache.set(url, { ...copy, headers, body: Buffer.from(page("of another isolate")) });
    await pause(2000);
    for (let n = 0; n < 5; n++) assert.match((await world.ask("/news")).text, /Hello.*of another isolate/s);
    assert.equal(world.origin.of("/news").length, 1);
    world.platform.cache.clear();
    world.edition = 3;
    await pause(2000);
    for (let n = 0; n < 5; n++) assert.match((await world.ask("/news")).text, /Hello.*edition 3/s);
  });

  test("what steps met is counted as if every page were rewritten", async (t) => {
    const steps = [...HELLO, { select: ".nowhere", do: "remove" }];
    const world = await begun(t, documentOf([everybody(steps)], { cache }));
    for (let n = 0; n < 25; n++) await world.ask("/news");
    const [treatment] = (await world.health()).rewrites;
    assert.equal(treatment.pages, 25);
    assert.deepEqual(treatment.steps.map(({ hits }) => hits).sort(), [0, 25]);
    assert.match(world.log(), /\.nowhere" met nothing on 20 pages/);
  });
});
