// A page that asks through OpenFeature, in a real browser: the worker and the page are one site, and once they are two.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { at, installed, run, target } from "../../scripts/setup.mjs";
import { startChromium } from "../browser/chromium.mjs";
import { startOrigin } from "../edge/origin.mjs";
import { BROWSER, documentOf, experiment, startWorld, until } from "../edge/world.mjs";
import { startRoad } from "./road.mjs";

const EVEN = [
  { id: "control", weight: 1 },
  { id: "bold", weight: 1 },
];
const SWITCH = [
  { id: "off", weight: 0 },
  { id: "on", weight: 1 },
];
const EXPERIMENTS = [
  experiment({ id: "hero", variants: EVEN }),
  experiment({ id: "staff", kind: "permission", audience: { "custom.role": "staff" }, variants: SWITCH }),
];
const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title><script src="/app.js"></script></head>
<body><h1>Welcome</h1></body></html>`;

let world;
let road;
let elsewhere;
let browser;
before(async () => {
  const bundle = join(target, "openfeature-page.js");
  const flags = ["--bundle", "--format=iife", "--platform=browser", `--outfile=${bundle}`, "--log-level=error"];
  run(installed("esbuild"), [at("tests/openfeature/page.mjs"), ...flags]);
  const script = { headers: ["Content-Type", "text/javascript"], body: readFileSync(bundle) };
  elsewhere = await startOrigin();
  const site = elsewhere.url.replace("127.0.0.1", "localhost");
  world = await startWorld({
    document: documentOf(EXPERIMENTS, { api: { cors_origins: [site] } }),
    vars: { API_TOKEN: "api-token" },
  });
  for (const origin of [world.origin, elsewhere]) {
    origin.serve("*", { body: PAGE });
    origin.serve("/app.js", script);
  }
  world.site = site;
  await world.ask("/warm");
  road = await startRoad(world.url);
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  road?.close();
  await Promise.all([world?.close(), elsewhere?.close()]);
});

/** A page of a new visitor, and the variant that it was made with. */
async function visit(url = road.url) {
  const context = await browser.newContext({ userAgent: BROWSER });
  const page = await context.newPage();
  const answer = await page.goto(url, { waitUntil: "load" });
  const variant = /hero=(\w+)/.exec(answer.headers()["sortition-variants"] ?? "")?.[1];
  return { context, page, variant };
}

/** Starts OpenFeature on a page. */
const start = (page, options = {}, context = { targetingKey: "me" }) =>
  page.evaluate(
    async ({ options, context }) => {
      const { OpenFeature, OFREPWebProvider } = window.app;
      window.changed = [];
      OpenFeature.addHandler("PROVIDER_CONFIGURATION_CHANGED", (details) => window.changed.push(details.flagsChanged));
      const provider = new OFREPWebProvider({
        baseUrl: `${location.origin}/_sortition`,
        cacheMode: "disabled",
        ...options,
      });
      await OpenFeature.setProviderAndWait(provider, context).catch((error) => {
        window.failed = String(error);
      });
      window.client = OpenFeature.getClient();
    },
    { options, context },
  );
const details = (page, key = "hero") => page.evaluate((key) => window.client.getStringDetails(key, "mine"), key);
const isOn = (page, key) => page.evaluate((key) => window.client.getBooleanValue(key, false), key);
const since = (from) => road.exchanges.slice(from).map(({ status }) => status);

test("a page starts with the variant it was made with, and evaluates without asking again", async () => {
  for (let visitor = 0; visitor < 4; visitor++) {
    const { context, page, variant } = await visit();
    const from = road.exchanges.length;
    await start(page);
    const { value, reason } = await details(page);
    assert.deepEqual([value, reason], [variant, "SPLIT"]);
    for (let times = 0; times < 5; times++) await details(page);
    assert.deepEqual(since(from), [200]);
    await context.close();
  }
});

test("another context is asked for, and is still the same visitor", async () => {
  const { context, page, variant } = await visit();
  await start(page);
  assert.equal(await isOn(page, "staff"), false);
  await page.evaluate(() => window.app.OpenFeature.setContext({ targetingKey: "somebody-else", role: "staff" }));
  assert.equal(await isOn(page, "staff"), true);
  assert.equal((await details(page)).value, variant);
  await context.close();
});

test("polling costs a 304 until something changes, and then the page hears of it", async () => {
  const { context, page } = await visit();
  const from = road.exchanges.length;
  await start(page, { pollInterval: 50 });
  await until(() => since(from).filter((status) => status === 304).length > 3, "answers without a body");
  assert.deepEqual([...new Set(since(from))], [200, 304]);
  assert.equal(road.exchanges.at(-1).answered, "");
  assert.deepEqual(await page.evaluate(() => window.changed), []);
  world.setKey("kill", { experiments: ["hero"] });
  await until(async () => (await page.evaluate(() => window.changed)).flat().includes("hero"), "the kill");
  const { value, reason } = await details(page);
  assert.deepEqual([value, reason], ["mine", "DISABLED"]);
  world.setKey("kill", undefined);
  await until(async () => (await details(page)).reason === "SPLIT", "the kill's end");
  await context.close();
});

test("a tab that is shown again asks again", async () => {
  const { context, page } = await visit();
  await start(page);
  const from = road.exchanges.length;
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await until(() => since(from).length > 0, "a question");
  assert.deepEqual(since(from), [304]);
  await context.close();
});

test("what was told before stands in the browser's storage while nobody answers", async () => {
  const { context, page, variant } = await visit();
  await start(page, { cacheMode: "local-cache-first" });
  await page.reload();
  await page.route("**/_sortition/ofrep/**", (route) => route.abort());
  await start(page, { cacheMode: "local-cache-first" });
  const { value, reason } = await details(page);
  assert.deepEqual([value, reason], [variant, "CACHED"]);
  await context.close();
});

test("a value that is used is exposed, and what came of it is told, for the visitor of the cookie", async () => {
  const { context, page, variant } = await visit(`${road.url}/elsewhere`);
  await world.forget();
  await start(page);
  await page.evaluate(async () => {
    const { OpenFeature, OFREPWebProvider, exposureHook, fromBrowser, withTracking } = window.app;
    const provider = new OFREPWebProvider({ baseUrl: `${location.origin}/_sortition`, cacheMode: "disabled" });
    await OpenFeature.setProviderAndWait(withTracking(provider, fromBrowser()), { targetingKey: "me" });
    window.client.addHooks(exposureHook(fromBrowser()));
    for (let times = 0; times < 3; times++) window.client.getStringValue("hero", "mine");
    window.client.track("purchase", { value: 19.99, currency: "EUR" });
  });
  assert.equal(variant, undefined, "this page is in no experiment");
  const id = (await context.cookies()).find(({ name }) => name === "sortition_id").value;
  const events = async () =>
    (await world.sent()).flatMap(({ events }) => events).filter((it) => it.anonymous_id === id);
  const told = await until(async () => {
    const found = await events();
    return found.length >= 2 && found;
  }, "the events");
  assert.deepEqual(told.map(({ type }) => type).sort(), ["experiment_converted", "experiment_exposed"]);
  const { value } = await details(page);
  assert.equal(told.find(({ type }) => type === "experiment_exposed").variant, value);
  await context.close();
});

test("a page of another site that is listed names its visitor", async () => {
  const { context, page } = await visit(world.site);
  const from = road.exchanges.length;
  await start(page, { baseUrl: `${road.url}/_sortition`, pollInterval: 50 }, { targetingKey: "visitor-elsewhere" });
  await until(() => since(from).includes(304), "an answer without a body");
  const { value } = await details(page);
  const own = await world.ask("/", { cookie: "sortition_id=visitor-elsewhere" });
  assert.match(own.headers["sortition-variants"], new RegExp(`hero=${value}`));
  await context.close();
});

test("after many wrong tokens the page waits as the worker says", async () => {
  const { context, page } = await visit();
  const headers = [["Authorization", "Bearer another"]];
  await start(page, { headers });
  assert.match(await page.evaluate(() => window.failed), /Initialization failed/);
  const from = road.exchanges.length;
  await page.evaluate(async () => {
    const { client, app } = window;
    for (let n = 0; n < 30; n++) await app.OpenFeature.setContext({ targetingKey: `me-${n}` }).catch(() => {});
    return client.providerStatus;
  });
  const statuses = since(from);
  assert.equal(statuses.at(-1), 429);
  assert.equal(statuses.filter((status) => status === 429).length, 1, "it asked no more");
  assert.ok(Number(road.exchanges.at(-1).told["retry-after"]) > 0);
  await context.close();
});

test("every answer is as OFREP's schema says", () => {
  const known = new Set(road.exchanges.map(({ status }) => status));
  for (const status of [200, 304, 401, 429]) assert.ok(known.has(status), `${status}`);
  assert.deepEqual(road.problems(), []);
});
