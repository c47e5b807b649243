// What enters and leaves the event stream: versions and failed variant origins in exposures, floods, and every binding left
// out or there several times.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { until } from "./client.mjs";
import { documentOf, experiment, treatment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { problems } from "./jsonschema.mjs";
import { startOrigin } from "./origin.mjs";
import { startWorld } from "./world.mjs";

const schemaOf = (name) => JSON.parse(readFileSync(new URL(`../../schema/${name}`, import.meta.url), "utf8"));
const purchase = { type: "experiment_converted", conversion_event: "purchase" };

describe("exposures", () => {
  const served = (id, more) =>
    experiment({
      id,
      pages: [`/${id}`],
      variants: [
        { id: "control", weight: 0 },
        { id: "bold", weight: 1, ...more },
      ],
    });
  let world;
  before(async () => {
    const experiments = [
      served("else", { origin: { path_prefix: "/v", timeout_ms: 500 } }),
      served("plain", { rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] }),
    ];
    const vars = { CONFIG_TTL_SECONDS: "30" };
    world = await startWorld({ document: documentOf(experiments), vars, probed: true });
    await world.ask("/");
  });
  after(() => world?.close());

  const exposures = async () => (await world.sent()).flatMap(({ events }) => events);
  const page = { headers: ["Content-Type", "text/html"], body: "<h1>Page</h1>" };

  // Only its own visitors once vanished from the record where a variant origin failed: a mismatch by design.
  test("of a variant whose origin fails count as assigned, marked, and the page is the control's", async () => {
    await world.forget();
    world.origin.serve("/v/else", { status: 503, headers: ["Content-Type", "text/html"], body: "broken" });
    world.origin.serve("/else", page);
    const answer = await world.ask("/else", { cookie: "sortition_id=fallback-visitor" });
    assert.equal(answer.status, 200);
    assert.match(answer.text, /Page/);
    assert.equal(answer.headers["sortition-variants"], undefined);
    const [event, ...more] = await exposures();
    assert.deepEqual(more, []);
    assert.deepEqual([event.experiment_id, event.variant, event.fallback], ["else", "bold", true]);
    world.origin.serve("/v/else", page);
    await world.forget();
    // the circuit is closed again after a good answer
    await until(async () => {
      await world.ask("/else", { cookie: `sortition_id=served-${Date.now()}` });
      return (await exposures()).some((event) => event.fallback === undefined);
    }, "an exposure that is no fallback");
  });

  test("name the versions that the origin tells, bounded, and the browser is told none", async () => {
    const tell = async (versions, visitor) => {
      await world.forget();
      world.origin.serve("/plain", {
        headers: ["Content-Type", "text/html", "Sortition-Versions", versions],
        body: "<h1>x</h1>",
      });
      const answer = await world.ask("/plain", { cookie: `sortition_id=${visitor}` });
      assert.equal(answer.headers["sortition-versions"], undefined);
      return (await exposures())[0].versions;
    };
    const told = await tell('recommender="2026-11-20", pricing=v7;x=1, flag', "versions-visitor");
    assert.deepEqual(told, { recommender: "2026-11-20", pricing: "v7" });
    assert.deepEqual(await tell("not a dictionary, at all=", "malformed-visitor"), {});
    const many = Array.from({ length: 40 }, (_, n) => `v${n}=${"x".repeat(64)}`).join(", ");
    assert.equal(Object.keys(await tell(many, "many-visitor")).length, 16);
  });

  test("keep to their bounds whatever a request says", async () => {
    await world.forget();
    world.origin.serve("/plain", page);
    const referrer = `https://${"r".repeat(7000)}.example/`;
    const answer = await world.ask(`/plain?${"q".repeat(1000)}`, {
      cookie: "sortition_id=bounded-visitor",
      headers: { Referer: referrer },
    });
    assert.equal(answer.status, 200);
    const [event] = await exposures();
    assert.equal(event.request.referrer_host, null);
    assert.ok(JSON.stringify(event).length < 2000);
  });

  test("a hundred and one experiments on a page expose a hundred and one times", async () => {
    const crowd = Array.from({ length: 101 }, (_, n) => treatment([], { id: `e${n}`, pages: ["/crowd"] }));
    await world.publish(documentOf(crowd)).catch(() => {});
    await world.turnClock(60_000);
    await world.settled((health) => health.experiments === 101);
    await world.forget();
    world.origin.serve("/crowd", page);
    await world.ask("/crowd", { cookie: "sortition_id=crowd-visitor" });
    const events = await exposures();
    assert.equal(new Set(events.map(({ experiment_id }) => experiment_id)).size, 101);
    for (const { visits } of world.platform.bodies) assert.ok(visits.flatMap(({ events }) => events).length <= 100);
  });
});

describe("a flood of POST events", () => {
  let world;
  before(async () => {
    world = await startWorld({
      document: documentOf([experiment()]),
      vars: { CONFIG_TTL_SECONDS: "30" },
      probed: true,
    });
    await world.ask("/");
  });
  after(() => world?.close());

  const send = (visitor, body = JSON.stringify({ events: [purchase] }), headers = {}) =>
    world.ask("/_sortition/events", { method: "POST", body, cookie: `sortition_id=${visitor}`, headers });

  test("is answered 429 with Retry-After, for its visitor and for a minute", async () => {
    const answers = [];
    for (let n = 0; n < 125; n++) answers.push(await send("flooding-visitor"));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 1 && answers.slice(0, 60).every(({ status }) => status === 202));
    const [{ headers, text }] = refused;
    assert.equal(headers["content-type"], "application/problem+json");
    assert.equal(JSON.parse(text).status, 429);
    const seconds = Number(headers["retry-after"]);
    assert.ok(seconds >= 1 && seconds <= 60, headers["retry-after"]);
    assert.equal((await send("another-visitor")).status, 202);
    await world.turnClock(60_000);
    assert.equal((await send("flooding-visitor")).status, 202);
  });

  test("of made-up visitors is bounded by its network, nonsense of 64 KiB too", async () => {
    // why: a minute of its own, from its beginning
    await world.turnClock(180_000 - (Date.now() % 60_000));
    const nonsense = "[".repeat(64 * 1024);
    const counts = {};
    for (let n = 0; n < 1300; n += 50) {
      const some = Array.from({ length: 50 }, (_, i) =>
        send(`made-up-${n + i}`, n % 100 ? nonsense : undefined, { "CF-Connecting-IP": `203.0.113.${i}` }),
      );
      for (const { status } of await Promise.all(some)) counts[status] = (counts[status] ?? 0) + 1;
    }
    assert.ok(counts[429] >= 50, JSON.stringify(counts));
    assert.deepEqual(Object.keys(counts), ["202", "400", "429"]);
    assert.equal((await send("neighbour", undefined, { "CF-Connecting-IP": "198.51.100.7" })).status, 202);
    assert.equal((await world.ask("/", { cookie: "sortition_id=shopper-visitor" })).status, 200);
  });
});

describe("bindings", () => {
  const SECRETS = { INGEST_SECRET: "ingest-key" };
  let origin;
  let platform;
  before(async () => {
    origin = await startOrigin();
    platform = await startHarness({
      origin: origin.url,
      document: documentOf([treatment([{ select: "h1", do: "set_text", value: "Hello" }])]),
      change(config) {
        Object.assign(config.vars, SECRETS, { CONFIG_TTL_SECONDS: "30" });
        delete config.d1_databases;
        const [{ dead_letter_queue, max_retries }] = config.queues.consumers;
        const names = ["EVENTS_1", "EVENTS_7"];
        const queueOf = (name) => name.toLowerCase().replace("_", "-");
        config.queues.producers = names.map((binding) => ({ binding, queue: queueOf(binding) }));
        config.queues.consumers = names.map((name) => ({
          queue: queueOf(name),
          max_batch_timeout: 1,
          dead_letter_queue,
          max_retries,
        }));
        config.ratelimits = [{ name: "RATE_LIMITER", namespace_id: "1001", simple: { limit: 20, period: 60 } }];
      },
    });
  });
  after(async () => {
    await platform?.close();
    await origin?.close();
  });

  const signed = (events) => {
    const body = JSON.stringify({ events });
    const t = Math.floor(Date.now() / 1000);
    const tag = createHmac("sha256", SECRETS.INGEST_SECRET).update(`${t}.${body}`).digest("hex");
    const headers = { "Content-Type": "application/json", "Sortition-Signature": `t=${t},v1=${tag}` };
    return platform.ask("/_sortition/conversions", { method: "POST", body, headers });
  };
  const lines = async (folder) =>
    (await platform.archived(folder)).flatMap(({ text }) =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    );

  test("of several queues one is used, and without a database the consumer archives: every type, as the schema says", async () => {
    await platform.ask("/", { cookie: "sortition_id=archived-visitor" });
    const proof = createHmac("sha256", SECRETS.INGEST_SECRET).update("archived-visitor.user-1").digest("hex");
    const of = { anonymous_id: "archived-visitor" };
    const told = await platform.ask("/_sortition/events", {
      method: "POST",
      cookie: "sortition_id=archived-visitor",
      body: JSON.stringify({
        events: [
          { type: "identified", user_id: "user-1", proof },
          { ...purchase, value: 19.99, currency: "EUR", transaction_id: "T-1", properties: { a: [1, { b: null }] } },
          { type: "experiment_exposed", experiment_id: "hero", variant: "bold", versions: { theme: "v1" } },
        ],
      }),
    });
    assert.equal(told.status, 202, told.text);
    const server = await signed([
      { ...purchase, ...of, value: -5, currency: "JPY", refund_of: "T-1" },
      {
        type: "experiment_exposed",
        experiment_id: "hero",
        variant: "control",
        ...of,
        exposed_at: "2026-11-20T00:00:00Z",
      },
      { type: "experiment_ended_early", experiment_id: "hero", ended_reason: "guardrail" },
      { type: "identified", ...of, user_id: "user-1" },
    ]);
    assert.equal(server.status, 202, server.text);
    const events = await until(
      async () => {
        const found = await lines("events/");
        return found.length >= 8 && found;
      },
      "eight events in the archive",
      60_000,
    );
    const schema = schemaOf("events.schema.json");
    const columns = new Map(schemaOf("pipeline.json").fields.map((field) => [field.name, field]));
    const types = new Set();
    for (const event of events) {
      types.add(event.type);
      assert.deepEqual(problems(schema, schema.$defs.Event, event), [], JSON.stringify(event));
      for (const name of Object.keys(event)) assert.ok(columns.has(name), `a stream has no column ${name}`);
      for (const [name, { required }] of columns) assert.ok(!required || event[name] !== undefined, name);
      const view = columns.get("request").fields.map(({ name }) => name);
      for (const name of Object.keys(event.request ?? {})) assert.ok(view.includes(name), name);
    }
    assert.equal(types.size, 4);
    assert.notDeepEqual(problems(schema, schema.$defs.Event, { ...events[0], surplus: 1 }), [], "the check can fail");
    assert.notDeepEqual(problems(schema, schema.$defs.Event, { ...events[0], id: "x" }), []);
    const messages = await lines("messages/");
    const numbers = messages.map(({ seq }) => seq).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index),
      "no number is missing",
    );
    assert.equal(new Set(messages.map(({ source }) => source)).size, 1);
    assert.ok(messages.every((line) => !("events" in line)));
  });

  test("the platform's limiter is asked where it is bound", async () => {
    const body = JSON.stringify({ events: [purchase] });
    const answers = [];
    for (let n = 0; n < 25; n++) {
      const cookie = "sortition_id=limited-visitor";
      answers.push(await platform.ask("/_sortition/events", { method: "POST", body, cookie }));
    }
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(refused.length, 5);
    assert.equal(refused[0].headers["retry-after"], "60");
  });
});
