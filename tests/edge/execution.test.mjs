// What a variant can do beyond rewriting: redirects, origins of its own, previews, the bridge, exposure by selector.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { cookieOf, documentOf, Jar, ours, startWorld, until } from "./world.mjs";

const GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const SECRET = "a secret of the shop";

/** A running experiment of which everybody has the second variant. */
const all = (id, pages, variant, rest = {}) => ({
  id,
  status: "running",
  pages,
  variants: [
    { id: "control", weight: 0 },
    { id: "new", weight: 1, ...variant },
  ],
  ...rest,
});

const step = { select: "#lead", do: "set_text", value: "New" };

describe("execution", () => {
  let world;
  before(async () => {
    world = await startWorld({
      vars: { SORTITION_SECRET: SECRET },
      document: documentOf(
        [
          all("move", ["/old"], { redirect: { to: "/moved?own=1" } }),
          all("back", ["/there"], { redirect: { to: "/and-back" } }),
          all("away", ["/away"], { redirect: { to: "https://evil.example/" } }),
          all("prefix", ["/prefix"], { origin: { path_prefix: "/v2" } }),
          all("broken", ["/broken"], { origin: { path_prefix: "/fails" } }),
          all("slow", ["/slow"], { origin: { path_prefix: "/hangs", timeout_ms: 300 } }),
          ...["order-fails", "order-takes-long", "order-breaks-off", "order-unreached"].map((id) =>
            all(id, [`/${id}`], { origin: { path_prefix: "/new", timeout_ms: 300 } }, { methods: ["GET", "POST"] }),
          ),
          all("shy", ["/shy"], { rewrite: [{ select: ".rare", do: "set_text", value: "x" }] }, { expose: "selector" }),
          all("seen", ["/seen"], { rewrite: [step] }, { expose: "selector" }),
          {
            ...all("seen-control", ["/seen-control"], { rewrite: [step] }, { expose: "selector" }),
            variants: [
              { id: "control", weight: 1 },
              { id: "new", weight: 0, rewrite: [step] },
            ],
          },
          all("loaded", ["/loaded"], { payload: { text: "</script><script>alert(1)</script><!--\u2028" } }),
          { ...all("draft", ["/draft"], { rewrite: [step] }), status: "draft" },
        ],
        { bridge: "script" },
      ),
    });
    await world.settled((health) => health.status === "ok");
    world.origin.serve("/fails/broken", { status: 503, body: "down" });
    world.origin.on("/hangs/slow", () => {});
  });
  after(() => world.close());

  const exposed = (id) =>
    world.platform.messages.flatMap((message) => message.events).filter((event) => event.experiment_id === id);

  test("a redirect is temporary, keeps the query, is private, and exposes", async () => {
    const answer = await world.ask("/old?a=1&own=2&b=%20");
    assert.equal(answer.status, 302);
    assert.equal(answer.headers.location, "/moved?own=1&a=1&b=%20");
    assert.equal(answer.headers["cache-control"], "private, no-store");
    assert.ok(cookieOf(answer, "sortition_id"));
    assert.equal(answer.headers["sortition-variants"], "move=new");
    assert.equal(world.origin.of("/old").length, 0);
    await until(() => exposed("move").length === 1, "the exposure");
  });

  test("the page it leads to names the original as canonical, also for crawlers", async () => {
    for (const headers of [{}, { "User-Agent": GOOGLEBOT }]) {
      const answer = await world.ask("/moved", { headers });
      assert.equal(answer.status, 200);
      assert.match(answer.headers.link, /^<http:\/\/[^/]+\/old>; rel="canonical"$/);
      assert.deepEqual(answer.setCookies, []);
    }
  });

  test("no crawler is redirected, no form, and nobody to a host that the document does not allow", async () => {
    assert.equal((await world.ask("/old", { headers: { "User-Agent": GOOGLEBOT } })).status, 200);
    assert.equal((await world.ask("/old", { method: "POST", body: "order=1" })).status, 200);
    assert.equal((await world.ask("/away")).status, 200);
  });

  test("a variant of another origin path is fetched there, with what the shopper sent", async () => {
    const answer = await world.ask("/prefix?x=1", { cookie: "basket=7" });
    assert.equal(answer.headers["sortition-variants"], "prefix=new");
    const [seen] = world.origin.of("/v2/prefix");
    assert.equal(seen.url, "/v2/prefix?x=1");
    assert.match(seen.headers.cookie, /basket=7/);
    assert.equal(world.origin.of("/prefix").length, 0);
  });

  for (const [id, path] of [
    ["broken", "/broken"],
    ["slow", "/slow"],
  ]) {
    test(`where the variant origin is ${id}, the control origin answers, and is not told of the variant`, async () => {
      const answer = await world.ask(path);
      assert.equal(answer.status, 200);
      assert.match(answer.text, /Welcome/);
      assert.equal(answer.headers["sortition-variants"], undefined);
      const [seen] = world.origin.of(path);
      assert.equal(seen.headers["sortition-variants"], undefined);
      await until(() => exposed(id).length === 1, "the exposure");
      assert.equal(exposed(id)[0].fallback, true);
    });
  }

  describe("a form that a variant origin had is sent to no other, where it might be done twice", () => {
    const order = (id) => world.ask(`/${id}`, { method: "POST", body: "order=1" });
    const had = async (path) => {
      const seen = world.origin.of(path);
      await Promise.all(seen.map(({ whole }) => whole));
      return seen.map(({ body }) => body.toString());
    };

    test("it fails: that is the answer", async () => {
      world.origin.serve("/new/order-fails", { status: 500, body: "perhaps" });
      const answer = await order("order-fails");
      assert.deepEqual([answer.status, answer.text], [500, "perhaps"]);
      assert.deepEqual([await had("/new/order-fails"), await had("/order-fails")], [["order=1"], []]);
    });

    test("it takes longer than a page may: it is waited for", async () => {
      world.origin.on("/new/order-takes-long", (_, response) => setTimeout(() => response.end("ordered"), 900));
      assert.equal((await order("order-takes-long")).text, "ordered");
      assert.deepEqual([await had("/new/order-takes-long"), await had("/order-takes-long")], [["order=1"], []]);
    });

    test("it breaks off without an answer: 502, as where the control origin does", async () => {
      world.origin.on("/new/order-breaks-off", (request) => request.socket.destroy());
      assert.equal((await order("order-breaks-off")).status, 502);
      assert.deepEqual(await had("/order-breaks-off"), []);
    });

    test("Cloudflare says that it was never reached: the control origin answers, with the body intact", async () => {
      world.origin.serve("/new/order-unreached", { status: 521, body: "refused" });
      const answer = await order("order-unreached");
      assert.equal(answer.status, 200);
      assert.match(answer.text, /Welcome/);
      assert.deepEqual(await had("/order-unreached"), ["order=1"]);
    });
  });

  test("a redirect whose target the origin sends back ends with the page, before a browser gives up", async () => {
    world.origin.serve("/and-back", { status: 302, headers: ["Location", "/there"], body: "" });
    const { fallbacks } = await world.health();
    const jar = new Jar();
    const way = [];
    let answer;
    for (let path = "/there"; path && way.length < 20; path = answer.headers.location) {
      way.push(path);
      answer = jar.take(await world.ask(path, { cookie: jar.header }));
    }
    assert.equal(answer.status, 200);
    assert.match(answer.text, /Welcome/);
    assert.equal(way.length, 9);
    assert.equal(answer.headers["sortition-variants"], undefined);
    assert.equal((await world.health()).fallbacks, fallbacks + 1);
    assert.equal((await world.ask("/old", { cookie: jar.header })).status, 302, "other pages are redirected");
  });

  test("a variant origin that keeps failing is not asked for a while", async () => {
    for (let i = 0; i < 6; i++) await world.ask("/broken");
    world.origin.forget();
    const answer = await world.ask("/broken");
    assert.equal(answer.status, 200);
    assert.equal(world.origin.of("/fails/broken").length, 0);
    assert.equal(world.origin.of("/broken").length, 1);
    assert.ok((await world.health()).fallbacks >= 7);
  });

  test("exposure by selector: treatment and control alike where the element is, neither where it is not", async () => {
    await world.ask("/shy");
    assert.match((await world.ask("/seen")).text, /New/);
    assert.doesNotMatch((await world.ask("/seen-control")).text, /New/);
    await until(() => exposed("seen").length === 1 && exposed("seen-control").length === 1, "both exposures");
    assert.equal(exposed("shy").length, 0);
  });

  test("the bridge is a block of data that nothing in it can end", async () => {
    const { text } = await world.ask("/loaded");
    const [, json] = text.match(/<head><script type="application\/json" id="sortition">([^<]*)<\/script>/);
    assert.deepEqual(JSON.parse(json), {
      variants: { loaded: "new" },
      payload: { loaded: { text: "</script><script>alert(1)</script><!--\u2028" } },
    });
    assert.doesNotMatch(json, /[<>\u2028]/);
  });

  test("Server-Timing tells scripts the variants", async () => {
    assert.equal((await world.ask("/loaded")).headers["server-timing"], 'sortition;desc="loaded=new"');
  });

  const token = (choices, expires, secret = SECRET) => {
    const tag = createHmac("sha256", secret).update(`preview~${choices}~${expires}`).digest().subarray(0, 16);
    return `${choices}~${expires}~${tag.toString("base64url")}`;
  };
  const soon = Math.floor(Date.now() / 1000) + 3600;

  test("a signed link starts a preview of a draft: clean URL, no index, no store, no exposure, a bar", async () => {
    const link = token("draft:new", soon);
    const start = await world.ask(`/draft?sortition_preview=${link}&q=1`);
    assert.equal(start.status, 302);
    assert.equal(start.headers.location, "/draft?q=1");
    assert.equal(cookieOf(start, "sortition_preview"), link);
    const shown = await world.ask("/draft?q=1", { cookie: `sortition_preview=${link}` });
    assert.match(shown.text, /<p id="lead">New<\/p>/);
    assert.match(shown.text, /id="sortition-preview"/);
    assert.equal(shown.headers["cache-control"], "private, no-store");
    assert.equal(shown.headers["x-robots-tag"], "noindex");
    assert.equal(exposed("draft").length, 0);
    const other = shown.text.match(/href="([^"]*sortition_preview=draft:control[^"]*)"/)[1].replaceAll("&amp;", "&");
    assert.equal((await world.ask(other)).status, 302, "the bar's links are signed");
  });

  test("without the cookie a draft's page is untouched", async () => {
    const answer = await world.ask("/draft");
    assert.deepEqual(ours(answer.fields), []);
    assert.deepEqual(answer.setCookies, []);
  });

  for (const [why, value] of [
    ["forged", token("draft:new", soon, "another secret")],
    ["expired", token("draft:new", 1)],
    ["malformed", "draft:new"],
  ]) {
    test(`a token that is ${why} is ignored and says why`, async () => {
      const answer = await world.ask(`/draft?sortition_preview=${value}`);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers["sortition-preview"], `ignored; reason=${why}`);
      assert.doesNotMatch(answer.text, /New/);
    });
  }

  test("a crawler gets the control's bytes whatever it sends", async () => {
    const link = token("draft:new", soon);
    const agent = { "User-Agent": GOOGLEBOT };
    const plain = await world.ask("/seen", { headers: agent });
    const loaded = await world.ask("/seen", {
      headers: agent,
      cookie: `sortition_preview=${link}; sortition_as=1~seen.1.new.1`,
    });
    assert.deepEqual(loaded.bytes, plain.bytes);
    assert.deepEqual(loaded.setCookies, []);
  });
});

describe("consent withdrawn", () => {
  test("our cookies rest, and what was assigned comes back with the consent", async () => {
    const world = await startWorld({
      document: documentOf([all("hero", ["/"], { rewrite: [step] })], {
        consent: { cookie: "consent", granted: ["yes"] },
      }),
    });
    try {
      const jar = new Jar().set("consent", "yes");
      jar.take(await world.ask("/", { cookie: jar.header }));
      const [id, assignments] = [jar.get("sortition_id"), jar.get("sortition_as")];
      jar.set("consent", "no");
      const without = await world.ask("/", { cookie: jar.header });
      assert.deepEqual(without.setCookies, []);
      assert.deepEqual(ours(without.fields), []);
      assert.doesNotMatch(without.text, /New/);
      jar.set("consent", "yes");
      const back = jar.take(await world.ask("/", { cookie: jar.header }));
      assert.match(back.headers["sortition-variants"], /hero=/);
      assert.deepEqual([jar.get("sortition_id"), jar.get("sortition_as")], [id, assignments]);
    } finally {
      await world.close();
    }
  });
});
