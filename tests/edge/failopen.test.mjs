// Whatever fails inside, the shopper gets the origin's answer. Each test causes the failure.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { target } from "../../scripts/setup.mjs";
import { documentOf, Jar, ours, startWorld, treatment, until } from "./world.mjs";

const HELLO = [{ select: "h1", do: "set_text", value: "Hello" }];
const DOCUMENT = documentOf([treatment(HELLO)]);

/** The origin's answer to `/`, all of it. */
const ANSWER = {
  status: 201,
  headers: ["Content-Type", "text/html; charset=utf-8", "Set-Cookie", "a=1", "Set-Cookie", "b=2", "X-Shop", "yes"],
  body: "<!doctype html><html><body><h1>Welcome</h1></body></html>",
};

function assertOrigins(answer) {
  assert.equal(answer.status, ANSWER.status);
  assert.equal(answer.text, ANSWER.body);
  assert.deepEqual(answer.setCookies, ["a=1", "b=2"]);
  assert.equal(answer.headers["x-shop"], "yes");
}

describe("KV", () => {
  const CASES = [
    ["the binding is missing", { without: ["CONFIG"] }, () => {}, /CONFIG/],
    [
      "it throws",
      {},
      (world) => {
        world.platform.behaviour.kv = "fail";
      },
      /KV did not give/,
    ],
    [
      "it does not answer",
      {},
      (world) => {
        world.platform.behaviour.kv = "hang";
      },
      undefined,
    ],
  ];
  for (const [what, options, fault, error] of CASES) {
    test(`${what}: pages pass through from the first request on`, async (t) => {
      const world = await startWorld({ document: DOCUMENT, ...options });
      t.after(() => world.close());
      world.origin.serve("/", ANSWER);
      fault(world);
      const answers = await Promise.all(Array.from({ length: 5 }, () => world.ask("/")));
      for (const answer of answers) assertOrigins(answer);
      const posted = await world.ask("/", { method: "POST", body: "order=1" });
      assertOrigins(posted);
      assert.equal(world.origin.of("/").length, 6, "each is asked for once");
      if (error) {
        const health = await world.settled((health) => health.config_error);
        assert.equal(health.status, "degraded");
        assert.match(health.config_error, error);
      }
    });
  }

  test("it throws once: the document is taken up when it works again", async (t) => {
    const world = await startWorld({ document: DOCUMENT });
    t.after(() => world.close());
    world.platform.behaviour.kv = "fail";
    assert.match((await world.ask("/")).text, /Welcome/);
    world.platform.behaviour.kv = "ok";
    await world.settled((health) => health.status === "ok");
    assert.match((await world.ask("/")).text, /Hello/);
  });

  test("it throws later: the plan in use stays", async (t) => {
    const world = await startWorld({ document: DOCUMENT });
    t.after(() => world.close());
    await world.ask("/");
    world.platform.behaviour.kv = "fail";
    const health = await world.settled((health) => health.config_error);
    assert.equal(health.config_revision, "r1");
    assert.match((await world.ask("/")).text, /Hello/);
  });
});

describe("the queue", () => {
  test("there is none: nothing is recorded, everything else works", async (t) => {
    const world = await startWorld({ document: DOCUMENT, without: ["EVENTS", "ARCHIVE"] });
    t.after(() => world.close());
    const answer = await world.ask("/");
    assert.match(answer.text, /Hello/);
    assert.equal(answer.headers["sortition-variants"], "hero=bold");
    assert.equal(world.platform.sends, 0);
  });

  test("it refuses: the page is the same, it is tried again, then the message waits in R2", async (t) => {
    const world = await startWorld({ document: DOCUMENT });
    t.after(() => world.close());
    world.platform.behaviour.queue = "fail";
    assert.match((await world.ask("/")).text, /Hello/);
    await until(() => world.platform.objects.size === 1, "the spilled message");
    assert.ok(world.platform.sends > 1, "it was tried again");
    const [[key, text]] = world.platform.objects;
    const message = JSON.parse(text);
    assert.equal(key, `spill/${message.source}-${message.visits[0].seq}.json`);
    assert.deepEqual(
      message.visits.flatMap(({ events }) => events.map((event) => event.variant)),
      ["bold"],
    );
  });

  test("it refuses once: the message arrives", async (t) => {
    const world = await startWorld({ document: DOCUMENT });
    t.after(() => world.close());
    world.platform.behaviour.queue = "fail";
    await world.ask("/");
    await until(() => world.platform.sends >= 1, "the first try");
    world.platform.behaviour.queue = "ok";
    await until(() => world.platform.messages.length + world.platform.objects.size === 1, "the message");
  });

  test("it does not answer: nobody waits for it, and the messages wait in R2", async (t) => {
    const world = await startWorld({ document: DOCUMENT });
    t.after(() => world.close());
    world.platform.behaviour.queue = "hang";
    for (let i = 0; i < 5; i++) assert.match((await world.ask("/")).text, /Hello/);
    await until(() => world.spilled().length === 5, "the spilled messages", 25_000);
  });

  test("R2 refuses too: the page is the same, and the log says what was lost", async (t) => {
    const world = await startWorld({ document: DOCUMENT });
    t.after(() => world.close());
    world.platform.behaviour.queue = "fail";
    world.platform.behaviour.r2 = "fail";
    assert.match((await world.ask("/")).text, /Hello/);
    await until(() => /1 lost/.test(world.log()), "the log to say so");
    assert.match((await world.ask("/")).text, /Hello/);
  });
});

// The build with the feature `chaos` panics where `?chaos=` says.
describe("a panic of the wasm", () => {
  let world;
  before(async () => {
    world = await startWorld({ document: DOCUMENT, build: join(target, "worker-chaos") });
    world.origin.serve("/", ANSWER);
    await world.ask("/");
  });
  after(() => world.close());

  for (const place of ["lane", "begin", "reply"]) {
    test(`in ${place}: the origin's answer, asked for once, and the isolate goes on`, async () => {
      world.origin.forget();
      assertOrigins(await world.ask(`/?chaos=${place}`));
      assert.equal(world.origin.requests.length, 1);
      assert.match(world.log(), new RegExp(`chaos was asked for in ${place}|unreachable`));
      await works();
    });

    test(`in ${place}, with a body: the order arrives, once`, async () => {
      world.origin.forget();
      assertOrigins(await world.ask(`/?chaos=${place}`, { method: "POST", body: "order=1" }));
      const [order] = world.origin.requests;
      await order.whole;
      assert.equal(order.body.toString(), "order=1");
      assert.equal(world.origin.requests.length, 1);
    });

    test(`in ${place}, beside fifty other requests: every one is answered`, async () => {
      const slow = [];
      world.origin.on("/slow", (_request, response) => {
        slow.push(response);
        if (slow.length === 50) for (const one of slow) one.writeHead(ANSWER.status, ANSWER.headers).end(ANSWER.body);
      });
      const waiting = Array.from({ length: 25 }, () => world.ask("/slow"));
      const others = Array.from({ length: 25 }, (_, i) => world.ask(i % 5 ? "/slow" : `/slow?n=${i}`));
      await until(() => slow.length > 0, "the others to be under way");
      const panics = await Promise.all(Array.from({ length: 5 }, () => world.ask(`/?chaos=${place}`)));
      for (const answer of [...panics, ...(await Promise.all([...waiting, ...others]))]) assertOrigins(answer);
      await works();
    });

    test(`in ${place}, while fifty pages with an experiment are under way: each is the origin's or the variant's`, async () => {
      const page = "<!doctype html><html><body><h1>Welcome</h1></body></html>";
      const held = [];
      const hold = treatment(HELLO, { id: "held", pages: ["/held"] });
      world.setKey("config", { ...documentOf([...DOCUMENT.experiments, hold]), revision: `held-${place}` });
      await world.settled((health) => health.config_revision === `held-${place}`);
      world.origin.on("/held", (_request, response) => {
        held.push(response);
        if (held.length === 50) for (const one of held) one.writeHead(200, { "Content-Type": "text/html" }).end(page);
      });
      const waiting = Array.from({ length: 49 }, () => world.ask("/held"));
      await until(() => held.length === 49, "the others to be under way");
      assertOrigins(await world.ask(`/?chaos=${place}`));
      const last = world.ask("/held");
      for (const answer of await Promise.all([...waiting, last])) {
        assert.equal(answer.status, 200);
        assert.ok([page, page.replace("Welcome", "Hello")].includes(answer.text), answer.text);
      }
    });
  }

  test("of a finished body: the shop's page, with no variant in it, and the next one is answered", async (t) => {
    const document = documentOf([treatment(HELLO)], { cache: { pages: ["/"] } });
    const world = await startWorld({ document, cache: new Map(), build: join(target, "worker-chaos") });
    t.after(() => world.close());
    const body = ANSWER.body.padEnd(4000);
    world.origin.serve("/", {
      status: 200,
      headers: ["Content-Type", "text/html; charset=utf-8", "Cache-Control", "public, max-age=600", "ETag", '"v1"'],
      body,
    });
    const visit = () => world.ask("/?chaos=finished", { headers: { "Accept-Encoding": "gzip" } });
    let failed;
    await until(async () => {
      const answer = await visit();
      if (answer.text !== body) assert.equal(answer.text, body.replace("Welcome", "Hello"));
      else failed = answer;
      return failed;
    }, "a body in gzip that was finished before");
    assert.match(world.log(), /chaos was asked for in finished|unreachable/);
    assert.equal(failed.status, 200);
    assert.match(failed.headers["cache-control"], /private|no-store/);
    assert.deepEqual(failed.setCookies, []);
    assert.deepEqual(ours(failed.fields), []);
    assert.equal(
      (await world.ask("/", { headers: { "Accept-Encoding": "gzip" } })).text,
      body.replace("Welcome", "Hello"),
    );
  });

  test("in reply: what the origin rendered for a variant leaves private, and without what was meant for us", async () => {
    world.origin.serve("/", {
      ...ANSWER,
      headers: [
        ...[...ANSWER.headers, "Cache-Control", "public, s-maxage=600", "CDN-Cache-Control", "max-age=600"],
        ...[
          "ETag",
          '"v"',
          "Last-Modified",
          "Sat, 21 Nov 2026 12:00:00 GMT",
          "Expires",
          "Sat, 21 Nov 2036 12:00:00 GMT",
        ],
        ...["Sortition-User", "customer-1", "Sortition-Expose", "hero", "Sortition-Versions", "recommender=v12"],
      ],
    });
    const answer = await world.ask("/?chaos=reply");
    world.origin.serve("/", ANSWER);
    assertOrigins(answer);
    assert.equal(answer.headers["cache-control"], "private, no-store");
    assert.deepEqual(ours(answer.fields), []);
    for (const name of ["cdn-cache-control", "etag", "last-modified", "expires"]) {
      assert.equal(answer.headers[name], undefined, name);
    }
    await works();
  });

  /** The isolate has its document again, and assigns. */
  async function works() {
    await world.settled((health) => health.status === "ok");
    const path = "/works";
    world.setKey("config", {
      ...documentOf([...DOCUMENT.experiments, treatment(HELLO, { id: "works", pages: [path] })]),
      revision: "works",
    });
    await world.settled((health) => health.config_revision === "works");
    const jar = new Jar();
    const first = jar.take(await world.ask(path));
    assert.match(first.text, /Hello/);
    assert.equal(first.headers["sortition-variants"], "works=bold");
    assert.deepEqual((await world.ask(path, { cookie: jar.header })).setCookies, []);
  }
});
