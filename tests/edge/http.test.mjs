// HTTP as an origin that answers oddly and as a stranger meet it: conditions, charsets, `no-transform`, two workers in a
// chain, secrets, and what `/health` tells whom.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { documentOf, experiment, Jar, ours, startWorld, treatment } from "./world.mjs";

const GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const INSERTED = "é „ñ“ 雪 & <b>";
const REFERENCES = "&#xe9; &#x201e;&#xf1;&#x201c; &#x96ea; &amp; &lt;b&gt;";
const ADMIN = { Authorization: "Bearer test-admin-token" };

const directives = (answer) => (answer.headers["cache-control"] ?? "").split(",").map((it) => it.trim());

describe("charsets", () => {
  let world;
  before(async () => {
    const steps = [
      { select: "h1", do: "set_text", value: INSERTED },
      { select: "h1", do: "set_attribute", name: "title", value: "é" },
      { select: "#lead", do: "add_class", value: "new" },
    ];
    world = await startWorld({ document: documentOf([treatment(steps)]) });
  });
  after(() => world.close());
  beforeEach(() => world.forget());

  /** A page of bytes, beyond ASCII those given in Latin-1. */
  const page = (beyond, meta = "") =>
    Buffer.from(
      `<html><head>${meta}</head><body><h1>${beyond}</h1><p id="lead" class="${beyond} b">${beyond}</p></body></html>`,
      "latin1",
    );
  const serve = (contentType, body) =>
    world.origin.serve("/", {
      headers: ["Content-Type", contentType, "Cache-Control", "public, max-age=60", "Sortition-User", "user-1"],
      body,
    });

  // Eight of these spellings made the rewriter throw, and what the origin rendered for one variant left as `public`.
  const READ = [
    ["text/html; charset=utf-8", "raw"],
    ["text/html;charset=UTF8", "raw"],
    ['text/html; charset="utf-8"', "raw"],
    ["text/html; charset=utf-8, text/html", "raw"],
    ["text/html; charset=unicode-1-1-utf-8", "raw"],
    ["text/html", "references"],
    ["text/html; charset", "references"],
    ["text/html; charset=", "references"],
    ["text/html; charset='utf-8'", "references"],
    ["text/html; charset=utf_8", "references"],
    ["text/html; charset=none", "references"],
    ["text/html; charset=iso-8859-1", "references"],
    ["text/html; charset=latin1", "references"],
    ["text/html; charset=windows-1251", "references"],
    ["text/html; charset=koi8-r", "references"],
    ["text/html; charset=gbk", "references"],
    ["text/html; charset=x-user-defined", "references"],
    ["text/html; charset=utf-7", "references"],
    ["Text/HTML ; Charset=big5", "references"],
  ];
  for (const [contentType, how] of READ) {
    test(`${contentType}: rewritten, inserted ${how}`, async () => {
      // bytes that are no UTF-8
      const beyond = "\xe9\xff\x81";
      serve(contentType, page(beyond));
      const answer = await world.ask("/");
      const text = answer.bytes.toString("latin1");
      const inserted =
        how === "raw" ? Buffer.from(`${INSERTED.split(" & ")[0]} &amp; &lt;b&gt;`).toString("latin1") : REFERENCES;
      const title = how === "raw" ? Buffer.from("é").toString("latin1") : "&#xe9;";
      assert.match(text, /<h1 title="/);
      assert.ok(text.includes(`<h1 title="${title}">${inserted}</h1>`), text);
      // not a byte of the rest is another; of a page that says it is UTF-8 and is not, classes are nobody's to save
      assert.ok(text.includes(`>${beyond}</p>`), text);
      if (how !== "raw") assert.ok(text.includes(`class="${beyond} b new"`), text);
      assert.equal(answer.headers["content-type"], contentType);
      assert.equal(
        (await world.sent()).flatMap(({ events }) => events).filter((it) => it.variant === "bold").length,
        1,
      );
      assert.deepEqual(directives(answer), ["private", "max-age=60"]);
      assert.equal(answer.headers["sortition-user"], undefined);
    });
  }

  for (const contentType of ["utf-16", "UTF-16LE", "unicode", "ucs-2", "iso-2022-jp", "hz-gb-2312", "replacement"].map(
    (charset) => `text/html; charset=${charset}`,
  )) {
    test(`${contentType}: passed on, private, exposed to nobody, and counted`, async () => {
      const body = Buffer.from("<html><body><h1>x</h1></body></html>", "utf16le");
      serve(contentType, body);
      const before = (await world.health()).not_rewritten.charset;
      const answer = await world.ask("/");
      assert.ok(answer.bytes.equals(body));
      assert.equal(answer.headers["content-type"], contentType);
      assert.deepEqual(directives(answer), ["private", "max-age=60"]);
      assert.deepEqual(
        ours(answer.fields).map(([name]) => name),
        ["sortition-variants"],
      );
      const exposed = (await world.sent())
        .flatMap(({ events }) => events)
        .filter((it) => it.type === "experiment_exposed");
      assert.deepEqual(exposed, []);
      assert.equal((await world.health()).not_rewritten.charset, before + 1);
    });
  }

  test("a page whose charset stands in a <meta> alone has no mojibake", async () => {
    const cyrillic = "\xcf\xf0\xe8\xe2\xe5\xf2";
    serve("text/html", page(cyrillic, '<meta charset="windows-1251">'));
    const { bytes } = await world.ask("/");
    const text = new TextDecoder("windows-1251").decode(bytes);
    assert.ok(text.includes(`<h1 title="&#xe9;">${REFERENCES}</h1>`), text);
    assert.ok(text.includes(">Привет</p>"), text);
  });

  test("Cache-Control: no-transform is honoured, and nobody is exposed to the rewrite", async () => {
    const body = "<html><body><h1>Welcome</h1></body></html>";
    for (const control of ["no-transform", "public, max-age=60, No-Transform"]) {
      world.origin.serve("/", {
        headers: ["Content-Type", "text/html; charset=utf-8", "Cache-Control", control],
        body,
      });
      const answer = await world.ask("/");
      assert.equal(answer.text, body);
      assert.ok(directives(answer).includes("private"));
    }
    const exposed = (await world.sent()).flatMap(({ events }) => events ?? []);
    assert.deepEqual(
      exposed.filter((it) => it.type === "experiment_exposed"),
      [],
    );
    assert.ok((await world.health()).not_rewritten.forbidden >= 2);
  });
});

describe("conditions", () => {
  let world;
  const jar = new Jar();
  before(async () => {
    world = await startWorld({
      document: documentOf([
        experiment({
          pages: ["/api/*"],
          variants: [
            { id: "control", weight: 0 },
            { id: "bold", weight: 1 },
          ],
        }),
      ]),
    });
    world.origin.on("/api/cart", (request, response) => {
      const is = (name) => request.headers[name];
      const matches = is("if-match") === undefined || is("if-match").split(", ").includes('"v1"');
      if (!matches) return response.writeHead(412).end();
      if (is("if-none-match") === '"v1"')
        return response.writeHead(request.method === "GET" ? 304 : 412, { ETag: '"v1"' }).end();
      const isPart = is("range") && (is("if-range") === undefined || is("if-range") === '"v1"');
      response.writeHead(isPart ? 206 : 200, {
        "Content-Type": "application/json",
        ETag: '"v1"',
        ...(isPart && { "Content-Range": "bytes 0-3/10" }),
      });
      response.end(request.method === "HEAD" ? undefined : isPart ? "[123" : "[123456789]".slice(0, 10));
    });
  });
  after(() => world.close());

  const api = (options = {}) => world.ask("/api/cart", { cookie: jar.header, ...options });
  let tag;
  before(async () => {
    const answer = jar.take(await api());
    tag = answer.headers.etag;
    assert.match(tag, /^"v1--st-[0-9a-f]{16}"$/);
  });

  test("If-Match of what was handed out: the change is made", async () => {
    for (const method of ["PUT", "DELETE", "PATCH"]) {
      const answer = await api({ method, headers: { "If-Match": tag }, body: method === "DELETE" ? undefined : "{}" });
      assert.equal(answer.status, 200, method);
    }
    assert.equal((await api({ method: "PUT", headers: { "If-Match": '"v0"' }, body: "{}" })).status, 412);
    assert.equal((await api({ method: "PUT", headers: { "If-Match": `"v0", ${tag}` }, body: "{}" })).status, 200);
    const many = await api({ method: "PUT", headers: { "If-Match": '"v0--st-0123456789abcdef"' }, body: "{}" });
    assert.equal(many.status, 412, "of another state");
  });

  test("If-Range of what was handed out: the part", async () => {
    const part = await api({ headers: { Range: "bytes=0-3", "If-Range": tag } });
    assert.deepEqual([part.status, part.text], [206, "[123"]);
    assert.equal(part.headers.etag, tag);
    const other = await api({
      headers: { Range: "bytes=0-3", "If-Range": tag.replace(/[0-9a-f]{16}/, "0123456789abcdef") },
    });
    assert.equal(other.status, 200, "of another variant: all of it");
    assert.equal((await api({ headers: { Range: "bytes=0-3" } })).status, 206);
  });

  test("If-None-Match of what was handed out: nothing new", async () => {
    const answer = await api({ headers: { "If-None-Match": tag } });
    assert.equal(answer.status, 304);
    assert.equal(answer.headers.etag, tag);
    assert.equal((await api({ method: "PUT", headers: { "If-None-Match": tag }, body: "{}" })).status, 412);
  });
});

describe("two workers in a chain", () => {
  for (const [what, secret] of [["with a secret that both have", "shared"]]) {
    test(`${what}: one identity, both sets of variants, from the first visit on`, async (t) => {
      const variants = [
        { id: "control", weight: 1 },
        { id: "bold", weight: 1 },
      ];
      const document = (id, more) =>
        documentOf([experiment({ id, pages: ["/*"], variants, ...more })], { project: id, preview: "off" });
      const second = await startWorld({
        document: document("second", { unit: "session" }),
        vars: { SORTITION_SECRET: secret },
      });
      t.after(() => second.close());
      const first = await startWorld({
        document: document("first"),
        vars: { SORTITION_SECRET: secret, ORIGIN_URL: String(second.url).replace(/\/$/, "") },
      });
      t.after(() => first.close());
      for (const world of [first, second]) await world.settled((health) => health.status === "ok");
      for (let person = 0; person < 6; person++) {
        second.origin.forget();
        const jar = new Jar();
        const views = [];
        for (let view = 0; view < 3; view++) {
          const answer = jar.take(await first.ask("/", { cookie: jar.header }));
          const [seen] = second.origin.of("/").slice(-1);
          assert.equal(seen.headers["sortition-visitor"], jar.get("sortition_id"));
          assert.match(seen.headers["sortition-variants"], /^first=\w+, second=\w+$/);
          assert.equal(answer.headers["sortition-variants"], seen.headers["sortition-variants"]);
          const names = answer.setCookies.map((cookie) => cookie.split("=")[0]);
          assert.equal(new Set(names).size, names.length, `no cookie is set twice: ${names}`);
          assert.deepEqual(
            ours(answer.fields).map(([name]) => name),
            ["sortition-variants"],
          );
          views.push([answer.headers["sortition-variants"], names.filter((name) => name !== "sortition_session")]);
        }
        assert.deepEqual(views[1][0], views[0][0]);
        assert.deepEqual(views[0][1].sort(), ["sortition_as", "sortition_id"]);
        assert.deepEqual([views[1][1], views[2][1]], [[], []], "what both assigned is kept");
      }
      const exposures = async (world) =>
        (await world.sent()).flatMap(({ events }) => events).filter((it) => it.type === "experiment_exposed");
      assert.deepEqual([(await exposures(first)).length, (await exposures(second)).length], [6, 6], "once each");
      const ids = (events) => events.map((it) => it.anonymous_id).sort();
      assert.deepEqual(ids(await exposures(first)), ids(await exposures(second)));

      // what only looks like a worker's is a stranger's
      second.origin.forget();
      const forged = {
        "Sortition-Visitor": "forged-by-me",
        "Sortition-Variants": "first=bold",
        "Sortition-Handover": "known;;AAAAAAAAAAAAAAAAAAAAAA",
      };
      await second.ask("/", { headers: forged });
      const [seen] = second.origin.of("/");
      assert.notEqual(seen.headers["sortition-visitor"], "forged-by-me");
      assert.match(seen.headers["sortition-variants"], /^second=\w+$/);
    });
  }
});

test("what a worker asks for as nobody, for a copy that visitors share, is no visitor of the worker behind it", async (t) => {
  const vars = { SORTITION_SECRET: "shared" };
  const second = await startWorld({ document: documentOf([experiment({ id: "second", pages: ["/*"] })]), vars });
  t.after(() => second.close());
  const first = await startWorld({
    document: documentOf([experiment({ id: "first" })], { cache: { pages: ["/"] } }),
    vars: { ...vars, ORIGIN_URL: String(second.url).replace(/\/$/, "") },
    cache: new Map(),
  });
  t.after(() => first.close());
  for (const world of [first, second]) await world.settled((health) => health.config_revision === "r1");
  const jar = new Jar();
  for (let view = 0; view < 2; view++) jar.take(await first.ask("/", { cookie: jar.header }));
  const events = (await second.sent()).flatMap(({ events }) => events);
  assert.deepEqual(
    events.map((event) => [event.anonymous_id, event.variant]),
    [[jar.get("sortition_id"), "bold"]],
  );
});

describe("secrets", () => {
  for (const vars of [{}, { SORTITION_SECRET: "" }]) {
    test(`signed cookies with ${vars.SORTITION_SECRET === "" ? "an empty secret" : "no secret"}: an error in /health and in the log`, async (t) => {
      const world = await startWorld({ document: documentOf([experiment()], { visitor: { signed: true } }), vars });
      t.after(() => world.close());
      const health = await world.settled((health) => health.config_revision === "r1");
      assert.equal(health.status, "degraded");
      assert.match(health.config_error, /visitor\.signed: the secret SORTITION_SECRET is missing or empty/);
      assert.match(world.log(), /SORTITION_SECRET/);
      // it was HMAC under no key, which anybody can make
      const answer = await world.ask("/");
      assert.doesNotMatch(
        answer.setCookies.find((it) => it.startsWith("sortition_id=")),
        /sortition_id=[^;.]*\./,
      );
    });
  }
});

describe("/health", () => {
  test("the public learns no name, no selector, no detail; who has ADMIN_TOKEN does", async (t) => {
    const steps = [{ select: "#lead-secret", do: "set_text", value: "x" }];
    const world = await startWorld({
      document: documentOf([treatment(steps, { id: "secret-experiment" })]),
      kill: { experiments: ["secret-experiment"] },
    });
    t.after(() => world.close());
    await world.ask("/");
    await world.settled((health) => health.killed?.length === 1);
    world.setKey("kill", undefined);
    await world.settled((health) => health.killed?.length === 0);
    await world.ask("/");
    world.setKey("config", { version: 1, project: "x", experiments: [{ id: "secret-experiment", variants: "none" }] });
    const known = await world.settled((health) => health.config_error);
    assert.match(known.config_error, /experiments\[0\]/);
    assert.equal(known.rewrites[0].variant, "secret-experiment=bold");
    for (const headers of [
      {},
      { Authorization: "Bearer wrong" },
      { Authorization: "Basic d3Jvbmc6d3Jvbmc=" },
      { Authorization: "x" },
    ]) {
      const { text, headers: sent, status } = await world.ask("/_sortition/health", { headers });
      assert.equal(status, 200);
      assert.equal(sent["cache-control"], "no-store");
      assert.doesNotMatch(text, /secret-experiment|lead-secret|experiments\[|\bat \w+ \(|\.js:\d|\.rs:\d/);
      const health = JSON.parse(text);
      assert.equal(health.status, "degraded");
      assert.equal(typeof health.config_error, "string");
      for (const field of ["config_revision", "config_age_seconds", "crawlers_served"])
        assert.notEqual(health[field], undefined, field);
    }
    const basic = { Authorization: `Basic ${Buffer.from("me:test-admin-token").toString("base64")}` };
    for (const headers of [ADMIN, basic]) {
      assert.match((await world.ask("/_sortition/health", { headers })).text, /secret-experiment/);
    }
  });
});

describe("expose: selector", () => {
  test("21 views, one message; the second view keeps it in the cookie", async (t) => {
    const world = await startWorld({
      document: documentOf([treatment([{ select: "h1", do: "set_text", value: "x" }], { expose: "selector" })]),
    });
    t.after(() => world.close());
    const jar = new Jar();
    for (let view = 0; view < 21; view++) {
      const answer = jar.take(await world.ask("/", { cookie: jar.header }));
      if (view > 1) assert.deepEqual(answer.setCookies, [], `view ${view}`);
      await world.sent();
    }
    const exposures = (await world.sent())
      .flatMap(({ events }) => events)
      .filter((it) => it.type === "experiment_exposed");
    assert.equal(exposures.length, 1);
  });
});

describe("crawlers", () => {
  test("the same bytes and headers for every crawler, whatever it sends, on every way through the worker", async (t) => {
    const variants = [
      { id: "control", weight: 1 },
      { id: "bold", weight: 1, rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] },
    ];
    const experiments = [
      experiment({ id: "rewritten", pages: ["/*"], variants }),
      experiment({ id: "watched", pages: ["/*"], variants, expose: "selector" }),
      experiment({
        id: "moved",
        pages: ["/moved"],
        variants: [variants[0], { id: "b", weight: 1, redirect: { to: "/target" } }],
      }),
      experiment({
        id: "elsewhere",
        pages: ["/elsewhere"],
        variants: [variants[0], { id: "b", weight: 1, origin: { path_prefix: "/b" } }],
      }),
    ];
    const document = documentOf(experiments, {
      bridge: "script",
      preview: "open",
      consent: { cookie: "consent", granted: ["yes"] },
    });
    const world = await startWorld({ document });
    t.after(() => world.close());
    world.origin.on("*", (request, response) => {
      // an origin that sends back whatever it is told
      const told = Object.entries(request.headers).filter(([name]) => name.startsWith("sortition-"));
      response.writeHead(200, {
        "Content-Type": "text/html; charset=utf-8",
        ETag: '"v1"',
        "Cache-Control": "public, max-age=60",
        ...Object.fromEntries(told),
      });
      response.end(request.method === "HEAD" ? undefined : "<html><head></head><body><h1>Welcome</h1></body></html>");
    });
    const agents = [
      GOOGLEBOT,
      "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
      "DuckDuckBot/1.1",
    ];
    const sent = [
      {},
      { Cookie: "sortition_id=visitor-number-1; consent=yes; sortition_as=1~rewritten.1.bold.gu2*" },
      { Cookie: "sortition_preview=rewritten:bold; consent=yes" },
      { "Sec-Purpose": "prefetch", "Accept-Encoding": "gzip" },
      { "Sortition-Variants": "rewritten=bold", "Sortition-Visitor": "visitor-number-2" },
      { Referer: "https://shop.example/", "Accept-Language": "de" },
    ];
    for (const path of ["/", "/moved", "/target", "/elsewhere", "/?sortition_preview=rewritten:bold"]) {
      const seen = new Set();
      for (const agent of agents) {
        for (const headers of sent) {
          const answer = await world.ask(path, { headers: { "User-Agent": agent, ...headers } });
          const kept = answer.fields.filter(
            ([name]) =>
              ![
                "date",
                "connection",
                "keep-alive",
                "transfer-encoding",
                "content-length",
                "content-encoding",
                "vary",
              ].includes(name),
          );
          seen.add(JSON.stringify([answer.status, kept, headers["Accept-Encoding"] ? "" : answer.text]));
          assert.deepEqual(ours(answer.fields), [], path);
          assert.deepEqual(answer.setCookies, [], path);
        }
      }
      const texts = [...seen].map((it) => JSON.parse(it)).filter(([, , text]) => text !== "");
      assert.equal(texts.length, 1, `${path}: ${[...seen].join("\n")}`);
      assert.doesNotMatch(texts[0][2], /Hello|sortition/);
    }
  });
});
