// OpenFeature's own scenarios, with its flags as a document, through its clients for servers and for pages.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature as Server } from "@openfeature/server-sdk";
import { OpenFeature as Web } from "@openfeature/web-sdk";
import { startWorld } from "../edge/world.mjs";
import { documentOfFlags } from "./flags.mjs";
import { scenariosOf } from "./gherkin.mjs";
import { startRoad } from "./road.mjs";

const TOKEN = "api-token";
const folder = process.env.SORTITION_CONFORMANCE && join(process.env.SORTITION_CONFORMANCE, "takeover", "ofrep");
const missing = !(folder && existsSync(folder)) && "SORTITION_CONFORMANCE names no folder with takeover/ofrep";
if (missing) console.log(`OpenFeature's scenarios are left out: ${missing}`);
const read = (name) => readFileSync(join(folder, name), "utf8");
const scenarios = missing ? [] : scenariosOf(read("evaluation_v2.feature"));

/** What a client cannot do, by the scenario's tag, and why; whatever stands here is counted below. */
const ELSEWHERE = {
  "@metadata": "a flag's metadata is our own: experiment, iteration, revision, variant and reason",
  "@reason-codes-cached": "the provider keeps no answer of one evaluation for the next",
  "@immutability": "a matter of the SDK alone",
};
const CLIENTS = {
  "server-sdk": {
    api: Server,
    provider: (baseUrl, rest = {}) =>
      new OFREPProvider({ baseUrl, headers: [["Authorization", `Bearer ${TOKEN}`]], ...rest }),
    elsewhere: {
      ...ELSEWHERE,
      "@provider-status": "this provider has no start that could fail: it is ready at once",
      "@reason-codes-disabled": "this provider takes an answer without a value for an error; tested in server.test.mjs",
    },
    left: 24,
  },
  "web-sdk": {
    api: Web,
    provider: (baseUrl, rest = {}) =>
      new OFREPWebProvider({
        baseUrl,
        headers: [["Authorization", `Bearer ${TOKEN}`]],
        cacheMode: "disabled",
        disableVisibilityRefresh: true,
        ...rest,
      }),
    elsewhere: ELSEWHERE,
    left: 4,
  },
};

/** A value of a scenario's text. */
function valueIn(type, text) {
  const plain = text.replaceAll('\\"', '"');
  if (type === "String") return plain;
  return JSON.parse(plain);
}

let world;
let road;
before(async () => {
  if (missing) return;
  world = await startWorld({
    document: documentOfFlags(JSON.parse(read("test-flags.json"))),
    vars: { API_TOKEN: TOKEN },
  });
  await world.settled((health) => health.config_revision === "flags-1");
  road = await startRoad(world.url);
});
after(async () => {
  await Promise.all([Server.close(), Web.close()]);
  road?.close();
  await world?.close();
});

/** Steps by what they say; `it` is what the steps of one scenario share. */
const STEPS = [
  [/^a (stable|not ready|fatal|error|stale) provider$/, (it, state) => it.start(state)],
  [
    /^a (\w+)-flag with key "(.*)" and a fallback value "(.*)"$/,
    (it, type, key, text) => Object.assign(it, { type, key, fallback: valueIn(type, text) }),
  ],
  [
    /^a context containing a key "(.*)", with type "(.*)" and with value "(.*)"$/,
    (it, key, type, text) => {
      it.context[key] = valueIn(type, text);
    },
  ],
  [
    /^a context containing a key "(.*)" with null value$/,
    (it, key) => {
      it.context[key] = null;
    },
  ],
  [
    /^evaluation options containing specific hooks$/,
    (it) => {
      it.ran = [];
      const hook = (name) => ({
        before: () => void it.ran.push(`before ${name}`),
        after: () => void it.ran.push(`after ${name}`),
      });
      it.options = { hooks: [hook("first"), hook("second")] };
    },
  ],
  [
    /^the flag was evaluated with details( asynchronously| using the evaluation options)?$/,
    async (it) => {
      it.details = await it.evaluate();
    },
  ],
  [/^the specified hooks should execute during evaluation$/, (it) => assert.equal(it.ran.length, 4)],
  [
    /^the hook order should be maintained$/,
    (it) => assert.deepEqual(it.ran, ["before first", "before second", "after second", "after first"]),
  ],
  [/^the evaluation should complete without blocking$/, (it) => assert.ok(it.details)],
  [
    /^the resolved details value should be "(.*)"$/,
    (it, text) => assert.deepEqual(it.details.value, valueIn(it.type, text), JSON.stringify(it.details)),
  ],
  [
    /^the reason should be "(.*)"$/,
    (it, reason) => assert.equal(it.details.reason, reason, JSON.stringify(it.details)),
  ],
  [
    /^the error-code should be "(.*)"$/,
    (it, code) => assert.equal(it.details.errorCode, code, JSON.stringify(it.details)),
  ],
  [/^the flag key should be "(.*)"$/, (it, key) => assert.equal(it.details.flagKey, key)],
  [/^the variant should be "(.*)"$/, (it, variant) => assert.equal(it.details.variant, variant)],
  [/^the provider status should be "(.*)"$/, (it, status) => assert.equal(it.client.providerStatus, status)],
];

let domains = 0;

/** What the steps of one scenario share, for a client. */
function startOf({ api, provider }) {
  const domain = `scenario-${++domains}`;
  const base = `${road.url}/_sortition`;
  const it = {
    context: { targetingKey: "user-1" },
    async start(state) {
      if (state === "stable") {
        await it.use(provider(base));
      } else if (state === "fatal") {
        await it.use(provider(base, { headers: [["Authorization", "Bearer another"]] })).catch(() => {});
      } else if (state === "error") {
        await it.use(provider("http://127.0.0.1:9")).catch(() => {});
      } else if (state === "not ready") {
        api.setProvider(domain, provider(base, { fetchImplementation: () => new Promise(() => {}) }));
        it.client = api.getClient(domain);
      } else {
        // why: one that polls and no longer reaches anybody
        let reaches = true;
        const fetchImplementation = (...request) => (reaches ? fetch(...request) : Promise.reject(new Error("cut")));
        await it.use(provider(base, { fetchImplementation, pollInterval: 20 }));
        const stale = new Promise((resolve) => it.client.addHandler("PROVIDER_STALE", resolve));
        reaches = false;
        await stale;
      }
    },
    async use(one) {
      await api.setProviderAndWait(domain, one, ...(api === Web ? [it.context] : []));
      it.client = api.getClient(domain);
    },
    async evaluate() {
      const kind = { Boolean: "Boolean", String: "String", Integer: "Number", Float: "Number", Object: "Object" }[
        it.type
      ];
      const { client, key, fallback, context, options } = it;
      if (api === Server) return client[`get${kind}Details`](key, fallback, context, options);
      if (client.providerStatus === "READY") await api.setContext(domain, context);
      return client[`get${kind}Details`](key, fallback, options);
    },
  };
  return it;
}

for (const [name, client] of Object.entries(CLIENTS)) {
  describe(name, { skip: missing }, () => {
    const reasonOf = ({ tags }) => tags.map((tag) => client.elsewhere[tag]).find(Boolean);
    for (const scenario of scenarios.filter((scenario) => !reasonOf(scenario))) {
      test(scenario.name, async () => {
        const it = startOf(client);
        it.client = undefined;
        for (const { text } of scenario.steps) {
          const [pattern, step] = STEPS.find(([pattern]) => pattern.test(text)) ?? [];
          assert.ok(step, `no step says: ${text}`);
          await step(it, ...pattern.exec(text).slice(1));
        }
      });
    }

    test("nothing else is left out", () => {
      const left = scenarios.filter(reasonOf);
      assert.equal(left.length, client.left, left.map(({ name }) => name).join("\n"));
    });
  });
}

test("every answer is as OFREP's schema says", { skip: missing }, () => {
  assert.ok(road.exchanges.length > 100, `${road.exchanges.length}`);
  assert.deepEqual(road.problems(), []);
});
