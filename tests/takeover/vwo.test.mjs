// VWO's own SDK decides for random features, its settings from a server of this machine. A variable names the variation.

import { test } from "node:test";
import { IDS, payloads, recorder } from "./compare.mjs";

// why: its SDK asks for its settings every ten minutes and cannot be told to stop, so the process would never end
const { setTimeout: later } = globalThis;
globalThis.setTimeout = (work, delay, ...rest) => {
  const timer = later(work, delay, ...rest);
  return delay > 60_000 ? timer.unref() : timer;
};

test("VWO", async () => {
  const segment = (dice) =>
    dice.pick([
      {},
      {},
      { or: [{ custom_variable: { country: "US" } }] },
      { or: [{ custom_variable: { country: "lower(us)" } }] },
      { or: [{ custom_variable: { plan: "wildcard(*pro*)" } }] },
      { and: [{ custom_variable: { age: "gt(18)" } }, { not: { or: [{ custom_variable: { plan: "free" } }] } }] },
    ]);
  await payloads(
    "vwo",
    async (dice) => {
      const campaigns = [];
      const variables = (name) => [{ id: 1, key: "name", type: "string", value: name }];
      const features = Array.from({ length: 10 }, (_, number) => {
        const rules = [];
        const add = (type, values) => {
          const id = campaigns.length + 1;
          campaigns.push({
            id,
            key: `c${id}`,
            name: `c${id}`,
            type,
            status: "RUNNING",
            isForcedVariationEnabled: false,
            segments: {},
            ...values,
          });
          rules.push({
            campaignId: id,
            type,
            ruleKey: `rule-${id}`,
            ...(type === "FLAG_PERSONALIZE" ? { variationId: 1 } : {}),
          });
        };
        if (dice.chance(0.3)) {
          const whole = dice.chance(0.4);
          const variation = {
            id: 1,
            name: "rollout",
            weight: whole ? 100 : dice.whole(100),
            segments: whole ? {} : segment(dice),
            variables: variables("rollout"),
          };
          if (dice.chance(0.3)) variation.salt = `salt-${number}`;
          add("FLAG_ROLLOUT", { variations: [variation] });
          if (!whole)
            return {
              id: number + 1,
              key: `feature-${number}`,
              name: "f",
              type: "FEATURE_FLAG",
              status: "ON",
              metrics: [],
              rules,
            };
        }
        const weights = dice.pick([
          [50, 50],
          [33.33, 33.33, 33.34],
          [10, 20, 70],
        ]);
        const values = {
          percentTraffic: dice.pick([100, 100, 45, 7]),
          segments: segment(dice),
          variations: weights.map((weight, i) => ({
            id: i + 1,
            name: `Variation-${i}`,
            weight,
            segments: {},
            variables: variables(`Variation-${i}`),
          })),
        };
        if (dice.chance(0.3)) values.salt = `salt-${number}`;
        add("FLAG_TESTING", values);
        return {
          id: number + 1,
          key: `feature-${number}`,
          name: "f",
          type: "FEATURE_FLAG",
          status: "ON",
          metrics: [],
          rules,
        };
      });
      const payload = {
        version: 1,
        accountId: 12_345,
        sdkKey: "key",
        features,
        campaigns,
        groups: {},
        campaignGroups: {},
      };
      const opened = await recorder("vwo", payload);
      // why: it still sends its events
      return { payload, ...opened, close: undefined };
    },
    // why: its SDK looks through all of its settings for each decision, which takes milliseconds
    { reasons: ["not disjoint", "three outcomes"], ids: Math.max(100, IDS / 10) },
  );
});
