// The recorders as people run them, and the demo of a whole takeover.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { at } from "../../scripts/setup.mjs";
import { binary, sortition } from "./compare.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sortition-record-"));
after(() => rmSync(folder, { recursive: true, force: true }));
// why: a project may have linked to the folder
const recorder = join(folder, "linked", "record.js");
symlinkSync(at("clients/record"), join(folder, "linked"));
const file = (name, value) => {
  writeFileSync(join(folder, name), typeof value === "string" ? value : JSON.stringify(value));
  return join(folder, name);
};

const rollout = {
  kind: "experiment",
  contextKind: "user",
  variations: [0, 1].map((variation) => ({ variation, weight: 50_000 })),
};
const campaign = {
  id: 1,
  key: "c1",
  name: "c1",
  type: "FLAG_TESTING",
  status: "RUNNING",
  percentTraffic: 100,
  segments: {},
  isForcedVariationEnabled: false,
  variations: [1, 2].map((id) => ({ id, name: `v${id}`, weight: 50, segments: {}, variables: [] })),
};
const ranges = [
  { variationKey: "a", shards: [{ salt: "s", ranges: [{ start: 0, end: 5_000 }] }] },
  { variationKey: "b", shards: [{ salt: "s", ranges: [{ start: 5_000, end: 10_000 }] }] },
];

/** A payload of each tool with one split in halves. */
const PAYLOADS = {
  growthbook: { features: { f: { defaultValue: "x", rules: [{ variations: ["a", "b"], hashVersion: 2 }] } } },
  launchdarkly: {
    flags: {
      f: {
        key: "f",
        version: 1,
        on: true,
        salt: "s",
        variations: ["a", "b"],
        offVariation: 0,
        prerequisites: [],
        targets: [],
        rules: [],
        fallthrough: { rollout },
      },
    },
    segments: {},
  },
  statsig: {
    has_updates: true,
    time: 1,
    feature_gates: [
      {
        name: "f",
        type: "feature_gate",
        salt: "s",
        enabled: true,
        defaultValue: false,
        idType: "userID",
        entity: "feature_gate",
        rules: [
          {
            name: "r",
            id: "r",
            salt: "r",
            passPercentage: 50,
            conditions: [
              {
                type: "public",
                targetValue: null,
                operator: null,
                field: null,
                additionalValues: {},
                isDeviceBased: false,
                idType: "userID",
              },
            ],
            returnValue: true,
            idType: "userID",
            isDeviceBased: false,
          },
        ],
      },
    ],
    dynamic_configs: [],
    layer_configs: [],
    layers: {},
    id_lists: {},
  },
  optimizely: {
    version: "4",
    revision: "1",
    projectId: "1",
    accountId: "1",
    anonymizeIP: true,
    botFiltering: false,
    sdkKey: "k",
    environmentKey: "p",
    attributes: [],
    audiences: [],
    typedAudiences: [],
    groups: [],
    featureFlags: [],
    rollouts: [],
    variables: [],
    events: [],
    experiments: [
      {
        id: "7",
        key: "f",
        layerId: "8",
        status: "Running",
        audienceIds: [],
        forcedVariations: {},
        variations: ["a", "b"].map((key) => ({ id: key, key, variables: [] })),
        trafficAllocation: [
          { entityId: "a", endOfRange: 5_000 },
          { entityId: "b", endOfRange: 10_000 },
        ],
      },
    ],
  },
  posthog: {
    flags: [
      {
        id: 1,
        key: "f",
        active: true,
        filters: {
          groups: [{ properties: [], rollout_percentage: 100 }],
          payloads: {},
          multivariate: { variants: ["a", "b"].map((key) => ({ key, rollout_percentage: 50 })) },
        },
      },
    ],
    group_type_mapping: {},
    cohorts: {},
  },
  convert: {
    account_id: "1",
    project: { id: "2", key: "p", settings: {} },
    audiences: [],
    locations: [],
    segments: [],
    features: [],
    goals: [],
    experiences: [
      {
        id: "7",
        key: "f",
        name: "f",
        type: "a/b_fullstack",
        status: "active",
        version: 1,
        audiences: [],
        locations: [],
        goals: [],
        variations: ["a", "b"].map((key, index) => ({
          id: String(index),
          key,
          status: "running",
          traffic_allocation: 50,
          changes: [],
        })),
      },
    ],
  },
  eppo: {
    createdAt: "2026-01-01T00:00:00.000Z",
    format: "SERVER",
    environment: { name: "test" },
    flags: {
      f: {
        key: "f",
        enabled: true,
        variationType: "STRING",
        totalShards: 10_000,
        variations: { a: { key: "a", value: "a" }, b: { key: "b", value: "b" } },
        allocations: [{ key: "all", rules: [], splits: ranges, doLog: true }],
      },
    },
  },
  unleash: {
    version: 2,
    segments: [],
    features: [
      {
        name: "f",
        type: "release",
        enabled: true,
        project: "p",
        strategies: [
          {
            name: "flexibleRollout",
            parameters: { rollout: "50", stickiness: "userId", groupId: "f" },
            constraints: [],
          },
        ],
        variants: [],
      },
    ],
  },
  split: {
    since: -1,
    till: 1,
    splits: [
      {
        trafficTypeName: "user",
        name: "f",
        seed: 7,
        status: "ACTIVE",
        killed: false,
        defaultTreatment: "off",
        changeNumber: 1,
        algo: 2,
        trafficAllocation: 100,
        trafficAllocationSeed: 3,
        conditions: [
          {
            conditionType: "ROLLOUT",
            label: "all",
            matcherGroup: { combiner: "AND", matchers: [{ matcherType: "ALL_KEYS", negate: false }] },
            partitions: [
              { treatment: "a", size: 50 },
              { treatment: "b", size: 50 },
            ],
          },
        ],
      },
    ],
  },
  vwo: {
    version: 1,
    accountId: 12_345,
    sdkKey: "key",
    groups: {},
    campaignGroups: {},
    campaigns: [campaign],
    features: [
      {
        id: 1,
        key: "f",
        name: "f",
        type: "FEATURE_FLAG",
        status: "ON",
        metrics: [],
        rules: [{ campaignId: 1, type: "FLAG_TESTING", ruleKey: "r" }],
      },
    ],
  },
};

test("there is a recorder for every tool that is imported", () => {
  const names = readdirSync(at("clients/record")).filter(
    (name) => name.endsWith(".js") && !/^(record|local)\.js$/.test(name),
  );
  assert.deepEqual(names.map((name) => name.replace(".js", "")).sort(), Object.keys(PAYLOADS).sort());
});

for (const [tool, payload] of Object.entries(PAYLOADS)) {
  test(`${tool}: recorded, imported, compared`, async () => {
    const source = file(`${tool}.json`, payload);
    const ids = Array.from({ length: 40 }, (_, number) => `id-${number}`);
    // why: an id a line is as good as an object
    const people = file("people.jsonl", ids.map((id, index) => (index % 2 ? id : JSON.stringify({ id }))).join("\n"));
    const { stdout } = await promisify(execFile)(process.execPath, [recorder, tool, source, people], {
      cwd: here,
      timeout: 60_000,
    });
    // why: what goes into a file is read as it is, whatever an SDK has to say besides
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.length, 40, stdout.slice(0, 500));
    const variants = new Set(lines.map((line) => JSON.parse(line).decisions.f));
    assert.equal(variants.size, 2, [...variants].join());
    const into = join(folder, `${tool}-document.json`);
    const args = tool === "convert" ? ["--layout", "packed"] : [];
    const imported = sortition("import", tool, source, "--into", into, ...args);
    assert.equal(imported.status, 0, imported.stderr);
    const compared = sortition("compare", into, file("decisions.jsonl", lines.join("\n")));
    assert.deepEqual(
      [compared.answer.differ, compared.answer.decisions],
      [0, 40],
      JSON.stringify(compared.answer.rows?.[0]),
    );
  });
}

test("a recorder that is none says which there are", () => {
  const { status, stderr } = spawnSync(process.execPath, [at("clients/record/record.js"), "nobody", "a", "b"], {
    encoding: "utf8",
  });
  assert.equal(status, 2);
  assert.match(stderr, /growthbook/);
});

test("the demo: recorded, imported, compared, switched, and visitors keep their page", {
  timeout: 240_000,
}, async () => {
  const env = { ...process.env, SORTITION_BIN: binary };
  const { stdout } = await promisify(execFile)(process.execPath, [at("scripts/takeover.mjs"), "200"], {
    env,
    timeout: 380_000,
    maxBuffer: 1 << 24,
  });
  assert.match(stdout, /Recorded 400 decisions/);
  assert.match(stdout, /0 of 400 differ/);
  assert.match(stdout, /100 of 100 visitors with cookies keep their page/);
});
