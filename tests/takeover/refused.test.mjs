// What cannot come over: each class with its place and its reason, and that nothing is written; and files that are none.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sortition } from "./compare.mjs";

const folder = mkdtempSync(join(tmpdir(), "sortition-refused-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let number = 0;

function imported(vendor, payload, { map = {}, args = [] } = {}) {
  number += 1;
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const source = file(`payload-${number}.json`, typeof payload === "string" ? payload : JSON.stringify(payload));
  const attributes = file(`map-${number}.json`, JSON.stringify({ country: "country", plan: "cookie.plan", ...map }));
  const into = join(folder, `document-${number}.json`);
  return { into, ...sortition("import", vendor, source, "--into", into, "--attributes", attributes, ...args) };
}

const growthbook = (rule) => ({ features: { f: { defaultValue: "a", rules: [].concat(rule) } } });
const launchdarkly = (flag, segments = {}) => ({
  flags: {
    f: {
      key: "f",
      on: true,
      salt: "s",
      variations: ["a", "b"],
      offVariation: 0,
      fallthrough: { variation: 0 },
      ...flag,
    },
  },
  segments,
});
const clause = (values) => ({ rules: [{ clauses: [values], variation: 1 }] });
const unleash = (strategy, more = {}) => ({
  features: [{ name: "f", enabled: true, strategies: [].concat(strategy), ...more }],
});
const posthog = (values, filters = {}) => ({
  flags: [
    {
      id: 1,
      key: "f",
      active: true,
      filters: { groups: [{ properties: [], rollout_percentage: 50 }], ...filters },
      ...values,
    },
  ],
});
const optimizely = (experiment) => ({
  version: "4",
  projectId: "1",
  experiments: [
    {
      id: "1",
      key: "f",
      status: "Running",
      variations: [{ id: "2", key: "a" }],
      trafficAllocation: [{ entityId: "2", endOfRange: 10_000 }],
      audienceIds: [],
      ...experiment,
    },
  ],
});
const eppo = (more) => ({
  format: "SERVER",
  flags: {
    f: {
      key: "f",
      enabled: true,
      variationType: "STRING",
      variations: { a: { key: "a", value: "a" } },
      allocations: [{ key: "x", rules: [], splits: [{ variationKey: "a", shards: [] }], doLog: true }],
      totalShards: 10_000,
    },
  },
  ...more,
});
const half = { variations: ["a", "b"], coverage: 0.5 };

/** Class, tool, payload, the place, and what the reason says. */
const REFUSED = [
  [
    "stickiness that blocks",
    "growthbook",
    growthbook({ ...half, minBucketVersion: 2 }),
    "features.f.rules[0].minBucketVersion",
    "older sticky bucket",
  ],
  ["bandits", "growthbook", growthbook({ ...half, contextualBandit: true }), "features.f.rules[0]", "bandit"],
  [
    "bandits",
    "statsig",
    { dynamic_configs: [{ name: "f", entity: "autotune", rules: [] }] },
    "dynamic_configs[0]",
    "autotune",
  ],
  [
    "bandits",
    "optimizely",
    optimizely({ cmab: { attributeIds: ["1"], trafficAllocation: 10_000 } }),
    "experiments[0]",
    "contextual bandit",
  ],
  [
    "bandits",
    "eppo",
    eppo({ banditReferences: { b: { flagVariations: [{ flagKey: "f" }] } } }),
    "banditReferences.b",
    "bandit",
  ],
  ["bandits", "eppo", eppo({ bandits: { f: [{ key: "b", flagKey: "f" }] } }), "bandits.f", "bandit"],
  [
    "random stickiness",
    "unleash",
    unleash({ name: "flexibleRollout", parameters: { rollout: "50", stickiness: "random" } }),
    "features[0].strategies[0]",
    "random",
  ],
  [
    "random stickiness",
    "unleash",
    unleash({ name: "gradualRolloutRandom", parameters: { percentage: "50" } }),
    "features[0].strategies[0]",
    "random",
  ],
  [
    "segments without members",
    "launchdarkly",
    launchdarkly(clause({ attribute: "", op: "segmentMatch", values: ["big"] }), {
      big: { key: "big", unbounded: true },
    }),
    "flags.f.rules[0].clauses[0] → segments.big",
    "big segment",
  ],
  [
    "segments without members",
    "split",
    {
      splits: [
        {
          name: "f",
          seed: 1,
          defaultTreatment: "off",
          conditions: [
            {
              conditionType: "ROLLOUT",
              matcherGroup: { matchers: [{ matcherType: "IN_SEGMENT" }] },
              partitions: [{ treatment: "on", size: 100 }],
            },
          ],
        },
      ],
    },
    "splits[0].conditions[0].matcherGroup.matchers[0]",
    "members",
  ],
  [
    "segments without members",
    "posthog",
    posthog({}, { groups: [{ properties: [{ key: "id", type: "cohort", value: 7 }] }] }),
    "flags[0].filters.groups[0].properties[0] → cohorts.7",
    "members",
  ],
  [
    "segments without members",
    "statsig",
    {
      feature_gates: [
        {
          name: "f",
          enabled: true,
          rules: [
            {
              id: "r",
              conditions: [{ type: "user_field", field: "country", operator: "in_segment_list", targetValue: "x" }],
              returnValue: true,
              passPercentage: 100,
            },
          ],
        },
      ],
    },
    "feature_gates[0].rules[0].conditions[0]",
    "members",
  ],
  [
    "unmapped attributes",
    "growthbook",
    growthbook({ ...half, condition: { company: "x" } }),
    "features.f.rules[0].condition.company",
    "`company` is not mapped",
  ],
  [
    "splits that are not disjoint",
    "growthbook",
    growthbook([half, { ...half, seed: "other" }]),
    "features.f.rules[1]",
    "not disjoint",
  ],
  [
    "splits that are not disjoint",
    "unleash",
    unleash([
      { name: "flexibleRollout", parameters: { rollout: "50", stickiness: "userId", groupId: "a" } },
      { name: "flexibleRollout", parameters: { rollout: "50", stickiness: "userId", groupId: "b" } },
    ]),
    "features[0].strategies[1]",
    "not disjoint",
  ],
  [
    "three outcomes",
    "vwo",
    {
      accountId: 1,
      features: [
        {
          key: "f",
          rules: [
            { campaignId: 1, type: "FLAG_ROLLOUT" },
            { campaignId: 2, type: "FLAG_TESTING" },
          ],
        },
      ],
      campaigns: [
        { id: 1, type: "FLAG_ROLLOUT", variations: [{ id: 1, name: "r", weight: 50 }] },
        {
          id: 2,
          type: "FLAG_TESTING",
          percentTraffic: 50,
          variations: [
            { id: 1, name: "a", weight: 50 },
            { id: 2, name: "b", weight: 50 },
          ],
        },
      ],
    },
    "features[0]",
    "three outcomes",
  ],
  [
    "prerequisites on value",
    "growthbook",
    {
      features: {
        p: { defaultValue: 1, rules: [half] },
        f: { defaultValue: 1, rules: [{ ...half, parentConditions: [{ id: "p", condition: { value: { $gt: 1 } } }] }] },
      },
    },
    "features.f.rules[0].parentConditions[0]",
    "more than one value",
  ],
  [
    "prerequisites on negation",
    "posthog",
    posthog({}, { groups: [{ properties: [{ key: "g", type: "flag", value: false }] }] }),
    "flags[0].filters.groups[0].properties[0]",
    "off",
  ],
  [
    "prerequisites on negation",
    "unleash",
    unleash({ name: "default" }, { dependencies: [{ feature: "p", enabled: false }] }),
    "features[0].dependencies[0]",
    "disabled",
  ],
  [
    "percentages within OR",
    "launchdarkly",
    launchdarkly(clause({ attribute: "", op: "segmentMatch", values: ["part"] }), {
      part: { key: "part", salt: "s", rules: [{ clauses: [], weight: 50000 }] },
    }),
    "flags.f.rules[0].clauses[0] → segments.part.rules[0]",
    "percentage",
  ],
  [
    "dates",
    "launchdarkly",
    launchdarkly(clause({ attribute: "plan", op: "before", values: [1] })),
    "flags.f.rules[0].clauses[0]",
    "dates",
  ],
  [
    "dates",
    "unleash",
    unleash({
      name: "default",
      constraints: [{ contextName: "currentTime", operator: "DATE_AFTER", value: "2026-01-01T00:00:00Z" }],
    }),
    "features[0].strategies[0].constraints[0]",
    "dates",
  ],
  [
    "networks",
    "unleash",
    unleash({
      name: "default",
      constraints: [{ contextName: "remoteAddress", operator: "IN_CIDR", values: ["10.0.0.0/8"] }],
    }),
    "features[0].strategies[0].constraints[0]",
    "network",
  ],
  [
    "hostnames and custom strategies",
    "unleash",
    unleash({ name: "applicationHostname", parameters: { hostNames: "a" } }),
    "features[0].strategies[0]",
    "`applicationHostname`",
  ],
  [
    "JavaScript",
    "growthbook",
    { experiments: [{ key: "f", variations: [{}, { js: "alert(1)" }] }] },
    "experiments[0].variations[1].js",
    "JavaScript",
  ],
  [
    "weather, pages, behaviour",
    "convert",
    {
      experiences: [{ id: "1", key: "f", variations: [{ id: "1", key: "a" }], audiences: ["9"] }],
      audiences: [
        { id: "9", rules: { OR: [{ AND: [{ OR_WHEN: [{ rule_type: "weather_condition", value: "rain" }] }] }] } },
      ],
    },
    "experiences[0].audiences[0] → .OR[0].AND[0].OR_WHEN[0]",
    "weather_condition",
  ],
  [
    "regexes with look-around",
    "growthbook",
    growthbook({ ...half, condition: { plan: { $regex: "(?=a)b" } } }),
    "features.f.rules[0].condition.plan.$regex",
    "looks around",
  ],
  [
    "regexes with backreferences",
    "launchdarkly",
    launchdarkly(clause({ attribute: "plan", op: "matches", values: ["(a)\\1"] })),
    "flags.f.rules[0].clauses[0]",
    "refers back",
  ],
  [
    "moves in the page",
    "growthbook",
    {
      experiments: [
        {
          key: "f",
          variations: [
            {},
            { domMutations: [{ selector: "h1", attribute: "position", action: "set", parentSelector: "body" }] },
          ],
        },
      ],
    },
    "experiments[0].variations[1].domMutations[0]",
    "moves",
  ],
  ...["h1:hover", "div > p ~ a", "h1::before"].map((selector) => [
    "selectors that a streaming rewriter has not",
    "growthbook",
    {
      experiments: [
        { key: "f", variations: [{}, { domMutations: [{ selector, attribute: "html", action: "set", value: "x" }] }] },
      ],
    },
    "experiments[0]",
    "is not a selector of the rewriter",
  ]),
  [
    "units that are groups",
    "launchdarkly",
    launchdarkly({
      fallthrough: { rollout: { contextKind: "organization", variations: [{ variation: 0, weight: 100000 }] } },
    }),
    "flags.f.fallthrough.rollout",
    "organization",
  ],
  [
    "units that are groups",
    "posthog",
    posthog({}, { aggregation_group_type_index: 0 }),
    "flags[0].filters.aggregation_group_type_index",
    "groups",
  ],
  [
    "server-side stickiness",
    "posthog",
    posthog({ ensure_experience_continuity: true }),
    "flags[0].ensure_experience_continuity",
    "server",
  ],
];

for (const [index, [kind, vendor, payload, path, reason]] of REFUSED.entries()) {
  test(`${index + 1}: ${kind}, ${vendor}`, () => {
    const { status, answer, into } = imported(vendor, payload);
    const flag = answer.flags.find((flag) => flag.key === "f");
    assert.equal(flag.result, "refused", JSON.stringify(answer));
    assert.equal(flag.path, path);
    assert.ok(flag.reason.includes(reason), flag.reason);
    assert.ok(flag.todo.length > 0);
    assert.equal(status, 1);
    assert.ok(!existsSync(into), "something was written");
    assert.equal(imported(vendor, payload, { args: ["--partial"] }).status, 0);
  });
}

test("a bucket version that blocks nobody comes over", () => {
  for (const rule of [
    { ...half, bucketVersion: 1, minBucketVersion: 0 },
    { ...half, bucketVersion: 2, minBucketVersion: 2, disableStickyBucketing: true },
  ])
    assert.equal(imported("growthbook", growthbook(rule)).status, 0);
});

test("what only a person can say is asked", () => {
  const experience = (layout) =>
    imported(
      "convert",
      {
        experiences: [
          {
            id: "1",
            key: "f",
            version: 12,
            variations: [
              { id: "1", key: "a", traffic_allocation: 5 },
              { id: "2", key: "b", traffic_allocation: 5 },
            ],
          },
        ],
      },
      { args: layout ? ["--layout", layout] : [] },
    );
  const { status, answer } = experience();
  assert.equal(answer.flags[0].result, "needs");
  assert.match(answer.flags[0].todo, /--layout packed/);
  assert.equal(status, 1);
  const ranges = (layout) => JSON.parse(readFileSync(experience(layout).into, "utf8")).experiments[0].hash.split.ranges;
  assert.deepEqual(ranges("packed"), { a: [[0, 500]], b: [[500, 1000]] });
  assert.deepEqual(ranges("anchored"), { a: [[0, 500]], b: [[5000, 5500]] });
});

const BAD = [
  ["another tool's", "growthbook", launchdarkly({}), "it is a payload of launchdarkly, not of growthbook"],
  ["of another version", "optimizely", { version: "2", experiments: [], projectId: "1" }, "a datafile of version 2"],
  ["encrypted", "growthbook", { encryptedFeatures: "abc.def" }, "it is encrypted"],
  ["obfuscated", "eppo", { format: "CLIENT", flags: {} }, "it is obfuscated"],
  ["evaluated", "launchdarkly", { f: { flagVersion: 1, value: true, variation: 0 } }, "results for one context"],
  ["cut off", "growthbook", '{"features": {"f": {', "is cut off"],
  ["empty", "growthbook", "", "is empty"],
  ["no JSON", "growthbook", "features:\n  f: 1", "is no JSON"],
  ["of nobody", "growthbook", { hello: 1 }, "it is no payload of growthbook"],
];
for (const [what, vendor, payload, message] of BAD) {
  test(`a payload that is ${what}`, () => {
    const { status, answer, into } = imported(vendor, payload);
    assert.equal(status, 1);
    assert.ok(JSON.stringify(answer).includes(message), JSON.stringify(answer));
    assert.ok(!existsSync(into));
  });
}

test("5,000 flags and 50 MB come over in one run", { timeout: 120_000 }, () => {
  const features = {};
  const value = "x".repeat(9_000);
  for (let i = 0; i < 5_000; i += 1) {
    features[`f${i}`] = { defaultValue: "a", description: value, rules: [{ variations: ["a", "b"] }] };
  }
  const { status, answer, into } = imported("growthbook", { features });
  assert.equal(status, 0, JSON.stringify(answer).slice(0, 500));
  assert.equal(answer.exact, 5_000);
  assert.equal(JSON.parse(readFileSync(into, "utf8")).experiments.length, 5_000);
});

test("who a split leaves over has the fixed value below it, and is in no comparison", () => {
  const { status, into } = imported("growthbook", growthbook([{ ...half, hashVersion: 2 }, { force: "b" }]));
  assert.equal(status, 0);
  const [split, rest] = JSON.parse(readFileSync(into, "utf8")).experiments;
  assert.deepEqual(split.hash.split.ranges, { 0: [[0, 2500]], 1: [[5000, 7500]] });
  assert.deepEqual([split.kind, rest.kind], ["experiment", "release"]);
  assert.deepEqual([split.key, rest.key], ["f", "f"]);
  assert.deepEqual(Object.values(rest.hash.split.ranges), [
    [
      [2500, 5000],
      [7500, 10000],
    ],
  ]);
});
