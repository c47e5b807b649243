// Redirects and variant origins at their edges: chains and loops, clients without cookies, bodies, foreign sites, and the
// way back.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { documentOf, experiment, startWorld, until } from "./world.mjs";

/** An experiment whose variants do these things, one after the other, evenly. */
const trying = (id, pages, ...variants) =>
  experiment({
    id,
    pages,
    methods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    variants: [{ id: "control", weight: 0 }, ...variants.map((it, n) => ({ id: `v${n}`, weight: 1, ...it }))],
  });
const redirecting = (id, from, to, status) => trying(id, [from], { redirect: { to, status } });

let world;
before(async () => {
  world = await startWorld({ document: documentOf([]), probed: true });
});
after(() => world.close());

const exposed = () => world.platform.messages.flatMap((message) => message.events).map((event) => event.experiment_id);

describe("redirects", () => {
  /** Follows redirects without ever sending a cookie, and returns where that ended. */
  async function follow(path) {
    const hops = [];
    for (let at = path; ; ) {
      assert.ok(hops.length < 10, `it never ends: ${hops.join(" → ")}`);
      hops.push(at);
      const answer = await world.ask(at);
      if (!answer.headers.location) return { hops, answer };
      assert.equal(answer.headers["cache-control"], "private, no-store");
      at = answer.headers.location;
    }
  }

  test("a chain of experiments ends, with the query, also without cookies", async () => {
    await world.publish(
      documentOf([
        redirecting("one", "/one", "/two"),
        redirecting("two", "/two", "/three?via=two"),
        redirecting("three", "/three", "/end", 307),
      ]),
    );
    const { hops, answer } = await follow("/one?q=1");
    assert.deepEqual(hops, ["/one?q=1", "/two?q=1", "/three?via=two&q=1", "/end?via=two&q=1"]);
    assert.equal(answer.status, 200);
  });

  const LOOPS = {
    "to itself": [redirecting("one", "/one", "/one")],
    "there and back": [redirecting("one", "/one", "/two"), redirecting("two", "/two", "/one")],
    "through three": [
      redirecting("one", "/one", "/two"),
      redirecting("two", "/two", "/three"),
      redirecting("three", "/three", "/one?x=1"),
    ],
    "through a glob": [redirecting("one", "/one", "/deep/two"), redirecting("two", "/deep/*", "/one")],
    "through the host's own name": [
      redirecting("one", "/one", "http://127.0.0.1/two"),
      redirecting("two", "/two", "/one"),
    ],
    "in one variant of several": [
      redirecting("one", "/one", "/two"),
      trying("two", ["/two"], {}, { redirect: { to: "/one" } }, { redirect: { to: "/three" } }),
    ],
  };
  for (const [what, experiments] of Object.entries(LOOPS)) {
    test(`a loop ${what} never comes about, whoever asks and however often`, async () => {
      const revision = `loop ${what}`;
      world.setKey("config", { ...documentOf(experiments), revision });
      await world.settled((health) => health.config_error || health.config_revision === revision);
      for (let n = 0; n < 12; n++) {
        const { answer } = await follow(n % 2 ? "/one" : "/two");
        assert.equal(answer.status, 200);
      }
    });
  }

  test("the status asked for, for GET and HEAD; other methods stay where they are", async () => {
    await world.publish(documentOf([redirecting("one", "/one", "/two", 307)]));
    assert.equal((await world.ask("/one")).status, 307);
    assert.equal((await world.ask("/one", { method: "HEAD" })).status, 307);
    for (const method of ["POST", "PUT", "DELETE"]) {
      assert.equal((await world.ask("/one", { method, body: "x" })).status, 200);
    }
  });

  test("the target's own parameters win, and what stands behind # stays behind it", async () => {
    await world.publish(documentOf([redirecting("one", "/one", "/two?a=own&b#part")]));
    assert.equal((await world.ask("/one?a=1&b=2&c=%26&a=3")).headers.location, "/two?a=own&b&c=%26#part");
  });
});

describe("variant origins", () => {
  const prefix = { origin: { path_prefix: "/v", timeout_ms: 500 } };

  /** The body that reached a path of the origin. */
  async function bodyAt(path) {
    const [seen] = await until(() => world.origin.of(path).length && world.origin.of(path), `a request for ${path}`);
    await seen.whole;
    return seen.body.toString();
  }

  before(() => {
    // why: an origin that answers before it has read a body need not be sent the rest of it
    const patient = async (_request, response, seen) => {
      await seen.whole;
      response.writeHead(200, { "Content-Type": "text/html" }).end("<h1>Control</h1>");
    };
    world.origin.on("/else", patient);
    world.origin.on("/v/else", patient);
    return world.publish(documentOf([trying("else", ["/else", "/else/*"], prefix)]));
  });

  test("a POST goes there, with its body", async () => {
    await world.forget();
    const answer = await world.ask("/else", { method: "POST", body: "order=1" });
    assert.equal(answer.headers["sortition-variants"], "else=v0");
    assert.equal(await bodyAt("/v/else"), "order=1");
    assert.equal(world.origin.of("/else").length, 0);
  });

  test("a 404 of its own is its answer; a redirect is handed on, not followed", async () => {
    await world.forget();
    world.origin.serve("/v/else/404", { status: 404, body: "none here" });
    const missing = await world.ask("/else/404");
    assert.deepEqual([missing.status, missing.text], [404, "none here"]);
    world.origin.serve("/v/else/moved", { status: 301, headers: ["Location", "/else/other"], body: "" });
    const moved = await world.ask("/else/moved");
    assert.deepEqual([moved.status, moved.headers.location], [301, "/else/other"]);
    assert.equal(world.origin.requests.length, 2);
  });

  const FAILURES = {
    "answers 500": (_request, response) => response.writeHead(500).end("down"),
    "does not answer": () => {},
    "closes the connection": (_request, response) => response.destroy(),
    "closes it in the middle of the body": (request) => request.once("data", () => request.destroy()),
  };
  for (const [what, handler] of Object.entries(FAILURES)) {
    test(`where it ${what}, the control origin gets the body, whole and once, and is told nothing of the variant`, async () => {
      await world.publish(
        documentOf([trying("else", ["/else"], { origin: { path_prefix: `/${what.length}`, timeout_ms: 500 } })]),
      );
      await world.forget();
      world.origin.on(`/${what.length}/else`, handler);
      const body = `order=${"x".repeat(300_000)}`;
      // why: a PUT may be done twice, a POST may not
      const answer = await world.ask("/else", { method: "PUT", body, headers: { "Content-Type": "text/plain" } });
      assert.equal(answer.status, 200);
      assert.equal(await bodyAt("/else"), body);
      const [seen] = world.origin.of("/else");
      assert.equal(seen.method, "PUT");
      assert.equal(seen.headers["content-type"], "text/plain");
      assert.equal(seen.headers["sortition-variants"], undefined);
      assert.equal(world.origin.of("/else").length, 1);
      await world.sent();
      assert.deepEqual(exposed(), ["else"]);
      assert.equal(world.platform.messages[0].events[0].fallback, true);
    });
  }

  test("a body that is too long to be kept, or of unknown length, goes to the control origin at once", async () => {
    await world.publish(documentOf([trying("else", ["/else"], prefix)]));
    for (const headers of [{}, { "Transfer-Encoding": "chunked" }]) {
      await world.forget();
      const body = "x".repeat(headers["Transfer-Encoding"] ? 2000 : (1 << 20) + 1);
      const answer = await world.ask("/else", { method: "POST", body, headers });
      assert.equal(answer.status, 200);
      assert.equal((await bodyAt("/else")).length, body.length);
      assert.equal(world.origin.of("/v/else").length, 0);
      await world.sent();
      assert.deepEqual(exposed(), ["else"]);
    }
  });

  test("an origin of another site sees no cookie and no credentials, and sets no cookie; one of our own does both", async () => {
    const elsewhere = (host) => `http://${host}:${new URL(world.origin.url).port}`;
    for (const [host, isForeign] of [
      ["localhost", true],
      ["127.0.0.1", false],
    ]) {
      await world.publish(documentOf([trying("else", ["/else"], { origin: { url: `${elsewhere(host)}/v` } })]));
      await world.forget();
      world.origin.serve("/v/else", {
        headers: ["Content-Type", "text/html", "Set-Cookie", "theirs=1"],
        body: "variant",
      });
      const headers = { Authorization: "Bearer x", "Proxy-Authorization": "Basic eDp5" };
      const answer = await world.ask("/else", { cookie: "basket=7", headers });
      assert.equal(answer.text, "variant", host);
      const [seen] = world.origin.of("/v/else");
      assert.equal(seen.headers.cookie?.includes("basket=7"), isForeign ? undefined : true);
      assert.equal(seen.headers.authorization, isForeign ? undefined : "Bearer x");
      assert.equal(seen.headers["sortition-visitor"] === undefined, isForeign);
      assert.equal(seen.headers["sortition-variants"], "else=v0");
      assert.equal(
        answer.setCookies.some((cookie) => cookie.startsWith("theirs")),
        !isForeign,
      );
      assert.ok(answer.setCookies.some((cookie) => cookie.startsWith("sortition_id=")));
    }
  });

  test("the circuit: open after five failures, half-open after half a minute, closed when it works again", async () => {
    await world.publish(documentOf([trying("else", ["/else"], { origin: { path_prefix: "/circuit" } })]));
    const asked = async () => {
      world.origin.forget();
      assert.equal((await world.ask("/else")).status, 200);
      return world.origin.of("/circuit/else").length;
    };
    world.origin.on("/circuit/else", (_request, response) => response.writeHead(503).end());
    const tries = [];
    for (let n = 0; n < 8; n++) tries.push(await asked());
    assert.deepEqual(tries, [1, 1, 1, 1, 1, 0, 0, 0]);
    try {
      await world.turnClock(31_000);
      assert.deepEqual([await asked(), await asked()], [1, 0], "one tries, and it fails");
      await world.turnClock(62_000);
      world.origin.serve("/circuit/else");
      assert.deepEqual([await asked(), await asked(), await asked()], [1, 1, 1]);
      world.origin.on("/circuit/else", (_request, response) => response.writeHead(503).end());
      for (let n = 0; n < 5; n++) await asked();
      await world.turnClock(-3_600_000);
      assert.equal(await asked(), 1, "a clock that was turned back does not keep it open for an hour");
    } finally {
      await world.turnClock(0);
    }
  });
});
