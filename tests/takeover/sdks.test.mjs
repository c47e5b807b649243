// Each tool's own SDK from npm decides for random flags and ids, locally and through the recorder that people use; the
// import decides the same.

import { test } from "node:test";
import { payloads, recorder } from "./compare.mjs";

const several = (dice, least, most, make) =>
  Array.from({ length: least + dice.whole(most - least + 1) }, (_, i) => make(i));
const id = (dice) => Math.floor(dice.next() * 1e9).toString(36);

test("GrowthBook", async () => {
  const condition = (dice) =>
    dice.pick([
      { country: "US" },
      { country: { $in: ["US", "CA"] } },
      { country: { $ini: ["us"] } },
      { country: { $ne: "US" } },
      { country: { $nin: ["US", "DE"] } },
      { premium: true },
      { premium: false },
      { age: { $gt: 18 } },
      { age: { $lte: 18, $exists: true } },
      { age: 18 },
      { plan: { $regex: "^pro" } },
      { plan: { $exists: false } },
      { $or: [{ country: "US" }, { premium: true }] },
      { $not: { country: "US" } },
      { version: { $vgte: "1.2.3" } },
      { version: { $vlt: "2.0.0" } },
      { country: { $inGroup: "north" } },
      { country: { $notInGroup: "north" } },
    ]);
  const savedGroups = { north: ["US", "CA"] };
  await payloads(
    "growthbook",
    async (dice) => {
      const features = {};
      for (let flag = 0; flag < 12; flag += 1) {
        const rule = () => {
          const rule = {};
          if (dice.chance(0.6)) rule.condition = condition(dice);
          if (dice.chance(0.5)) {
            const count = 2 + dice.whole(3);
            const parts = several(dice, count, count, () => 0.05 + dice.next());
            const sum = parts.reduce((a, b) => a + b);
            rule.variations = several(dice, count, count, (i) => `colour-${i}`);
            if (dice.chance(0.7)) rule.weights = parts.map((part) => part / sum);
            if (dice.chance(0.5)) rule.coverage = Math.round(dice.next() * 1000) / 1000;
            if (dice.chance(0.5)) rule.hashVersion = 1 + dice.whole(2);
            if (dice.chance(0.5)) rule.seed = id(dice);
            if (dice.chance(0.5)) rule.key = `exp-${id(dice)}`;
            if (dice.chance(0.4)) rule.meta = rule.variations.map((name) => ({ key: `k-${name}` }));
            const from = dice.next() / 2;
            if (dice.chance(0.2)) rule.namespace = [`ns-${id(dice)}`, from, from + 0.4];
            else if (dice.chance(0.25)) rule.filters = [{ seed: id(dice), ranges: [[from, from + 0.4]] }];
          } else {
            rule.force = dice.pick(["red", "blue", "green"]);
            if (dice.chance(0.5)) rule.coverage = Math.round(dice.next() * 100) / 100;
          }
          return rule;
        };
        features[`feature ${flag}`] = { defaultValue: "grey", rules: several(dice, 1, 3, rule) };
      }
      const payload = { status: 200, features, savedGroups };
      return { payload, ...(await recorder("growthbook", payload)) };
    },
    { reasons: ["not disjoint"] },
  );
});

test("LaunchDarkly", async () => {
  const clause = (dice) => ({
    ...dice.pick([
      { attribute: "country", op: "in", values: ["US", "CA"] },
      { attribute: "plan", op: "startsWith", values: ["pro"] },
      { attribute: "plan", op: "endsWith", values: ["plus", "ise"] },
      { attribute: "plan", op: "contains", values: ["r"] },
      { attribute: "plan", op: "matches", values: ["^p.o$"] },
      { attribute: "age", op: "in", values: [18, 40] },
      { attribute: "age", op: "lessThan", values: [18] },
      { attribute: "age", op: "greaterThanOrEqual", values: [18] },
      { attribute: "premium", op: "in", values: [true] },
      { attribute: "version", op: "semVerGreaterThan", values: ["1.2"] },
      { attribute: "version", op: "semVerLessThan", values: ["2.0.0"] },
      { attribute: "version", op: "semVerEqual", values: ["2"] },
      { attribute: "", op: "segmentMatch", values: ["north"] },
    ]),
    negate: dice.chance(0.4),
  });
  await payloads("launchdarkly", async (dice) => {
    const segment = {
      key: "north",
      version: 1,
      salt: "s",
      included: [],
      excluded: [],
      rules: [{ clauses: [{ attribute: "country", op: "in", values: ["US", "CA"], negate: false }] }],
    };
    const flags = {};
    for (let number = 0; number < 12; number += 1) {
      const count = 2 + dice.whole(3);
      const outcome = () => {
        if (dice.chance(0.4)) return { variation: dice.whole(count) };
        let left = 100_000;
        const variations = several(dice, count, count, (i) => {
          const weight = i + 1 === count ? left : dice.whole(left + 1);
          left -= weight;
          return { variation: i, weight };
        });
        const rollout = { variations };
        if (dice.chance(0.3)) rollout.kind = "experiment";
        if (dice.chance(0.4)) rollout.seed = dice.whole(1000);
        return { rollout };
      };
      flags[`flag.${number}`] = {
        key: `flag.${number}`,
        version: 1,
        on: dice.chance(0.9),
        salt: id(dice),
        variations: several(dice, count, count, (i) => `value-${i}`),
        offVariation: 0,
        prerequisites: [],
        targets: [],
        rules: several(dice, 0, 3, (i) => ({
          id: `rule-${i}`,
          clauses: several(dice, 1, 2, () => clause(dice)),
          ...outcome(),
        })),
        fallthrough: outcome(),
      };
    }
    const payload = { flags, segments: { north: segment } };
    return { payload, ...(await recorder("launchdarkly", payload)) };
  });
});

test("Optimizely", async () => {
  const audience = (dice) => {
    const leaf = () =>
      dice.pick([
        { type: "custom_attribute", name: "country", match: "exact", value: "US" },
        { type: "custom_attribute", name: "age", match: "gt", value: 18 },
        { type: "custom_attribute", name: "age", match: "le", value: 40 },
        { type: "custom_attribute", name: "premium", match: "exact", value: true },
        { type: "custom_attribute", name: "plan", match: "substring", value: "pro" },
        { type: "custom_attribute", name: "plan", match: "exists" },
        { type: "custom_attribute", name: "plan", match: "exact", value: 5 },
      ]);
    return dice.pick([
      ["and", leaf(), leaf()],
      ["or", leaf(), ["not", leaf()]],
      ["not", ["and", leaf(), leaf()]],
    ]);
  };
  await payloads("optimizely", async (dice) => {
    const typedAudiences = several(dice, 3, 3, (i) => ({ id: `a${i}`, name: `a${i}`, conditions: audience(dice) }));
    const make = (number, key) => {
      const count = 2 + dice.whole(2);
      const variations = several(dice, count, count, (i) => ({
        id: `${number}${i}`,
        key: `variation_${i}`,
        variables: [],
      }));
      let end = 0;
      const trafficAllocation = variations.map(({ id }) => {
        end = Math.min(10_000, end + dice.whole(5_000));
        return { entityId: dice.chance(0.1) ? "" : id, endOfRange: end };
      });
      return {
        id: `9${number}`,
        key,
        status: "Running",
        layerId: "1",
        variations,
        trafficAllocation,
        audienceIds: [],
        audienceConditions: dice.chance(0.6) ? ["or", `a${dice.whole(3)}`] : undefined,
        forcedVariations: {},
      };
    };
    const experiments = several(dice, 10, 10, (i) => make(100 + i, `experiment ${i}`));
    const grouped = [make(300, "grouped 0"), make(301, "grouped 1")];
    const groups = [
      {
        id: "777",
        policy: "random",
        experiments: grouped,
        trafficAllocation: [
          { entityId: grouped[0].id, endOfRange: 4_000 },
          { entityId: grouped[1].id, endOfRange: 9_000 },
        ],
      },
    ];
    const datafile = {
      version: "4",
      accountId: "1",
      projectId: "2",
      revision: "3",
      sdkKey: "k",
      anonymizeIP: true,
      attributes: ["country", "age", "premium", "plan", "version"].map((key, i) => ({ id: `${i}`, key })),
      events: [],
      audiences: [],
      typedAudiences,
      experiments,
      groups,
      featureFlags: [],
      rollouts: [],
    };
    return { payload: datafile, ...(await recorder("optimizely", datafile)) };
  });
});

test("PostHog", async () => {
  const property = (dice) =>
    dice.pick([
      { key: "country", value: ["US", "CA"], operator: "exact", type: "person" },
      { key: "country", value: ["US"], operator: "is_not", type: "person" },
      { key: "plan", value: "PRO", operator: "icontains", type: "person" },
      { key: "plan", value: "pro", operator: "not_icontains", type: "person" },
      { key: "plan", value: "^pro", operator: "regex", type: "person" },
      { key: "plan", value: "is_set", operator: "is_set", type: "person" },
      { key: "age", value: 18, operator: "gt", type: "person" },
      { key: "premium", value: ["true"], operator: "exact", type: "person" },
      { key: "id", value: 1, type: "cohort" },
    ]);
  const cohorts = {
    1: {
      type: "OR",
      values: [
        { type: "AND", values: [{ key: "country", value: ["US"], operator: "exact", type: "person" }] },
        { type: "AND", values: [{ key: "age", value: 40, operator: "gte", type: "person" }] },
      ],
    },
  };
  await payloads("posthog", async (dice) => {
    const flags = several(dice, 12, 12, (number) => {
      const multivariate = dice.chance(0.6)
        ? { variants: [50, 30, 20].map((share, i) => ({ key: `variant-${i}`, rollout_percentage: share })) }
        : null;
      const groups = several(dice, 1, 3, () => ({
        properties: several(dice, 0, 2, () => property(dice)),
        rollout_percentage: dice.pick([100, 100, null, 45, 10, 33.3]),
        variant: multivariate && dice.chance(0.2) ? `variant-${dice.whole(3)}` : null,
      }));
      return { id: number, key: `flag-${number}`, active: true, filters: { groups, multivariate, payloads: {} } };
    });
    const payload = { flags, group_type_mapping: {}, cohorts };
    return { payload, ...(await recorder("posthog", payload)) };
  });
});

test("Eppo", async () => {
  const condition = (dice) =>
    dice.pick([
      { attribute: "country", operator: "ONE_OF", value: ["US", "CA"] },
      { attribute: "country", operator: "NOT_ONE_OF", value: ["US"] },
      { attribute: "plan", operator: "MATCHES", value: "^pro" },
      { attribute: "plan", operator: "NOT_MATCHES", value: "plus$" },
      { attribute: "age", operator: "GTE", value: 18 },
      { attribute: "age", operator: "LT", value: 40 },
      { attribute: "plan", operator: "IS_NULL", value: true },
      { attribute: "plan", operator: "IS_NULL", value: false },
      { attribute: "premium", operator: "ONE_OF", value: ["true"] },
    ]);
  await payloads(
    "eppo",
    async (dice) => {
      const flags = {};
      for (let number = 0; number < 12; number += 1) {
        const key = `flag-${number}`;
        const variations = {};
        for (const name of ["control", "a", "b"]) variations[name] = { key: name, value: `value ${name}` };
        const traffic = { salt: id(dice), ranges: [{ start: 0, end: dice.pick([10_000, 5_000, 2_000]) }] };
        const salt = id(dice);
        const allocations = several(dice, 0, 1, (i) => ({
          key: `rule-${i}`,
          rules: [{ conditions: several(dice, 1, 2, () => condition(dice)) }],
          splits: [{ variationKey: "a", shards: [] }],
          doLog: false,
        }));
        allocations.push({
          key: "experiment",
          rules: dice.chance(0.5) ? [{ conditions: [condition(dice)] }] : [],
          splits: [
            { variationKey: "control", shards: [traffic, { salt, ranges: [{ start: 0, end: 3_333 }] }] },
            { variationKey: "a", shards: [traffic, { salt, ranges: [{ start: 3_333, end: 6_666 }] }] },
            { variationKey: "b", shards: [traffic, { salt, ranges: [{ start: 6_666, end: 10_000 }] }] },
          ],
          doLog: true,
        });
        if (dice.chance(0.5))
          allocations.push({ key: "rest", rules: [], splits: [{ variationKey: "control", shards: [] }], doLog: false });
        flags[key] = { key, enabled: true, variationType: "STRING", variations, allocations, totalShards: 10_000 };
      }
      const payload = { createdAt: "2026-01-01T00:00:00.000Z", format: "SERVER", environment: { name: "test" }, flags };
      return { payload, ...(await recorder("eppo", payload)) };
    },
    { reasons: ["not disjoint"] },
  );
});

test("Unleash", async () => {
  const constraint = (dice) => ({
    ...dice.pick([
      { contextName: "country", operator: "IN", values: ["US", "CA"] },
      { contextName: "country", operator: "NOT_IN", values: ["US"] },
      { contextName: "plan", operator: "STR_STARTS_WITH", values: ["pro"] },
      { contextName: "plan", operator: "STR_CONTAINS", values: ["PRO"], caseInsensitive: true },
      { contextName: "age", operator: "NUM_GTE", value: "18" },
      { contextName: "age", operator: "NUM_EQ", value: "40" },
      { contextName: "version", operator: "SEMVER_GT", value: "1.2.3" },
    ]),
    inverted: dice.chance(0.3),
  });
  await payloads(
    "unleash",
    async (dice) => {
      const features = several(dice, 12, 12, (number) => ({
        name: `feature-${number}`,
        type: "experiment",
        enabled: true,
        strategies: several(dice, 1, 2, () => {
          if (dice.chance(0.3)) return { name: "default", parameters: {}, constraints: [constraint(dice)] };
          return {
            name: "flexibleRollout",
            parameters: {
              rollout: dice.pick(["100", "50", "7"]),
              stickiness: "userId",
              groupId: dice.pick([`feature-${number}`, "group"]),
            },
            constraints: several(dice, 0, 2, () => constraint(dice)),
          };
        }),
        variants: dice.chance(0.5)
          ? [400, 350, 250].map((weight, i) => ({
              name: `variant-${i}`,
              weight,
              weightType: "variable",
              stickiness: "userId",
            }))
          : [],
      }));
      const payload = { version: 2, features, segments: [] };
      return { payload, ...(await recorder("unleash", payload)) };
    },
    { reasons: ["not disjoint"] },
  );
});

test("Split", async () => {
  const matcher = (dice) => ({
    ...dice.pick([
      {
        keySelector: { attribute: "country" },
        matcherType: "WHITELIST",
        whitelistMatcherData: { whitelist: ["US", "CA"] },
      },
      { keySelector: { attribute: "plan" }, matcherType: "STARTS_WITH", whitelistMatcherData: { whitelist: ["pro"] } },
      {
        keySelector: { attribute: "plan" },
        matcherType: "CONTAINS_STRING",
        whitelistMatcherData: { whitelist: ["r"] },
      },
      { keySelector: { attribute: "plan" }, matcherType: "MATCHES_STRING", stringMatcherData: "^p.o" },
      {
        keySelector: { attribute: "age" },
        matcherType: "GREATER_THAN_OR_EQUAL_TO",
        unaryNumericMatcherData: { dataType: "NUMBER", value: 18 },
      },
      {
        keySelector: { attribute: "age" },
        matcherType: "BETWEEN",
        betweenMatcherData: { dataType: "NUMBER", start: 18, end: 40 },
      },
      { keySelector: { attribute: "premium" }, matcherType: "EQUAL_TO_BOOLEAN", booleanMatcherData: true },
      { keySelector: { attribute: null }, matcherType: "ALL_KEYS" },
    ]),
    negate: dice.chance(0.25),
  });
  await payloads("split", async (dice) => {
    const splits = several(dice, 12, 12, (number) => ({
      name: `split_${number}`,
      trafficTypeName: "user",
      status: "ACTIVE",
      killed: dice.chance(0.1),
      changeNumber: 1,
      algo: 2,
      seed: dice.whole(2 ** 32) - 2 ** 31,
      trafficAllocation: dice.pick([100, 100, 60, 13]),
      trafficAllocationSeed: dice.whole(2 ** 32) - 2 ** 31,
      defaultTreatment: "off",
      configurations: {},
      conditions: several(dice, 1, 3, (i) => {
        const type = dice.chance(0.3) ? "WHITELIST" : "ROLLOUT";
        const first = dice.whole(101);
        return {
          conditionType: type,
          label: `condition ${i}`,
          matcherGroup: { combiner: "AND", matchers: several(dice, 1, 2, () => matcher(dice)) },
          partitions: [
            { treatment: "on", size: first },
            { treatment: "off", size: 100 - first },
          ],
        };
      }),
    }));
    const payload = { splits, since: -1, till: 1 };
    return { payload, ...(await recorder("split", payload)) };
  });
});

test("Statsig", async () => {
  // why: the package has one instance for all, which keeps its first payload
  const condition = (dice) =>
    dice.pick([
      { type: "public", targetValue: null, operator: null, field: null, additionalValues: {}, idType: "userID" },
      {
        type: "user_field",
        field: "country",
        operator: "any",
        targetValue: ["US", "CA"],
        additionalValues: {},
        idType: "userID",
      },
      {
        type: "user_field",
        field: "country",
        operator: "none",
        targetValue: ["US"],
        additionalValues: {},
        idType: "userID",
      },
      {
        type: "user_field",
        field: "plan",
        operator: "str_starts_with_any",
        targetValue: ["PRO"],
        additionalValues: {},
        idType: "userID",
      },
      {
        type: "user_field",
        field: "plan",
        operator: "str_matches",
        targetValue: "^pro",
        additionalValues: {},
        idType: "userID",
      },
      { type: "user_field", field: "age", operator: "gte", targetValue: 18, additionalValues: {}, idType: "userID" },
      { type: "user_field", field: "age", operator: "lt", targetValue: 40, additionalValues: {}, idType: "userID" },
    ]);
  await payloads(
    "statsig",
    async (dice) => {
      const rule = (i, values) => ({
        name: `rule ${i}`,
        id: `rule-${i}-${id(dice)}`,
        salt: id(dice),
        idType: "userID",
        ...values,
      });
      const spec = (name, values) => ({ name, salt: id(dice), enabled: true, idType: "userID", ...values });
      const feature_gates = several(dice, 8, 8, (number) =>
        spec(`gate_${number}`, {
          type: "feature_gate",
          entity: "feature_gate",
          defaultValue: false,
          rules: several(dice, 1, 3, (i) =>
            rule(i, {
              passPercentage: dice.pick([100, 100, 50, 3.5, 0]),
              returnValue: true,
              conditions: [condition(dice)],
            }),
          ),
        }),
      );
      const dynamic_configs = several(dice, 8, 8, (number) => {
        const salt = id(dice);
        const layer = id(dice);
        const share = Array.from({ length: 1_000 }, (_, i) => i).filter(() => dice.chance(0.5));
        const bucket = (salt, operator, targetValue) => ({
          type: "user_bucket",
          field: null,
          operator,
          targetValue,
          additionalValues: { salt },
          idType: "userID",
        });
        const rules = [];
        if (dice.chance(0.5))
          rules.push(
            rule("layerAssignment", {
              passPercentage: 100,
              returnValue: {},
              conditions: [bucket(layer, "none", share)],
            }),
          );
        if (dice.chance(0.5))
          rules.push(rule("targeting", { passPercentage: 100, returnValue: {}, conditions: [condition(dice)] }));
        rules.push(
          rule("control", {
            passPercentage: 100,
            groupName: "Control",
            isExperimentGroup: true,
            returnValue: { colour: "grey" },
            conditions: [bucket(salt, "lt", 500)],
          }),
        );
        rules.push(
          rule("test", {
            passPercentage: 100,
            groupName: "Test",
            isExperimentGroup: true,
            returnValue: { colour: "red" },
            conditions: [bucket(salt, "lt", dice.pick([1_000, 800]))],
          }),
        );
        return spec(`experiment_${number}`, {
          type: "dynamic_config",
          entity: "experiment",
          isActive: true,
          defaultValue: {},
          explicitParameters: [],
          rules,
        });
      });
      const payload = {
        has_updates: true,
        time: 1,
        feature_gates,
        dynamic_configs,
        layer_configs: [],
        layers: {},
        id_lists: {},
      };
      return { payload, ...(await recorder("statsig", payload)) };
    },
    { reasons: ["not disjoint"] },
  );
});
