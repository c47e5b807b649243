// More queues than one: real ones in workerd, each with a consumer of its own, under workers that each are an isolate; and,
// since those refuse nothing, the sending alone with queues that do.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BROWSER, until } from "./client.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const lines = (text) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("several queues, each with a consumer", () => {
  const BOUND = ["EVENTS", "EVENTS_3", "EVENTS_9"];
  const queueOf = (binding) => `test-${binding.toLowerCase().replace("_", "-")}`;
  const ISOLATES = 10;
  const VISITS = 12;
  let origin;
  let platform;
  const shops = Array.from({ length: ISOLATES }, (_, number) => `shop-${number}`);
  const only = "shop-with-events-3-alone";
  const workers = [];

  before(async () => {
    origin = await startOrigin();
    platform = await startHarness({
      origin: origin.url,
      document: documentOf([experiment()]),
      workers,
      change(config) {
        Object.assign(config.vars, { CONFIG_TTL_SECONDS: "30" });
        // why: all of them share KV and the record, so these need a name
        config.kv_namespaces[0].id = "config";
        Object.assign(config.d1_databases[0], { database_id: "ledger" });
        const [{ dead_letter_queue, max_retries }] = config.queues.consumers;
        const dead = { binding: "DEAD_LETTERS", queue: dead_letter_queue };
        const producers = (bindings) => bindings.map((binding) => ({ binding, queue: queueOf(binding) }));
        const another = (name, queues) => {
          // why: what a consumer archives says which queue it has
          const r2_buckets = [{ binding: "ARCHIVE", bucket_name: name }];
          const { durable_objects: _, migrations: __, triggers: ___, ...rest } = structuredClone(config);
          return { ...rest, name, queues, r2_buckets };
        };
        for (const name of shops) workers.push(another(name, { producers: producers(BOUND), consumers: [] }));
        workers.push(another(only, { producers: producers(["EVENTS_3"]), consumers: [] }));
        for (const binding of BOUND) {
          const consumer = { queue: queueOf(binding), max_batch_timeout: 1, max_batch_size: 10, max_retries };
          const consumers = [{ ...consumer, dead_letter_queue }];
          workers.push(another(`consumer-of-${queueOf(binding)}`, { producers: [dead], consumers }));
        }
        config.queues = { producers: [dead], consumers: [] };
      },
    });
  });
  after(async () => {
    await platform?.close();
    await origin?.close();
  });

  const headers = { Authorization: "Bearer test-admin-token" };
  const ask = (name, path, init) => platform.server.getWorker(name).fetch(`http://shop.example${path}`, init);
  const health = async (name) => (await ask(name, "/_sortition/health", { headers })).json();
  const visit = async (name, visitor) => {
    const answer = await ask(name, "/", { headers: { "User-Agent": BROWSER, Cookie: `sortition_id=${visitor}` } });
    assert.equal(answer.status, 200);
    await answer.text();
  };
  /** The lines under a folder of what the consumer of a queue archived. */
  const archived = async (binding, prefix) => {
    const { ARCHIVE } = await platform.server.getWorker(`consumer-of-${queueOf(binding)}`).getEnv();
    const { objects } = await ARCHIVE.list({ prefix });
    return (await Promise.all(objects.map(async ({ key }) => lines(await (await ARCHIVE.get(key)).text())))).flat();
  };

  test("an isolate keeps to one, several use several, and nothing is lost or doubled", async () => {
    const visitors = shops.flatMap((name) => Array.from({ length: VISITS }, (_, n) => [name, `${name}-visitor-${n}`]));
    for (let n = 0; n < VISITS; n++) {
      await Promise.all(
        visitors.filter((_, index) => index % VISITS === n).map(([name, visitor]) => visit(name, visitor)),
      );
    }
    const recorded = async () => (await platform.rows("SELECT count(*) AS n FROM exposures"))[0].n;
    await until(async () => (await recorded()) === visitors.length, "every exposure in the record", 60_000);

    const places = new Map();
    const [events, numbers] = [[], []];
    for (const binding of BOUND) {
      events.push(...(await archived(binding, "events/")));
      for (const { source, seq } of await archived(binding, "messages/")) {
        places.set(source, (places.get(source) ?? new Set()).add(binding));
        numbers.push(`${source} ${seq}`);
      }
    }
    assert.equal(places.size, ISOLATES);
    for (const [source, bindings] of places) assert.equal(bindings.size, 1, `${source}: ${[...bindings]}`);
    assert.ok(new Set([...places.values()].flatMap((set) => [...set])).size > 1, "more than one queue is used");
    assert.equal(numbers.length, visitors.length);
    assert.equal(new Set(numbers).size, visitors.length, "no number twice");
    assert.deepEqual(
      events.map(({ anonymous_id }) => anonymous_id).sort(),
      visitors.map(([, visitor]) => visitor).sort(),
    );
    const sources = await platform.rows("SELECT sum(lost) AS lost, count(*) AS isolates FROM sources");
    assert.deepEqual(sources, [{ lost: 0, isolates: ISOLATES }]);
    for (const name of shops) {
      const { messages, queue } = await health(name);
      assert.deepEqual({ messages, queue }, { messages: VISITS, queue: true }, name);
    }
  });

  test("one of the numbered ones alone is enough", async () => {
    await visit(only, "visitor-of-events-3");
    await until(
      async () => (await archived("EVENTS_3", "events/")).some((event) => event.anonymous_id === "visitor-of-events-3"),
      "its exposure in the archive",
      60_000,
    );
    const { messages, queue } = await health(only);
    assert.deepEqual({ messages, queue }, { messages: 1, queue: true });
  });
});

describe("queues that refuse", () => {
  let modules = 0;
  /** What an isolate has: the module anew. */
  const isolate = () => import(`../../src/edge/ship.js?isolate=${modules++}`);
  const visitLine = (visitor) => JSON.stringify({ events: [{ anonymous_id: visitor }] });

  /** Queues by their bindings, and an R2. `refuses` may be changed: the bindings that take nothing. */
  function stand(bindings) {
    const world = { taken: [], asked: [], refuses: new Set(), objects: new Map(), env: {} };
    for (const binding of bindings)
      world.env[binding] = {
        async sendBatch(messages) {
          world.asked.push(binding);
          if (world.refuses.has(binding)) throw new Error(`${binding} refuses`);
          for (const { body } of messages) for (const visit of body.visits) world.taken.push({ binding, visit });
        },
      };
    world.env.ARCHIVE = {
      put: async (key, text) => world.objects.set(key, text),
      get: async (key) => world.objects.has(key) && { text: async () => world.objects.get(key) },
      delete: async (keys) => [keys].flat().forEach((key) => void world.objects.delete(key)),
      list: async ({ prefix }) => ({
        objects: [...world.objects]
          .filter(([key]) => key.startsWith(prefix))
          .map(([key, { length }]) => ({ key, size: length })),
      }),
    };
    return world;
  }
  const told = ({ taken }) => taken.map(({ visit }) => visit.events[0].anonymous_id).sort();
  const used = ({ taken }) => new Set(taken.map(({ binding }) => binding));
  const ALL = ["EVENTS", ...Array.from({ length: 9 }, (_, index) => `EVENTS_${index + 1}`)];

  test("isolates are spread evenly over those that are bound, whichever they are", async () => {
    for (const bindings of [["EVENTS", "EVENTS_1", "EVENTS_2"], ["EVENTS_4", "EVENTS_7"], ALL]) {
      const world = stand(bindings);
      const counts = Object.fromEntries(bindings.map((binding) => [binding, 0]));
      const random = Math.random;
      try {
        for (let n = 0; n < 100 * bindings.length; n++) {
          Math.random = () => (n + 0.5) / (100 * bindings.length);
          const { ship } = await isolate();
          assert.equal(await ship(visitLine(`visitor-${n}`), world.env), true);
          counts[world.taken.at(-1).binding]++;
        }
      } finally {
        Math.random = random;
      }
      assert.deepEqual(new Set(Object.values(counts)), new Set([100]), JSON.stringify(counts));
    }
  });

  test("the next one takes what its own refuses, from then on at once, and R2 nothing", async () => {
    const bindings = ["EVENTS", "EVENTS_1", "EVENTS_2"];
    for (let n = 0; n < 6; n++) {
      const world = stand(bindings);
      const { ship } = await isolate();
      assert.equal(await ship(visitLine("first"), world.env), true);
      const [own] = used(world);
      world.refuses.add(own);
      assert.equal(await ship(visitLine("second"), world.env), true);
      const next = world.taken.at(-1).binding;
      assert.equal(next, bindings[(bindings.indexOf(own) + 1) % 3]);
      world.asked.length = 0;
      assert.equal(await ship(visitLine("third"), world.env), true);
      assert.deepEqual(world.asked, [next], "the one that failed is not asked again before each message");
      assert.deepEqual(told(world), ["first", "second", "third"]);
      assert.equal(world.objects.size, 0);
    }
  });

  test("what all refuse waits in R2, and goes to whichever works again, once", async () => {
    for (const working of ["EVENTS", "EVENTS_3", "EVENTS_5"]) {
      const world = stand(["EVENTS", "EVENTS_3", "EVENTS_5"]);
      const { ship, recover } = await isolate();
      for (const binding of ["EVENTS", "EVENTS_3", "EVENTS_5"]) world.refuses.add(binding);
      const visitors = Array.from({ length: 7 }, (_, n) => `waiting-${n}`);
      assert.deepEqual(
        await Promise.all(visitors.map((visitor) => ship(visitLine(visitor), world.env))),
        Array(7).fill(true),
      );
      assert.equal(world.objects.size, 7);
      await recover(world.env);
      assert.equal(world.objects.size, 7, "they still wait");
      assert.ok(
        [...world.objects.values()].every((text) => JSON.parse(text).count === undefined),
        "and are not counted",
      );
      world.refuses.delete(working);
      await recover(world.env);
      assert.deepEqual(told(world), visitors);
      assert.deepEqual(used(world), new Set([working]));
      assert.equal(world.objects.size, 0);
    }
  });

  test("a queue that does not answer costs an isolate its patience once", { timeout: 30_000 }, async () => {
    const world = stand(["EVENTS_1", "EVENTS_2"]);
    const { ship } = await isolate();
    assert.equal(await ship(visitLine("first"), world.env), true);
    const [own] = used(world);
    world.env[own].sendBatch = () => new Promise(() => {});
    assert.equal(await ship(visitLine("second"), world.env), true);
    const began = performance.now();
    for (let n = 0; n < 20; n++) assert.equal(await ship(visitLine(`more-${n}`), world.env), true);
    assert.ok(performance.now() - began < 1000);
    assert.equal(told(world).length, 22);
  });
});
