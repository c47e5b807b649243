// Visits that come at once go to the queue as one message, and none is lost whatever becomes of it.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { until } from "./client.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startWorld } from "./world.mjs";

const DOCUMENT = documentOf([experiment({ pages: ["/*"] })]);

let world;
before(async () => {
  world = await startWorld({ document: DOCUMENT, probed: true, vars: { CONFIG_TTL_SECONDS: "30" } });
  await world.ask("/");
  await world.sent();
});
after(() => world?.close());

const visitors = (name, count) => Array.from({ length: count }, (_, index) => `${name}-visitor-${index}`);
const visit = (visitor, headers = {}) => world.ask("/", { headers: { cookie: `sortition_id=${visitor}`, ...headers } });
const told = () => world.platform.messages.map(({ events }) => events.map((event) => event.anonymous_id));

describe("visits that come at once", () => {
  test("go in few messages, each with a number of its own", async () => {
    await world.forget();
    const before = world.platform.sends;
    const some = visitors("many", 250);
    await Promise.all(some.map((visitor) => visit(visitor)));
    const visits = await world.sent();
    assert.deepEqual(told().sort(), some.map((visitor) => [visitor]).sort());
    const numbers = visits.map(({ seq }) => seq).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => numbers[0] + index),
    );
    const { bodies } = world.platform;
    assert.equal(new Set(bodies.map(({ source }) => source)).size, 1);
    assert.ok(bodies.every(({ schema }) => schema === 2));
    for (const { visits } of bodies) assert.ok(visits.reduce((sum, { events }) => sum + events.length, 0) <= 100);
    const calls = world.platform.sends - before;
    assert.ok(calls >= 3 && calls < some.length, `${calls} calls, of which each may take 100 visits`);
    assert.ok(bodies.length < some.length / 2, `${bodies.length} messages`);
  });

  test("messages that the queue refuses together go one by one", async () => {
    await world.forget();
    world.platform.behaviour.queue = "single";
    // why: a hundred long pages are more than one message holds
    const some = visitors("single", 100);
    const path = `/p/${"long".repeat(250)}`;
    const ask = (visitor) => world.ask(path, { headers: { cookie: `sortition_id=${visitor}` } });
    await Promise.all(some.map(ask));
    await until(
      () => world.platform.messages.length >= some.length,
      () => `100 visits, there are ${world.platform.messages.length}`,
    );
    world.platform.behaviour.queue = "ok";
    assert.deepEqual(told().sort(), some.map((visitor) => [visitor]).sort());
    assert.equal(world.platform.objects.size, 0);
    for (const body of world.platform.bodies) assert.ok(JSON.stringify(body).length <= 100_000);
  });
});

describe("what the queue refused", () => {
  test("comes back with few calls", async () => {
    await world.forget();
    world.platform.behaviour.queue = "fail";
    const some = visitors("spilled", 120);
    for (let at = 0; at < 120; at += 12) {
      await Promise.all(some.slice(at, at + 12).map((visitor) => visit(visitor)));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await until(() => world.spilled().length === some.length, "the spilled visits");
    const waiting = world.platform.objects.size;
    assert.ok(waiting >= 5, `${waiting} objects`);
    world.platform.behaviour.queue = "ok";
    const before = world.platform.sends;
    await world.schedule();
    assert.deepEqual(told().sort(), some.map((visitor) => [visitor]).sort());
    assert.equal(world.platform.objects.size, 0);
    assert.ok(world.platform.sends - before < waiting, "fewer calls than messages");
  });

  test("while the queue is down is not counted", async () => {
    await world.forget();
    world.platform.behaviour.queue = "fail";
    for (const visitor of visitors("waiting", 4)) {
      await visit(visitor);
      await until(() => world.spilled().some(({ events }) => events[0].anonymous_id === visitor), visitor);
    }
    for (let run = 0; run < 4; run++) await world.schedule();
    assert.equal(world.platform.objects.size, 4);
    assert.ok([...world.platform.objects.values()].every((text) => JSON.parse(text).count === undefined));
    world.platform.behaviour.queue = "ok";
    await world.schedule();
    assert.equal(world.platform.objects.size, 0);
    assert.deepEqual(told().flat().sort(), visitors("waiting", 4));
  });
});

describe("a request that is ended before it could send", () => {
  const abandoned = { "test-abandoned": "1" };

  test("the next one sends its message too", async () => {
    await world.forget();
    await visit("ended-visitor-0");
    await visit("ended-visitor-1", abandoned);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.deepEqual(told(), [["ended-visitor-0"]]);
    await visit("ended-visitor-2");
    await world.sent();
    assert.deepEqual(told().sort(), [["ended-visitor-0"], ["ended-visitor-1"], ["ended-visitor-2"]]);
  });

  test("also where its message was sent at once, and nobody heard what became of it", async () => {
    await world.forget();
    world.platform.behaviour.queue = "hang";
    for (const visitor of visitors("unheard", 3)) {
      // why: so long after the one before that it goes alone
      await new Promise((resolve) => setTimeout(resolve, 100));
      await visit(visitor, abandoned);
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
    world.platform.behaviour.queue = "ok";
    assert.deepEqual(told(), []);
    await visit("heard-visitor");
    await world.sent();
    assert.deepEqual(told().flat().sort(), ["heard-visitor", ...visitors("unheard", 3)]);
  });

  test("one that came with it does, though nobody comes any more", async () => {
    await world.forget();
    await visit("gone-visitor-0");
    await visit("gone-visitor-1", abandoned);
    await visit("gone-visitor-2");
    await visit("gone-visitor-3");
    await until(() => world.platform.messages.length >= 4, "the messages", 25_000);
    assert.deepEqual(
      told().flat().sort(),
      [0, 1, 2, 3].map((number) => `gone-visitor-${number}`),
    );
  });
});

// At the end, since what never arrives would be waited for by what comes after.
// Six messages that the queue never takes once held up everything behind them for good.
test("what the queue refuses again and again is set aside with its reason and a count, and the rest goes on", async () => {
  await world.forget();
  world.platform.behaviour.queue = "fail";
  const poison = visitors("poison", 8);
  const good = visitors("good", 8);
  for (const visitor of [...poison, ...good]) {
    await visit(visitor);
    await until(() => world.spilled().some(({ events }) => events[0].anonymous_id === visitor), visitor);
  }
  // and one message with both
  await Promise.all(
    visitors("both-poison", 1)
      .concat(visitors("both-good", 3))
      .map((visitor) => visit(visitor)),
  );
  await until(() => world.spilled().length === 20, "the spilled visits");
  world.platform.behaviour.queue = "poison";
  const arrived = () => told().flat();
  for (let run = 1; run <= 4; run++) {
    await world.schedule();
    if (run < 3) assert.ok([...world.platform.objects.keys()].every((key) => !key.startsWith("spill/refused/")));
  }
  world.platform.behaviour.queue = "ok";
  assert.deepEqual(arrived().sort(), [...good, ...visitors("both-good", 3)].sort());
  const aside = [...world.platform.objects].map(([key, text]) => [key, JSON.parse(text)]);
  assert.equal(aside.length, 9);
  for (const [key, { reason, count, body }] of aside) {
    assert.match(key, /^spill\/refused\/[0-9a-f]{32}-\d+\.json$/);
    assert.match(reason, /\w/);
    assert.equal(count, 3);
    assert.match(body.visits[0].events[0].anonymous_id, /poison/);
  }
  world.platform.objects.clear();
});

// The signature counted as used before anything was kept, so what came again after a 503 was refused, and lost.
test("what a server reports may come again as it is signed where it could not be kept", async (t) => {
  const world = await startWorld({ document: DOCUMENT, vars: { INGEST_SECRET: "ingest" } });
  t.after(() => world.close());
  const event = { type: "experiment_converted", conversion_event: "purchase", anonymous_id: "server-visitor" };
  const body = JSON.stringify({ events: [event] });
  const time = Math.floor(Date.now() / 1000);
  const tag = createHmac("sha256", "ingest").update(`${time}.${body}`).digest("hex");
  const headers = { "Content-Type": "application/json", "Sortition-Signature": `t=${time},v1=${tag}` };
  const report = async () => (await world.ask("/_sortition/conversions", { method: "POST", headers, body })).status;
  const { behaviour } = world.platform;
  Object.assign(behaviour, { queue: "fail", r2: "fail" });
  assert.equal(await report(), 503);
  Object.assign(behaviour, { queue: "ok", r2: "ok" });
  assert.equal(await report(), 202);
  assert.equal(await report(), 401, "once it is kept, it is not taken again");
  assert.deepEqual(
    world.platform.messages.flatMap(({ events }) => events.map((event) => event.anonymous_id)),
    ["server-visitor"],
  );
});
