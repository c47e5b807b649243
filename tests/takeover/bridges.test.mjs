// The bridges in a real browser: each tool's own SDK from npm decides by a local payload, its own callback tells the
// bridge, and the running worker takes exposures and goals as ours: once, and not without consent. No request leaves this
// machine.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { startChromium } from "../browser/chromium.mjs";
import { BROWSER, documentOf, experiment, startWorld, until } from "../edge/world.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const VISITOR = "visitor-0001";

/** What a page of each tool does: it decides, twice, and reaches a goal. `exposed`: variant of the experiment. */
const PAGES = {
  growthbook: {
    exposed: ["checkout", "bold"],
    page: `
      import { GrowthBook } from "@growthbook/growthbook";
      import { eventLogger, trackingCallback } from "/_sortition/bridge/growthbook.js";
      const features = { button: { defaultValue: "a", rules: [{ key: "checkout", variations: ["a", "b"], weights: [0, 1],
        hashVersion: 2, meta: [{ key: "control" }, { key: "bold" }] }] } };
      const gb = new GrowthBook({ attributes: { id: "${VISITOR}" }, features, trackingCallback, eventLogger });
      for (let i = 0; i < 3; i++) gb.getFeatureValue("button", "a");
      gb.logEvent("purchase", { value: 19.99, currency: "EUR", transaction_id: window.order });`,
  },
  statsig: {
    exposed: ["checkout", "bold"],
    page: `
      import { StatsigClient } from "@statsig/js-client";
      import { attach } from "/_sortition/bridge/statsig.js";
      const hash = (text) => { let h = 0; for (const c of text) { h = (h << 5) - h + c.charCodeAt(0); h |= 0; } return String(h >>> 0); };
      const client = new StatsigClient("client-key", { userID: "${VISITOR}" }, { networkConfig: { preventAllNetworkTraffic: true } });
      client.dataAdapter.setDataLegacy(JSON.stringify({ has_updates: true, time: 1, hash_used: "djb2", feature_gates: {}, layer_configs: {},
        dynamic_configs: { [hash("checkout")]: { name: hash("checkout"), value: { text: "b" }, rule_id: "r", group: "r", group_name: "bold",
          is_device_based: false, is_user_in_experiment: true, is_experiment_active: true, secondary_exposures: [] } } }), { userID: "${VISITOR}" });
      client.initializeSync();
      attach(client);
      for (let i = 0; i < 3; i++) client.getExperiment("checkout");
      client.logEvent("purchase", 19.99, { currency: "EUR", transaction_id: window.order });`,
  },
  launchdarkly: {
    exposed: ["checkout", "1"],
    page: `
      import { initialize } from "launchdarkly-js-client-sdk";
      import { attach, inspectors } from "/_sortition/bridge/launchdarkly.js";
      const client = initialize("client-side-id", { kind: "user", key: "${VISITOR}" }, {
        bootstrap: { checkout: "b", $flagsState: { checkout: { variation: 1, version: 1 } }, $valid: true },
        sendEvents: false, fetchGoals: false, diagnosticOptOut: true, inspectors });
      attach(client);
      for (let i = 0; i < 3; i++) client.variation("checkout", "a");
      client.track("purchase", { currency: "EUR", transaction_id: window.order }, 19.99);`,
  },
  optimizely: {
    exposed: ["checkout", "bold"],
    page: `
      import { createInstance, createStaticProjectConfigManager, createForwardingEventProcessor } from "@optimizely/optimizely-sdk";
      import { attach } from "/_sortition/bridge/optimizely.js";
      const variation = (id, key) => ({ id, key, featureEnabled: true, variables: [] });
      const datafile = { version: "4", revision: "1", projectId: "1", accountId: "1", sdkKey: "k", environmentKey: "p", attributes: [],
        audiences: [], typedAudiences: [], groups: [], rollouts: [], variables: [], integrations: [],
        events: [{ id: "9", key: "purchase", experimentIds: ["7"] }],
        experiments: [{ id: "7", key: "rule", layerId: "8", status: "Running", audienceIds: [], forcedVariations: {},
          variations: [variation("1", "control"), variation("2", "bold")], trafficAllocation: [{ entityId: "2", endOfRange: 10000 }] }],
        featureFlags: [{ id: "5", key: "checkout", experimentIds: ["7"], rolloutId: "", variables: [] }] };
      const client = createInstance({ projectConfigManager: createStaticProjectConfigManager({ datafile: JSON.stringify(datafile) }),
        eventProcessor: createForwardingEventProcessor({ dispatchEvent: async () => ({ statusCode: 200 }) }) });
      await client.onReady();
      attach(client);
      const user = client.createUserContext("${VISITOR}");
      for (let i = 0; i < 3; i++) user.decide("checkout");
      user.trackEvent("purchase", { revenue: 1999, currency: "EUR", transaction_id: window.order });`,
  },
  posthog: {
    exposed: ["checkout", "bold"],
    page: `
      import posthog from "posthog-js/dist/module.no-external.js";
      import { attach } from "/_sortition/bridge/posthog.js";
      posthog.init("phc_key", { api_host: location.origin + "/posthog", bootstrap: { distinctID: "${VISITOR}", featureFlags: { checkout: "bold" } },
        autocapture: false, capture_pageview: false, capture_pageleave: false, advanced_disable_flags: true, disable_session_recording: true,
        disable_surveys: true, opt_out_useragent_filter: true, request_batching: false });
      attach(posthog);
      for (let i = 0; i < 3; i++) posthog.getFeatureFlag("checkout");
      posthog.capture("purchase", { value: 19.99, currency: "EUR", transaction_id: window.order });`,
  },
  convert: {
    exposed: ["checkout", "bold"],
    page: `
      import ConvertSDK from "@convertcom/js-sdk";
      import { attach } from "/_sortition/bridge/convert.js";
      const data = { account_id: "1", project: { id: "2", key: "p" }, segments: [], audiences: [], locations: [], features: [],
        goals: [{ id: "9", key: "purchase" }],
        experiences: [{ id: "7", key: "checkout", type: "a/b_fullstack", status: "active", version: 1, audiences: [], locations: [],
          goals: ["9"], variations: [{ id: "70", key: "control", traffic_allocation: 0, status: "running", changes: [] },
            { id: "71", key: "bold", traffic_allocation: 100, status: "running", changes: [] }] }] };
      const sdk = new ConvertSDK({ data, network: { tracking: false } });
      attach(sdk);
      await sdk.onReady();
      const context = sdk.createContext("${VISITOR}");
      for (let i = 0; i < 3; i++) context.runExperience("checkout", { visitorProperties: {}, locationProperties: {} });
      context.trackConversion("purchase", { conversionData: [{ key: "amount", value: 19.99 }, { key: "transactionId", value: window.order }] });`,
    currency: null,
  },
  unleash: {
    exposed: ["checkout", "bold"],
    page: `
      import { UnleashClient } from "unleash-proxy-client";
      import { attach, convert } from "/_sortition/bridge/unleash.js";
      const client = new UnleashClient({ url: location.origin + "/unleash", clientKey: "k", appName: "shop", disableMetrics: true, refreshInterval: 0,
        disableRefresh: true, bootstrapOverride: true, bootstrap: [{ name: "checkout", enabled: true, impressionData: true,
          variant: { name: "bold", enabled: true, payload: { type: "string", value: "b" } } }] });
      attach(client);
      await new Promise((done) => client.on("initialized", done));
      for (let i = 0; i < 3; i++) client.getVariant("checkout");
      convert("purchase", { value: 19.99, currency: "EUR", transaction_id: window.order });`,
  },
  openfeature: {
    exposed: ["checkout", "bold"],
    page: `
      import { InMemoryProvider, OpenFeature } from "@openfeature/web-sdk";
      import { hook, tracking } from "/_sortition/bridge/openfeature.js";
      const provider = tracking(new InMemoryProvider({ checkout: { disabled: false, variants: { control: "a", bold: "b" },
        defaultVariant: "control", contextEvaluator: () => "bold" } }));
      await OpenFeature.setProviderAndWait(provider, { targetingKey: "${VISITOR}" });
      OpenFeature.addHooks(hook);
      const client = OpenFeature.getClient();
      for (let i = 0; i < 3; i++) client.getStringValue("checkout", "a");
      client.track("purchase", { value: 19.99, currency: "EUR", transaction_id: window.order });`,
  },
  vwo: {
    exposed: ["checkout", "2"],
    page: `
      import * as vwo from "vwo-fme-node-sdk";
      import { attach, integrations } from "/_sortition/bridge/vwo.js";
      const variation = (id, weight) => ({ id, key: String(id), name: "v" + id, weight, segments: {}, variables: [] });
      const settings = { version: 1, accountId: 12345, sdkKey: "key", groups: {}, campaignGroups: {},
        campaigns: [{ id: 1, key: "c1", name: "c1", type: "FLAG_TESTING", status: "RUNNING", isForcedVariationEnabled: false,
          percentTraffic: 100, segments: {}, variations: [variation(1, 0), variation(2, 100)] }],
        features: [{ id: 1, key: "checkout", name: "f", type: "FEATURE_FLAG", status: "ON",
          metrics: [{ id: 1, identifier: "purchase", type: "CUSTOM_EVENT" }],
          rules: [{ campaignId: 1, type: "FLAG_TESTING", ruleKey: "rule" }] }] };
      const client = await vwo.init({ accountId: "12345", sdkKey: "key", settings, integrations, logger: { level: "ERROR" },
        isUsageStatsDisabled: true, proxyUrl: location.origin + "/vwo" });
      attach(client);
      const context = { id: "${VISITOR}" };
      for (let i = 0; i < 3; i++) await client.getFlag("checkout", context);
      await client.trackEvent("purchase", context, { value: 19.99, currency: "EUR", transaction_id: window.order });`,
  },
};

const variants = ([, variant]) => [
  { id: "control", weight: 1 },
  { id: "treatment", key: variant, weight: 1 },
];
const DOCUMENT = documentOf(
  Object.entries(PAGES).map(([tool, { exposed }]) =>
    experiment({ id: tool, key: exposed[0] + tool, assigned_by: tool, pages: ["/*"], variants: variants(exposed) }),
  ),
  { consent: { cookie: "consent", granted: ["yes"] } },
);

let world;
let browser;
before(async () => {
  world = await startWorld({ document: DOCUMENT });
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  await world?.close();
});

/** Serves a page with the tool's code; every experiment has a name of its own, so that one tool's cannot be another's. */
async function serve(tool) {
  const { page, exposed } = PAGES[tool];
  const named = page
    .replaceAll('"checkout"', `"${exposed[0]}${tool}"`)
    .replaceAll(/(?<![\w"])checkout:/g, `"${exposed[0]}${tool}":`);
  const bundled = await build({
    stdin: { contents: named, resolveDir: here },
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    external: ["/_sortition/*"],
    define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
    logLevel: "error",
    write: false,
  });
  const script = `${bundled.outputFiles[0].text}\nwindow.done = true;`;
  world.origin.serve(`/${tool}.js`, { body: script, headers: ["Content-Type", "text/javascript"] });
  world.origin.serve(`/${tool}`, {
    body: `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title></head><body><h1>Shop</h1>
<script type="module" src="/${tool}.js"></script></body></html>`,
  });
}

/** A visit of the tool's page; `then` runs on it when its script is done. */
async function visit(tool, { consent, order, then }) {
  const context = await browser.newContext({ userAgent: BROWSER });
  const url = String(world.url);
  await context.addCookies([
    { name: "sortition_id", value: VISITOR, url },
    ...(consent ? [{ name: "consent", value: "yes", url }] : []),
  ]);
  const outside = [];
  const errors = [];
  let reported = 0;
  await context.route("**/*", async (route) => {
    const { hostname, pathname } = new URL(route.request().url());
    if (hostname !== "127.0.0.1") {
      outside.push(route.request().url());
      return route.abort();
    }
    if (pathname === "/_sortition/events") {
      // why: what is answered has arrived, so that what is missing behind it never comes
      await route.fulfill({ response: await route.fetch() });
      reported++;
      return;
    }
    if (/^\/(posthog|unleash|vwo)\//.test(pathname))
      return route.fulfill({ status: 200, contentType: "application/json", body: "{}" });
    return route.continue();
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.addInitScript(`window.order = ${JSON.stringify(order)}`);
  await page.goto(`${url}${tool}`, { waitUntil: "load" });
  try {
    await page.waitForFunction("window.done", undefined, { timeout: 15_000 });
  } catch (error) {
    assert.fail(`${tool}: ${error} ${errors.join("; ")}`);
  }
  const reports = (number) =>
    until(async () => reported >= number, `${tool}'s reports; there were ${reported}; ${errors.join("; ")}`);
  await reports(2);
  await then?.(page, context);
  if (then) await reports(3);
  await context.close();
  assert.deepEqual(errors, []);
  return { outside, reported };
}

const events = async () => (await world.sent()).flatMap((message) => message.events);

for (const [tool, { exposed, currency = "EUR" }] of Object.entries(PAGES)) {
  describe(tool, () => {
    before(() => serve(tool));

    test("exposes once and converts", async () => {
      await world.forget();
      const { outside, reported } = await visit(tool, { consent: true, order: `${tool}-1` });
      assert.deepEqual(outside, []);
      assert.equal(reported, 2, "one exposure and one goal");
      const [exposure, ...more] = (await events()).filter(({ type }) => type === "experiment_exposed");
      assert.deepEqual(more, []);
      assert.deepEqual(
        [exposure.experiment_id, exposure.variant, exposure.reason, exposure.anonymous_id],
        [tool, "treatment", "reported", VISITOR],
        `${exposed}`,
      );
      const goals = (await events()).filter(({ type }) => type === "experiment_converted");
      assert.equal(goals.length, 1);
      const [{ conversion_event, transaction_id, value }] = goals;
      assert.deepEqual([conversion_event, transaction_id, Number(value)], ["purchase", `${tool}-1`, 19.99]);
      assert.equal(goals[0].currency ?? null, currency);
    });

    test("without consent nothing is recorded, and with it what was met before", async () => {
      await world.forget();
      const then = async (page, context) => {
        assert.deepEqual(await events(), []);
        await context.addCookies([{ name: "consent", value: "yes", url: String(world.url) }]);
        await page.evaluate(() => dispatchEvent(new Event("sortition:consent")));
      };
      await visit(tool, { consent: false, order: `${tool}-2`, then });
      const exposures = (await events()).filter(({ type }) => type === "experiment_exposed");
      assert.deepEqual(
        exposures.map((event) => [event.experiment_id, event.variant]),
        [[tool, "treatment"]],
      );
    });
  });
}

test("a bridge is served with a tag, and what is none is refused", async () => {
  const answer = await world.ask("/_sortition/bridge/growthbook.js");
  assert.equal(answer.status, 200);
  assert.match(answer.headers["content-type"], /^text\/javascript/);
  const again = await world.ask("/_sortition/bridge/growthbook.js", {
    headers: { "If-None-Match": answer.headers.etag },
  });
  assert.deepEqual([again.status, again.text], [304, ""]);
  assert.equal((await world.ask("/_sortition/bridge/growthbook.js", { method: "HEAD" })).text, "");
  for (const path of ["nobody.js", "growthbook", "constructor.js", "../health.js", "core.js", ""]) {
    const refused = await world.ask(`/_sortition/bridge/${path}`);
    assert.equal(refused.status, 404, path);
    assert.match(refused.headers["content-type"], /problem\+json/);
  }
  const refused = await world.ask("/_sortition/bridge/growthbook.js", { method: "POST", body: "{}" });
  assert.deepEqual([refused.status, refused.headers.allow], [405, "GET, HEAD"]);
});
