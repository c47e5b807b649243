// A server in JavaScript that asks through OpenFeature: what it is told is what the page shows, and what it reports arrives.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature } from "@openfeature/server-sdk";
import { exposureHook, fromServer, withTracking } from "../../clients/openfeature/index.js";
import { until } from "../edge/client.mjs";
import { documentOf, experiment, startWorld } from "../edge/world.mjs";
import { startRoad } from "./road.mjs";

const TOKEN = "api-token";
const SECRET = "ingest-secret";
const EVEN = [
  { id: "control", weight: 1 },
  { id: "bold", weight: 1 },
];
const SWITCH = [
  { id: "off", weight: 0 },
  { id: "on", weight: 1 },
];
const DOCUMENT = documentOf([
  experiment({ id: "hero", key: "Hero Banner", variants: EVEN }),
  experiment({
    id: "price",
    unit: "user",
    variants: EVEN.map((one, at) => ({ ...one, payload: { cents: 999 + at } })),
  }),
  experiment({ id: "staff", kind: "permission", audience: { "custom.role": "staff" }, variants: SWITCH }),
  experiment({ id: "later", status: "draft" }),
  experiment({ id: "list", kind: "ops", variants: [{ id: "only", weight: 1, payload: [1] }], winner: "only" }),
]);

let world;
let road;
before(async () => {
  const vars = { API_TOKEN: TOKEN, INGEST_SECRET: SECRET };
  world = await startWorld({ document: DOCUMENT, vars });
  await world.ask("/warm");
  road = await startRoad(world.url);
});
after(async () => {
  await OpenFeature.close();
  road?.close();
  await world?.close();
});
beforeEach(() => world.forget());

let domains = 0;
async function clientOf({ token = TOKEN, wrap = (provider) => provider } = {}) {
  const domain = `server-${++domains}`;
  const headers = [["Authorization", `Bearer ${token}`]];
  await OpenFeature.setProviderAndWait(domain, wrap(new OFREPProvider({ baseUrl: `${road.url}/_sortition`, headers })));
  return OpenFeature.getClient(domain);
}

const events = async (kind) =>
  (await world.sent()).flatMap(({ events }) => events).filter(({ type }) => type === `experiment_${kind}`);

describe("@openfeature/ofrep-provider", () => {
  test("serves the variant that the page shows", async () => {
    const client = await clientOf();
    for (let n = 0; n < 20; n++) {
      const targetingKey = `visitor-of-both-${n}`;
      const page = await world.ask("/", { cookie: `sortition_id=${targetingKey}` });
      const details = await client.getStringDetails("Hero Banner", "none", { targetingKey });
      assert.equal(details.reason, "SPLIT");
      assert.equal(details.value, details.variant);
      assert.match(page.headers["sortition-variants"], new RegExp(`hero=${details.variant}`));
      assert.equal(details.flagMetadata.revision, "r1");
    }
  });

  test("a payload, and a switch with who may have it", async () => {
    const client = await clientOf();
    const price = await client.getObjectValue("price", {}, { targetingKey: "user-7" });
    assert.match(JSON.stringify(price), /^\{"cents":(999|1000)\}$/);
    assert.equal(await client.getBooleanValue("staff", false, { targetingKey: "user-7", role: "staff" }), true);
    const other = await client.getBooleanDetails("staff", true, { targetingKey: "user-7" });
    assert.deepEqual([other.value, other.reason], [false, "DEFAULT"]);
  });

  test("what is off is the client's own default", async () => {
    const details = await (await clientOf()).getStringDetails("later", "mine", { targetingKey: "user-7" });
    assert.equal(details.value, "mine");
    assert.equal(JSON.parse(road.exchanges.at(-1).answered).reason, "DISABLED");
  });

  test("what cannot be is an error with its code, and the default", async () => {
    const client = await clientOf();
    const codes = async (key, context) => {
      const { value, errorCode } = await client.getStringDetails(key, "mine", context);
      assert.equal(value, "mine");
      return errorCode;
    };
    assert.equal(await codes("nothing", { targetingKey: "user-7" }), "FLAG_NOT_FOUND");
    assert.equal(await codes("hero", {}), "TARGETING_KEY_MISSING");
    assert.equal(await codes("list", { targetingKey: "user-7" }), "GENERAL");
    assert.equal(await codes("hero", { targetingKey: "a\u0001b" }), "INVALID_CONTEXT");
    assert.equal(await codes("staff", { targetingKey: "user-7" }), "TYPE_MISMATCH");
  });

  test("a value that is used is exposed once, under the id of the page's exposure", async () => {
    const client = await clientOf();
    const context = { targetingKey: "visitor-exposed" };
    client.addHooks(exposureHook(fromServer(world.url.origin, SECRET), { report: assert.ifError }));
    for (let n = 0; n < 3; n++) await client.getStringValue("Hero Banner", "none", context);
    const { variant } = await client.getStringDetails("Hero Banner", "none", context);
    await until(async () => (await events("exposed")).length > 0, "the exposure");
    const [event, ...more] = await events("exposed");
    assert.deepEqual(more, []);
    assert.deepEqual([event.experiment_id, event.variant, event.reason], ["hero", variant, "reported"]);
    await world.forget();
    await world.ask("/", { cookie: "sortition_id=visitor-exposed" });
    assert.equal((await events("exposed"))[0].id, event.id);
  });

  test("track reports what came of it", async () => {
    const send = fromServer(world.url.origin, SECRET);
    const client = await clientOf({ wrap: (provider) => withTracking(provider, send, { report: assert.ifError }) });
    client.track(
      "purchase",
      { targetingKey: "visitor-buys" },
      { value: 19.99, currency: "EUR", transaction_id: "o-1" },
    );
    await until(async () => (await events("converted")).length > 0, "the conversion");
    const [event] = await events("converted");
    assert.deepEqual(
      [event.anonymous_id, event.conversion_event, event.transaction_id],
      ["visitor-buys", "purchase", "o-1"],
    );
  });

  test("after many wrong tokens it waits as the worker says, without asking", async () => {
    const client = await clientOf({ token: "another" });
    const ask = () => client.getStringDetails("hero", "mine", { targetingKey: "user-7" });
    for (let n = 0; n < 30 && road.exchanges.at(-1).status !== 429; n++) assert.equal((await ask()).value, "mine");
    const { status, told } = road.exchanges.at(-1);
    assert.equal(status, 429);
    assert.ok(Number(told["retry-after"]) > 0);
    const asked = road.exchanges.length;
    assert.match((await ask()).errorMessage, /paused/);
    assert.equal(road.exchanges.length, asked);
  });
});

test("every answer is as OFREP's schema says", () => {
  const known = new Set(road.exchanges.map(({ status }) => status));
  for (const status of [200, 400, 401, 404, 429]) assert.ok(known.has(status), `${status}`);
  assert.deepEqual(road.problems(), []);
});
