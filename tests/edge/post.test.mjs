// Messages of requests that come at once go to the queue with one call, and none is lost whatever becomes of it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "./client.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startWorld } from "./world.mjs";

const DOCUMENT = documentOf([experiment()]);

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

describe("messages of requests that come at once", () => {
  test("go with few calls; each is the message of one request", async () => {
    await world.forget();
    const before = world.platform.sends;
    const some = visitors("many", 250);
    await Promise.all(some.map((visitor) => visit(visitor)));
    const messages = await world.sent();
    assert.deepEqual(told().sort(), some.map((visitor) => [visitor]).sort());
    const numbers = messages.map(({ seq }) => seq).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => numbers[0] + index),
    );
    assert.equal(new Set(messages.map(({ source }) => source)).size, 1);
    const calls = world.platform.sends - before;
    assert.ok(calls >= 3 && calls < some.length, `${calls} calls, of which each may take 100 messages`);
  });

  test("go one by one where the queue refuses them together", async () => {
    await world.forget();
    world.platform.behaviour.queue = "single";
    const some = visitors("single", 20);
    await Promise.all(some.map((visitor) => visit(visitor)));
    await until(
      () => world.platform.messages.length >= some.length,
      () => `20 messages, there are ${world.platform.messages.length}`,
    );
    world.platform.behaviour.queue = "ok";
    assert.deepEqual(told().sort(), some.map((visitor) => [visitor]).sort());
    assert.equal(world.platform.objects.size, 0);
  });
});

test("what the queue refused comes back with few calls", async () => {
  await world.forget();
  world.platform.behaviour.queue = "fail";
  const some = visitors("spilled", 120);
  await Promise.all(some.map((visitor) => visit(visitor)));
  await until(() => world.platform.objects.size === some.length, "the spilled messages");
  world.platform.behaviour.queue = "ok";
  const before = world.platform.sends;
  await world.schedule();
  assert.deepEqual(told().sort(), some.map((visitor) => [visitor]).sort());
  assert.equal(world.platform.objects.size, 0);
  assert.equal(world.platform.sends - before, 3);
});

describe("a request that is ended before it could send", () => {
  const abandoned = { "test-abandoned": "1" };

  test("the next one sends its message too", async () => {
    await world.forget();
    await visit("ended-visitor-1", abandoned);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.deepEqual(told(), []);
    await visit("ended-visitor-2");
    await world.sent();
    assert.deepEqual(told().sort(), [["ended-visitor-1"], ["ended-visitor-2"]]);
  });

  test("one that came with it does, though nobody comes any more", async () => {
    await world.forget();
    await visit("gone-visitor-1", abandoned);
    await visit("gone-visitor-2");
    await visit("gone-visitor-3");
    await until(() => world.platform.messages.length >= 3, "the messages", 25_000);
    assert.deepEqual(told().sort(), [["gone-visitor-1"], ["gone-visitor-2"], ["gone-visitor-3"]]);
  });
});
