// What has outlived record.keep_days: the exposures go, what they came to stays.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { until } from "./client.mjs";
import { decided, documentOf } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const HEADERS = { Authorization: "Bearer test-admin-token" };
const document = (keep_days) => decided(keep_days, { buyers: { kind: "proportion" }, revenue: { kind: "mean" } });

let origin;
let platform;
before(async () => {
  origin = await startOrigin();
  platform = await startHarness({ origin: origin.url, document: document(null) });
});
after(async () => {
  await platform?.close();
  await origin?.close();
});

let seq = 0;
const at = "2026-02-01T10:00:00.000Z";
const common = (type, name) => ({
  type,
  id: createHash("md5").update(`${type} ${name}`).digest("hex"),
  project: documentOf([]).project,
  config_revision: "r1",
  at,
  anonymous_id: name,
  user_id: null,
});
const exposed = (name, experiment_id, variant) => ({
  ...common("experiment_exposed", `${name}`),
  id: createHash("md5").update(`${experiment_id} ${name}`).digest("hex"),
  experiment_id,
  iteration: 1,
  variant,
  reason: "split",
  exposed_at: at,
  request: { host: "shop.example", path: "/", method: "GET", device: name % 3 ? "mobile" : "desktop" },
  anonymous_id: `visitor-${name}`,
});
const bought = (name, value) => ({
  ...common("experiment_converted", `${name}`),
  anonymous_id: `visitor-${name}`,
  conversion_event: "purchase",
  value,
  currency: "EUR",
  converted_at: "2026-02-01T11:00:00.000Z",
  channel: "page",
  properties: {},
});
const send = (events) =>
  platform.env.EVENTS.send({ schema: 1, source: "isolate-1", seq: seq++, events }, { contentType: "json" });
const results = async (id) =>
  JSON.parse((await platform.ask(`/_sortition/experiments/${id}.json`, { headers: HEADERS })).text);
const count = async (table) => (await platform.rows(`SELECT count(*) AS n FROM ${table}`))[0].n;
const tick = () => platform.worker.scheduled({ cron: "*/5 * * * *", scheduledTime: new Date() });
const keep = (days) => platform.env.CONFIG.put("config", JSON.stringify(document(days)));
/** What was added up, without when and by whom. */
const numbers = ({ units, verdict, metrics, segments, days }) => ({ units, verdict, metrics, segments, days });

test("exposures of a decided experiment go after keep_days; its results stay as they were", async () => {
  const visitors = Array.from({ length: 80 }, (_, name) => name);
  for (const id of ["hero", "live"])
    await send(visitors.map((name) => exposed(name, id, name % 2 ? "control" : "bold")));
  await send(visitors.filter((name) => name % 5 === 0).map((name) => bought(name, 10 + name)));
  await until(async () => (await count("exposed")) === 160 && (await count("conversions")) === 16, "the record");
  const before = await results("hero");
  assert.equal(before.units, 80);
  assert.ok(before.metrics.find(({ id }) => id === "revenue").variants.some(({ sum }) => sum > 0));

  // its time is not over: far from it
  await keep(36_500);
  await tick();
  assert.equal(await count("exposed"), 160);

  await keep(30);
  await tick();
  await until(
    async () => (await count("exposed")) === 80,
    () => `the exposures to go:\n${platform.log().slice(-2000)}`,
  );
  const [left] = await platform.rows("SELECT DISTINCT experiment_id AS id FROM exposures");
  assert.equal(left.id, "live", "the other experiment keeps its own");
  const [rolled] = await platform.rows(
    "SELECT sum(units) AS n FROM exposed_counts WHERE iteration_no = (SELECT number FROM iterations WHERE expired = 1)",
  );
  assert.equal(rolled.n, 80, "the rollup stays");
  const after = await results("hero");
  assert.deepEqual(numbers(after), numbers(before));
  assert.equal(after.computed_by, "D1");
  assert.equal((await results("live")).units, 80);
  const list = JSON.parse((await platform.ask("/_sortition/experiments.json", { headers: HEADERS })).text);
  assert.equal(list.experiments.find(({ id }) => id === "hero").units, 80, "in the list, too");
});

test("what comes late goes, too, and changes nothing", async () => {
  const before = await results("hero");
  await send([exposed(4711, "hero", "bold")]);
  await until(async () => (await count("exposed")) === 81, "the late exposure");
  assert.deepEqual(numbers(await results("hero")), numbers(before));
  await tick();
  await until(async () => (await count("exposed")) === 80, "the late exposure to go");
});

test("without what was kept the record says that it does not know, and not that nobody bought", async () => {
  await platform.env.ARCHIVE.delete(`results/${documentOf([]).project}/hero/1.json`);
  const { gates, units } = await results("hero");
  assert.equal(gates.find(({ name }) => name === "record").level, "red");
  assert.equal(units, 0, "nor that there are units of whom nobody bought");
});
