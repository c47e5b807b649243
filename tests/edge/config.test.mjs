// The document in KV: waited for once, refreshed behind the answers, the last good one kept; and the kill key.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { documentOf, experiment, ours, startWorld, until } from "./world.mjs";

const HERO = documentOf([experiment()]);
const TWO = documentOf([experiment(), experiment({ id: "price", pages: ["/", "/p/*"] })]);

/** A document with something wrong, and what the error must name. */
const BROKEN = {
  "no JSON": ["{ not json", /document/],
  "a JSON list": ["[]", /document/],
  "an unknown field": [{ ...HERO, experimnets: [] }, /experimnets/],
  "an unknown field of an experiment": [
    documentOf([experiment(), experiment({ id: "b", trafic: 5 })]),
    /experiments\[1\].*trafic/,
  ],
  "an unknown field of a variant": [
    documentOf([
      experiment({
        variants: [
          { id: "control", weight: 1 },
          { id: "b", wieght: 1 },
        ],
      }),
    ]),
    /experiments\[0\]\.variants\[1\].*wieght/,
  ],
  "a missing field": [documentOf([{ id: "hero" }]), /experiments\[0\].*variants/],
  "a value of the wrong kind": [documentOf([experiment({ traffic: "all" })]), /experiments\[0\].*(traffic|"all")/],
  "an id that is none": [documentOf([experiment({ id: "Hero!" })]), /experiments\[0\].*Hero!/],
  "a newer version": [{ ...HERO, version: 2, new_field: true }, /version/],
};

describe("without a document", () => {
  let world;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.close());

  test("everything passes through untouched", async () => {
    const answer = await world.ask("/");
    assert.equal(answer.status, 200);
    assert.match(answer.text, /<h1[^>]*>Welcome</);
    assert.deepEqual(answer.setCookies, []);
    assert.deepEqual(ours(answer.fields), []);
    assert.deepEqual(ours(world.origin.of("/")[0].fields), []);
  });

  test("health says so, and takes the document up when it comes", async () => {
    assert.equal((await world.health()).status, "unconfigured");
    await world.publish(HERO);
    assert.match((await world.ask("/")).text, /Hello/);
  });

  test("a document that is taken away ends every experiment", async () => {
    await world.publish(HERO);
    world.setKey("config", undefined);
    await world.settled((health) => health.status === "unconfigured");
    assert.match((await world.ask("/")).text, /Welcome/);
  });
});

test("the first request of an isolate waits for the document", async (t) => {
  const world = await startWorld({ document: HERO });
  t.after(() => world.close());
  const answer = await world.ask("/");
  assert.match(answer.text, /Hello/);
  assert.equal(answer.headers["sortition-variants"], "hero=bold");
});

test("what has a say is read from KV, with one call", async (t) => {
  const world = await startWorld({ document: HERO });
  t.after(() => world.close());
  for (const path of ["/", "/other", "/_sortition/health"]) await world.ask(path);
  const calls = world.platform.calls.map((keys) => keys.join()).filter((keys) => !keys.startsWith("plan:"));
  assert.deepEqual([...new Set(calls)], ["config,kill,kill-guard"]);
});

test("within its TTL a plan is not asked for again; then one request refreshes it behind its answer", async (t) => {
  const world = await startWorld({ document: HERO, vars: { CONFIG_TTL_SECONDS: "1" } });
  t.after(() => world.close());
  await world.ask("/");
  const calls = world.platform.calls.length;
  // why: of a document that is new the plan is asked for, too
  assert.equal(calls, 2);
  await Promise.all(Array.from({ length: 20 }, () => world.ask("/")));
  // why: the machine may be slow, so the second may be over; but it is over once, not twenty times
  assert.ok(world.platform.calls.length <= calls + 1, `${world.platform.calls.length} calls`);
  world.setKey("config", { ...HERO, revision: "later" });
  await world.settled((health) => health.config_revision === "later");
  const { config_age_seconds: age } = await world.health();
  assert.ok(age < 5, `the plan is ${age} seconds old`);
});

test("a refresh that hangs delays nobody", async (t) => {
  const world = await startWorld({ document: HERO });
  t.after(() => world.close());
  await world.ask("/");
  world.platform.behaviour.kv = "hang";
  const reads = world.platform.reads.length;
  for (let visit = 0; visit < 5; visit++) assert.match((await world.ask("/")).text, /Hello/);
  assert.ok(world.platform.reads.length > reads, "a refresh was under way");
});

describe("a document that changes while the origin holds its answer", () => {
  const shop = (ids) =>
    documentOf(
      ids.map((id) =>
        experiment({
          id,
          pages: ["/held"],
          variants: [
            { id: "control", weight: 0 },
            { id: `of-${id}`, weight: 1, rewrite: [{ select: `#${id}`, do: "set_text", value: `shows ${id}` }] },
          ],
        }),
      ),
    );
  const PAGE = '<h1 id="alpha">a</h1><h1 id="beta">b</h1><h1 id="gamma">c</h1>';
  const CHANGES = {
    "other experiments in its place": ["beta", "gamma"],
    "the same in another order": ["beta", "alpha"],
    "none at all": [],
    "no document": undefined,
  };
  for (const [what, after] of Object.entries(CHANGES)) {
    test(`${what}: the visitor is told, shown and exposed to what was decided`, async (t) => {
      const world = await startWorld({ document: shop(["alpha"]) });
      t.after(() => world.close());
      await world.ask("/");
      await world.forget();
      const held = [];
      world.origin.on("/held", (_, response) => held.push(response));
      const page = world.ask("/held");
      await until(() => held.length === 1, "the origin to be asked");
      if (after) {
        await world.publish(shop(after));
      } else {
        world.setKey("config", undefined);
        await world.settled((health) => health.status === "unconfigured");
      }
      held[0].writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
      held[0].end(PAGE);
      const answer = await page;
      assert.equal(answer.text, '<h1 id="alpha">shows alpha</h1><h1 id="beta">b</h1><h1 id="gamma">c</h1>');
      assert.equal(answer.headers["sortition-variants"], "alpha=of-alpha");
      const events = (await world.sent()).flatMap(({ events }) => events);
      assert.deepEqual(
        events.map((event) => [event.experiment_id, event.variant]),
        [["alpha", "of-alpha"]],
      );
    });
  }
});

describe("a document that is refused", { concurrency: true }, () => {
  for (const [what, [text, names]] of Object.entries(BROKEN)) {
    test(`${what}: the last good one stays, and /health and the log name the place`, async (t) => {
      const world = await startWorld({ document: HERO });
      t.after(() => world.close());
      await world.ask("/");
      world.setKey("config", text);
      const health = await world.settled((health) => health.config_error);
      assert.equal(health.status, "degraded");
      assert.match(health.config_error, names);
      assert.equal(health.config_revision, "r1");
      assert.match((await world.ask("/")).text, /Hello/);
      assert.match(world.log(), names);
      await world.publish(TWO);
      assert.equal((await world.health()).status, "ok");
    });
  }

  test("with none before it everything passes through", async (t) => {
    const world = await startWorld({ document: BROKEN["an unknown field"][0] });
    t.after(() => world.close());
    const answer = await world.ask("/");
    assert.match(answer.text, /Welcome/);
    assert.deepEqual(ours(answer.fields), []);
    const health = await world.health();
    assert.match(health.config_error, /experimnets/);
    assert.equal(health.config_revision, null);
  });
});

describe("the kill key", () => {
  let world;
  before(async () => {
    world = await startWorld({ document: TWO });
    await world.ask("/");
  });
  after(() => world.close());

  const CASES = {
    '{"all": true}': ["hero=control, price=control", undefined],
    '{"experiments": ["hero"]}': ["hero=control, price=bold", "price=bold"],
    "{}": ["hero=bold, price=bold", "hero=bold, price=bold"],
    "not json": ["hero=control, price=control", undefined],
    '{"all": "yes"}': ["hero=control, price=control", undefined],
    '{"experiment": ["hero"]}': ["hero=control, price=control", undefined],
  };
  for (const [kill, [toOrigin, toClient]] of Object.entries(CASES)) {
    test(kill, async () => {
      world.setKey("kill", kill);
      const expected = ["hero", "price"].filter((id) => toOrigin.includes(`${id}=control`));
      await world.settled((health) => health.killed.join() === expected.join());
      await world.forget();
      const answer = await world.ask("/");
      assert.equal(world.origin.of("/")[0].headers["sortition-variants"], toOrigin);
      assert.equal(answer.headers["sortition-variants"], toClient);
      // why: `price` sets the same headline, so the page is the control's only where both are killed
      assert.equal(answer.text.includes("Hello"), toClient !== undefined);
      const exposed = (await world.sent()).flatMap((message) => message.events.map((event) => event.experiment_id));
      assert.ok(
        exposed.every((id) => !expected.includes(id)),
        `exposed: ${exposed}`,
      );
      assert.equal(
        /not json|"yes"|"experiment"/.test(kill),
        (await world.health()).config_error?.includes("kill") ?? false,
      );
    });
  }

  test("a document may say it itself", async () => {
    world.setKey("kill", undefined);
    await world.publish({ ...TWO, kill: true });
    world.origin.forget();
    assert.equal((await world.ask("/")).headers["sortition-variants"], undefined);
    assert.equal(world.origin.of("/")[0].headers["sortition-variants"], "hero=control, price=control");
  });

  test("takes nothing from pages that are not the experiment's", async () => {
    world.origin.forget();
    await world.ask("/elsewhere");
    assert.deepEqual(ours(world.origin.of("/elsewhere")[0].fields), []);
  });
});

describe("a kill that cannot be read", () => {
  const unread = async (world, keys) => {
    for (const key of ["kill", "kill-guard"]) world.platform.unreadable.delete(key);
    for (const key of keys) world.platform.unreadable.add(key);
  };

  test("stays in force when another document comes", async (t) => {
    const world = await startWorld({ document: TWO, kill: { experiments: ["hero"] } });
    t.after(() => world.close());
    assert.equal((await world.ask("/")).headers["sortition-variants"], "price=bold");
    await unread(world, ["kill"]);
    await world.publish({ ...TWO, crawlers: { also: ["AcmeMonitor"] } });
    assert.equal((await world.ask("/")).headers["sortition-variants"], "price=bold");
    const health = await world.health();
    assert.deepEqual([health.status, health.killed], ["degraded", ["hero"]]);
    assert.match(health.config_error, /`kill`/);
    await unread(world, []);
    world.setKey("kill", undefined);
    await world.settled((health) => health.status === "ok" && health.killed.length === 0);
    assert.equal((await world.ask("/")).headers["sortition-variants"], "hero=bold, price=bold");
  });

  for (const key of ["kill", "kill-guard"]) {
    test(`${key}: while it was never known no experiment acts`, async (t) => {
      const world = await startWorld({ document: TWO, unreadable: [key] });
      t.after(() => world.close());
      const answer = await world.ask("/");
      assert.match(answer.text, /Welcome/);
      assert.deepEqual([answer.setCookies, ours(answer.fields)], [[], []]);
      assert.match((await world.health()).config_error, new RegExp(`\`${key}\``));
      await unread(world, []);
      await world.settled((health) => health.status === "ok");
      assert.match((await world.ask("/")).text, /Hello/);
    });
  }

  test("kill-guard: what it ended, holds and weighs applies beside the kill of people", async (t) => {
    const [hero, price] = TWO.experiments;
    // why: what the document gives nothing gets nothing, whatever the guard weighs
    const split = { ...price, variants: price.variants.map((variant) => ({ ...variant, weight: 1 })) };
    const world = await startWorld({ document: { ...TWO, experiments: [hero, split] } });
    t.after(() => world.close());
    const guard = (value) => world.setKey("kill-guard", value);
    await world.ask("/");
    guard({ experiments: ["hero"] });
    await world.settled((health) => health.killed.join() === "hero");
    assert.deepEqual((await world.health()).killed_by_guard, ["hero"]);
    assert.match((await world.ask("/")).headers["sortition-variants"], /^price=/);
    world.setKey("kill", { experiments: ["price"] });
    await world.settled((health) => health.killed.join() === "hero,price");
    world.setKey("kill", undefined);
    guard({ experiments: [], hold: { hero: 0 }, weights: { price: { control: 1, bold: 0 } } });
    const given = async () => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => world.ask("/")));
      return [...new Set(answers.map(({ headers }) => headers["sortition-variants"]))].join(" and ");
    };
    await world.settled(async (health) => health.killed.length === 0 && (await given()) === "price=control");
    guard("not json");
    await world.settled((health) => health.config_error?.includes("kill-guard"));
    assert.equal(await given(), "price=control", "what was last known of it stays");
  });
});

describe("an isolate without a plan", () => {
  test("every request waits for it, each by its own reading", async (t) => {
    const world = await startWorld({ document: HERO, kvDelay: 500, vars: { CONFIG_TTL_SECONDS: "60" } });
    t.after(() => world.close());
    const cookie = "sortition_id=returning-visitor-1";
    const answers = await Promise.all(Array.from({ length: 20 }, () => world.ask("/", { cookie })));
    for (const answer of answers) assert.equal(answer.headers["sortition-variants"], "hero=bold");
    assert.equal(world.platform.calls.filter((keys) => keys.includes("config")).length, 20);
  });

  test("so do the endpoints", async (t) => {
    const world = await startWorld({ document: HERO, kvDelay: 500, vars: { CONFIG_TTL_SECONDS: "60" } });
    t.after(() => world.close());
    const events = [
      { type: "experiment_converted", id: "0123456789abcdef0123456789abcdef", conversion_event: "signup" },
    ];
    const body = JSON.stringify({ events });
    const cookie = "sortition_id=returning-visitor-1";
    const post = () => world.ask("/_sortition/events", { method: "POST", body, cookie });
    for (const answer of await Promise.all([post(), post(), post()])) assert.equal(answer.status, 202, answer.text);
  });

  test("nobody waits longer than two seconds, and nobody at all afterwards", async (t) => {
    const world = await startWorld({ document: HERO });
    t.after(() => world.close());
    world.platform.behaviour.kv = "hang";
    const timed = async () => {
      const started = performance.now();
      assert.match((await world.ask("/")).text, /Welcome/);
      return performance.now() - started;
    };
    const first = await Promise.all([timed(), timed(), timed()]);
    assert.ok(Math.max(...first) < 4000, `${first}`);
    assert.ok((await timed()) < 1000);
    assert.match((await world.health()).config_error, /KV did not answer/);
  });
});

describe("the data centre's copy", () => {
  const host = "shop.test";
  const headers = { Authorization: "Bearer test-admin-token" };
  const visit = (world, path = "/") => world.ask(path, { host, headers });

  /** A world in which KV answers, left behind with its cache. */
  async function before(t, options) {
    const world = await startWorld({ document: TWO, cache: new Map(), ...options });
    t.after(() => world.close());
    await visit(world);
    await until(() => world.platform.cache.size === 2, "the copy, and the plan beside it");
    return { cache: world.platform.cache, vars: { ORIGIN_URL: world.origin.url }, world };
  }

  for (const behaviour of ["fail", "hang"]) {
    test(`an isolate that starts while KV does ${behaviour} serves by it, kills included, and says so`, async (t) => {
      const { cache, vars } = await before(t, { kill: { experiments: ["hero"] } });
      const world = await startWorld({ cache, vars, kvBehaviour: behaviour });
      t.after(() => world.close());
      const answer = await visit(world);
      assert.equal(answer.headers["sortition-variants"], "price=bold");
      const health = JSON.parse((await visit(world, "/_sortition/health")).text);
      assert.deepEqual([health.config_from, health.killed], ["copy", ["hero"]]);
      if (behaviour === "fail") assert.match(health.config_error, /KV did not give/);
      world.platform.behaviour.kv = "ok";
      world.setKey("config", { ...HERO, revision: "later" });
      await world.settled((health) => health.config_from === "kv" && health.config_revision === "later");
    });
  }

  test("one that is older than a week is none, and neither is that of another worker on the host", async (t) => {
    const { cache, vars } = await before(t);
    const [[url, copy]] = cache;
    const made = JSON.parse(copy.body.toString());
    const old = { ...copy, body: Buffer.from(JSON.stringify({ ...made, at: made.at - 8 * 86_400_000 })) };
    const starts = [
      { cache: new Map([[url, old]]), vars },
      { cache, vars: { ORIGIN_URL: `${vars.ORIGIN_URL}/other` } },
    ];
    for (const options of starts) {
      const world = await startWorld({ ...options, kvBehaviour: "fail" });
      t.after(() => world.close());
      assert.match((await visit(world)).text, /Welcome/);
    }
  });

  test("a kill reaches it at once", async (t) => {
    const { world, cache } = await before(t);
    world.setKey("kill", { all: true });
    const text = () => [...cache.values()][0].body.toString();
    const killed = async () => {
      await visit(world);
      return text().includes('{\\"all\\":true}');
    };
    await until(killed, "the copy to have it");
  });

  // A bad push, then the kill that is to stop the harm, then an outage of KV: it was the kill that an isolate missed.
  for (const [what, spoil] of [
    ["is refused", (world) => world.setKey("config", "{")],
    ["cannot be read", (world) => world.platform.unreadable.add("config")],
  ]) {
    test(`so does one that comes while the document ${what}, which stays the last good one there`, async (t) => {
      const { world, cache, vars } = await before(t);
      spoil(world);
      await world.settled((health) => health.config_error);
      world.setKey("kill", { experiments: ["hero"] });
      const text = () => [...cache.values()].map((copy) => copy.body.toString()).join();
      const killed = async () => {
        await visit(world);
        return text().includes('{\\"experiments\\":[\\"hero\\"]}');
      };
      await until(killed, "the copy to have it");
      const cold = await startWorld({ cache, vars, kvBehaviour: "fail" });
      t.after(() => cold.close());
      assert.equal((await visit(cold)).headers["sortition-variants"], "price=bold");
    });
  }
});

describe("endpoints", () => {
  let world;
  before(async () => {
    world = await startWorld({ document: HERO });
  });
  after(() => world.close());

  test("health: its fields, never cached", async () => {
    await world.ask("/");
    const answer = await world.ask("/_sortition/health");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["cache-control"], "no-store");
    assert.match(answer.headers["content-type"], /^application\/json/);
    const health = JSON.parse(answer.text);
    assert.equal(health.status, "ok");
    assert.equal(health.config_revision, "r1");
    assert.equal(health.config_error, null);
    assert.equal(typeof health.config_age_seconds, "number");
    assert.equal(health.crawlers_served, 0);
  });

  const REFUSED = [
    ["POST", "/_sortition/health", 405],
    ["GET", "/_sortition/nothing", 404],
    ["GET", "/_sortition/", 404],
    ["GET", "/_sortition", 404],
    ["DELETE", "/_sortition/../_sortition/x", 404],
  ];
  for (const [method, path, status] of REFUSED) {
    test(`${method} ${path}: ${status} as problem+json, and nothing for the origin`, async () => {
      world.origin.forget();
      const answer = await world.ask(path, { method });
      assert.equal(answer.status, status);
      assert.equal(answer.headers["content-type"], "application/problem+json");
      const problem = JSON.parse(answer.text);
      assert.equal(problem.status, status);
      assert.ok(problem.title && problem.detail);
      assert.deepEqual(world.origin.requests, []);
    });
  }

  test("a host that is none: 400, and nothing in the log", async () => {
    for (const host of ["evil.example>", "a<b", "a b"]) {
      for (const path of ["health", "experiments", "choose", "events", "bridge/optimizely.js"]) {
        const answer = await world.ask(`/_sortition/${path}`, { host });
        assert.equal(answer.status, 400, `${host} ${path}: ${answer.text}`);
        assert.match(JSON.parse(answer.text).detail, /Host/);
      }
      assert.equal((await world.ask("/", { host })).status, 200, "the shop's pages are the shop's to judge");
    }
    assert.doesNotMatch(world.log(), /Invalid URL/);
  });

  test("a path that only begins like ours is the shop's", async () => {
    assert.match((await world.ask("/_sortitionx")).text, /Welcome/);
  });
});
