// What is sent to the queue: one message a request, when a treatment was met, once.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { BROWSER, documentOf, experiment, Jar, startWorld, treatment, until } from "./world.mjs";

const HELLO = [{ select: "h1", do: "set_text", value: "Hello" }];
const CONTROL_ONLY = experiment({
  id: "plain",
  pages: ["/c"],
  variants: [
    { id: "control", weight: 1 },
    { id: "b", weight: 0, rewrite: HELLO },
  ],
});
const DOCUMENT = documentOf([
  treatment(HELLO),
  treatment(HELLO, { id: "price", pages: ["/", "/p/*"] }),
  treatment([], { id: "header", pages: ["/api/*"], methods: ["GET", "POST"] }),
  treatment(HELLO, { id: "release", kind: "release", pages: ["/release"] }),
  treatment([], {
    id: "forced",
    pages: ["/forced"],
    overrides: [{ audience: { "cookie.staff": "1" }, variant: "control" }],
  }),
  treatment(HELLO, { id: "won", pages: ["/won"], winner: "bold" }),
  treatment([], { id: "by-origin", pages: ["/o"], expose: "origin" }),
  CONTROL_ONLY,
  experiment({
    id: "seen",
    pages: ["/seen/*"],
    expose: "selector",
    variants: [
      { id: "control", weight: 1 },
      { id: "text", weight: 1, rewrite: [{ select: "#offer p", do: "set_text", value: "New" }] },
      {
        id: "gone",
        weight: 1,
        rewrite: [
          { select: "#offer", do: "remove" },
          { select: ".late", do: "replace", value: "x" },
        ],
      },
    ],
  }),
]);

let world;
before(async () => {
  world = await startWorld({ document: DOCUMENT });
  await world.ask("/warm");
});
after(() => world.close());
beforeEach(() => world.forget());

const sent = () => world.platform.messages;
const events = () => sent().flatMap((message) => message.events);
const exposed = () => events().map((event) => `${event.experiment_id}=${event.variant}`);

/** What was exposed, once everything has arrived. */
async function afterwards() {
  await world.sent();
  return exposed();
}

describe("the message", () => {
  test("is one a request, to the letter", async () => {
    const cf = { country: "CH", city: "Bern", colo: "ZRH" };
    const headers = { Referer: "https://search.example/?q=secret", "CF-Connecting-IP": "203.0.113.9" };
    const from = Date.now();
    const jar = new Jar();
    jar.take(await world.ask("/?email=jane@example.com", { host: "shop.example", headers, cf }));
    await until(() => sent().length === 1, "the message");
    const [message] = sent();
    assert.deepEqual(Object.keys(message).sort(), ["events", "schema", "seq", "source"]);
    assert.equal(message.schema, 2);
    assert.match(message.source, /^[0-9a-f]{32}$/);
    assert.equal(Number.isInteger(message.seq), true);
    assert.deepEqual(exposed(), ["hero=bold", "price=bold"]);
    for (const event of message.events) {
      const { id, at, exposed_at, anonymous_id, experiment_id, unit, ...rest } = event;
      assert.match(id, /^[0-9a-f]{32}$/);
      for (const time of [at, exposed_at]) {
        assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        assert.ok(Math.abs(Date.parse(time) - from) < 60_000);
      }
      assert.equal(anonymous_id, jar.get("sortition_id"));
      assert.deepEqual(rest, {
        type: "experiment_exposed",
        project: "acme-shop",
        config_revision: "r1",
        user_id: null,
        iteration: 1,
        variant: "bold",
        reason: "split",
        request: {
          host: "shop.example",
          path: "/",
          method: "GET",
          country: "CH",
          region: null,
          device: "desktop",
          browser: "chrome",
          referrer_host: "search.example",
          visitor_type: "new",
          logged_in: null,
        },
        versions: {},
      });
      for (const secret of ["jane", "secret", "203.0.113.9", BROWSER])
        assert.ok(!JSON.stringify(event).includes(secret), secret);
    }
  });

  test("ids are of the unit: the same for the same visitor, another for another", async () => {
    for (const id of ["visitor-one", "visitor-one", "visitor-two"])
      await world.ask("/p/1", { cookie: `sortition_id=${id}` });
    await until(() => sent().length === 3, "three messages");
    const [first, again, other] = events().map((event) => event.id);
    assert.equal(first, again);
    assert.notEqual(first, other);
  });

  test("numbers count up from isolate's start", async () => {
    for (let i = 0; i < 4; i++) await world.ask("/p/1");
    await until(() => sent().length === 4, "four messages");
    const numbers = sent()
      .map((message) => message.seq)
      .sort((a, b) => a - b);
    assert.deepEqual(
      numbers.map((n) => n - numbers[0]),
      [0, 1, 2, 3],
    );
    assert.equal(new Set(sent().map((message) => message.source)).size, 1);
    assert.equal((await world.health()).messages, numbers[3] + 1);
  });
});

describe("once per visitor and experiment", () => {
  test("later visits with the cookie send nothing, other experiments do", async () => {
    const jar = new Jar();
    jar.take(await world.ask("/", { cookie: jar.header }));
    for (let visit = 0; visit < 3; visit++) jar.take(await world.ask("/", { cookie: jar.header }));
    jar.take(await world.ask("/p/x", { cookie: jar.header }));
    assert.deepEqual(await afterwards(), ["hero=bold", "price=bold"]);
  });

  test("the control is exposed like the treatment", async () => {
    const jar = new Jar();
    jar.take(await world.ask("/c"));
    jar.take(await world.ask("/c", { cookie: jar.header }));
    assert.deepEqual(await afterwards(), ["plain=control"]);
  });

  test("a new iteration counts anew, and so does another variant", async () => {
    const jar = new Jar();
    jar.take(await world.ask("/"));
    const again = DOCUMENT.experiments.map((e) => (e.id === "hero" ? { ...e, iteration: 2 } : e));
    await world.publish({ ...DOCUMENT, experiments: again });
    jar.take(await world.ask("/", { cookie: jar.header }));
    await until(() => events().length >= 3, "the new iteration's exposure");
    assert.deepEqual(exposed(), ["hero=bold", "price=bold", "hero=bold"]);
    const [first, , second] = events();
    assert.notEqual(first.id, second.id);
    assert.equal(second.iteration, 2);
    await world.publish(DOCUMENT);
  });
});

test("an experiment that names its pages is met by any answer of theirs, HTML or not", async () => {
  world.origin.serve("/api/x", { headers: ["Content-Type", "application/json"], body: "{}" });
  await world.ask("/api/x");
  await world.ask("/api/x", { method: "POST", body: "{}" });
  assert.deepEqual(await afterwards(), ["header=bold", "header=bold"]);
});

describe("nothing was met", () => {
  const HTML = ["Content-Type", "text/html"];
  const CASES = [
    ["prefetch", { headers: { "Sec-Purpose": "prefetch" } }, {}],
    ["prerender", { headers: { "Sec-Purpose": "prefetch;prerender" } }, {}],
    ["the older header", { headers: { Purpose: "prefetch" } }, {}],
    ["HEAD", { method: "HEAD" }, {}],
    ["404", {}, { status: 404, headers: HTML }],
    ["500", {}, { status: 500, headers: HTML }],
    ["302", {}, { status: 302, headers: ["Location", "/x"] }],
    ["a page that cannot be rewritten", {}, { headers: ["Content-Type", "application/json"], body: "{}" }],
    ["a coding that cannot be rewritten", {}, { headers: [...HTML, "Content-Encoding", "zstd"], body: "?" }],
    ["a crawler", { headers: { "User-Agent": "Googlebot/2.1" } }, {}],
  ];
  for (const [what, request, answer] of CASES) {
    test(`${what}: no exposure for treatment or control, and a later visit still counts`, async () => {
      for (const path of ["/p/1", "/c"]) {
        world.origin.serve(path, answer);
        const jar = new Jar();
        jar.take(await world.ask(path, request));
        assert.deepEqual(await afterwards(), [], path);
        world.origin.serve(path);
        await world.ask(path, { cookie: jar.header });
        assert.equal((await afterwards()).length, 1, path);
        await world.forget();
      }
    });
  }

  test("a 304 shows what the visitor has: exposed by the page before, not again", async () => {
    world.origin.on("/p/1", (request, response) => {
      const fresh = request.headers["if-none-match"] === '"v1"';
      response.writeHead(fresh ? 304 : 200, { "Content-Type": "text/html", ETag: '"v1"' });
      response.end(fresh ? undefined : "<h1>x</h1>");
    });
    const jar = new Jar();
    const first = jar.take(await world.ask("/p/1"));
    const second = await world.ask("/p/1", { cookie: jar.header, headers: { "If-None-Match": first.headers.etag } });
    assert.equal(second.status, 304);
    assert.deepEqual(await afterwards(), ["price=bold"]);
  });

  test("winners, overrides and releases are no experiments", async () => {
    world.origin.forget();
    await world.ask("/won");
    await world.ask("/release");
    await world.ask("/forced", { cookie: "staff=1" });
    assert.equal(world.origin.of("/won")[0].headers["sortition-variants"], "won=bold");
    assert.equal(world.origin.of("/release")[0].headers["sortition-variants"], "release=bold");
    assert.equal(world.origin.of("/forced")[0].headers["sortition-variants"], "forced=control");
    assert.deepEqual(await afterwards(), []);
  });
});

describe("`expose: origin`", () => {
  test("only when the origin says it rendered it; its header stays inside", async () => {
    world.origin.serve("/o", { headers: ["Content-Type", "text/html"] });
    const jar = new Jar();
    jar.take(await world.ask("/o"));
    assert.deepEqual(await afterwards(), []);
    world.origin.serve("/o", { headers: ["Content-Type", "text/html", "Sortition-Expose", "other, by-origin"] });
    const answer = jar.take(await world.ask("/o", { cookie: jar.header }));
    assert.equal(answer.headers["sortition-expose"], undefined);
    await world.ask("/o", { cookie: jar.header });
    assert.deepEqual(await afterwards(), ["by-origin=bold"]);
  });
});

describe("`expose: selector`", () => {
  const HTML = ["Content-Type", "text/html; charset=utf-8"];
  const filler = "<p>filler</p>".repeat(5000);
  const around = (body) => `<!doctype html><html><body><h1>x</h1>${body}</body></html>`;
  /** Pages, and whether there is anything on them that some variant changes. */
  const PAGES = {
    "nothing of it": [{ body: around("<p>x</p>") }, false],
    "what one variant changes": [{ body: around('<div id="offer"><p>x</p></div>') }, true],
    "what two variants change, one inside the other": [
      { body: around('<div id="offer"><p class="late">x</p></div>') },
      true,
    ],
    "what only the other variant changes": [{ body: around('<i class="late">x</i>') }, true],
    "it again and again": [{ body: around('<i class="late">x</i>'.repeat(200)) }, true],
    "it at the end of a long page": [{ body: around(`${filler}<i class="late">x</i>`) }, true],
    "it in a comment and in a script only": [
      { body: around(`<!-- <i class="late"> --><script>'<i class="late">'</script>`) },
      false,
    ],
    "it on an error page": [{ status: 404, headers: HTML, body: around('<i class="late">x</i>') }, false],
    "it in what is no HTML": [
      { headers: ["Content-Type", "text/plain"], body: around('<i class="late">x</i>') },
      false,
    ],
    "an empty page": [{ body: "" }, false],
  };
  // why: an isolate remembers for a day whom it exposed, so every test has visitors of its own, one of each group
  let visitors;
  let number = 0;
  beforeEach(async () => {
    visitors = new Map();
    world.origin.serve("/seen/any");
    while (visitors.size < 3) {
      const id = `a-visitor-of-number-${number++}`;
      const answer = await world.ask("/seen/any", { cookie: `sortition_id=${id}` });
      visitors.set(answer.headers["sortition-variants"].split("=")[1], id);
    }
    await world.forget();
  });

  for (const [what, [answer, isMet]] of Object.entries(PAGES)) {
    test(`${what}: ${isMet ? "every group is exposed, once" : "no group is exposed"}`, async () => {
      world.origin.serve("/seen/page", { headers: HTML, ...answer });
      for (const id of visitors.values()) await world.ask("/seen/page", { cookie: `sortition_id=${id}` });
      const expected = isMet ? [...visitors.keys()].map((variant) => `seen=${variant}`).sort() : [];
      assert.deepEqual((await afterwards()).sort(), expected);
    });
  }

  test("a prefetched page exposes no group; the navigation after it exposes every group", async () => {
    world.origin.serve("/seen/page", { headers: [...HTML, "ETag", '"v1"'], body: around('<i class="late">x</i>') });
    for (const id of visitors.values()) {
      const jar = new Jar().set("sortition_id", id);
      jar.take(await world.ask("/seen/page", { cookie: jar.header, headers: { "Sec-Purpose": "prefetch" } }));
      assert.deepEqual(await afterwards(), []);
      jar.take(await world.ask("/seen/page", { cookie: jar.header }));
      assert.equal((await afterwards()).length, 1);
      await world.forget();
    }
  });
});

test("a prefetched page has no validator, so that the navigation after it is answered in full, and exposes", async () => {
  world.origin.on("/p/1", (request, response) => {
    const fresh = request.headers["if-none-match"] === '"v1"';
    response.writeHead(fresh ? 304 : 200, { "Content-Type": "text/html", ETag: '"v1"' });
    response.end(fresh ? undefined : "<h1>x</h1>");
  });
  const jar = new Jar();
  const ahead = jar.take(await world.ask("/p/1", { headers: { "Sec-Purpose": "prefetch" } }));
  assert.equal(ahead.headers.etag, undefined);
  assert.deepEqual(await afterwards(), []);
  const shown = jar.take(await world.ask("/p/1", { cookie: jar.header }));
  assert.ok(shown.headers.etag);
  assert.deepEqual(await afterwards(), ["price=bold"]);
  await world.ask("/p/1", { cookie: jar.header });
  assert.deepEqual(await afterwards(), ["price=bold"], "once");
});

test("of an exposure that is reported without a referrer nobody knows the page; it is not the endpoint", async (t) => {
  const world = await startWorld({ document: documentOf([experiment()]) });
  t.after(() => world.close());
  await world.settled((health) => health.config_revision === "r1");
  const event = { type: "experiment_exposed", experiment_id: "hero", variant: "bold" };
  const report = async (headers) => {
    await world.forget();
    const answer = await world.ask("/_sortition/events", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin", ...headers },
      cookie: "sortition_id=visitor-1",
      body: JSON.stringify({ events: [event] }),
    });
    assert.equal(answer.status, 202);
    return (await world.sent()).flatMap(({ events }) => events).map(({ request }) => request.path);
  };
  assert.deepEqual(await report({}), [""]);
  assert.deepEqual(await report({ Referer: new URL("/p/1?q=2", world.url).href }), ["/p/1"]);
});
