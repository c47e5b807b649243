// The same thousand flags for everybody who evaluates them: ours, by hand, and for two SDKs. Each answers OFREP's body, for
// the same context, to whoever has the token.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** How many flags there are. */
export const FLAGS = 1000;

const TOKEN = "token-of-the-benchmark";
const at = (place) => fileURLToPath(new URL(place, import.meta.url));
const keys = Array.from({ length: FLAGS }, (_, number) => `flag-${number}`);
const isTargeted = (number) => number % 5 === 0;

/** Half and half, every fifth for one country only. */
export const ours = {
  version: 1,
  project: "bench",
  revision: "bench-flags",
  experiments: keys.map((id, number) => ({
    id,
    status: "running",
    unit: "user",
    variants: [
      { id: "control", weight: 50 },
      { id: "bold", weight: 50 },
    ],
    ...(isTargeted(number) ? { audience: { country: "CH" } } : {}),
  })),
};

export const byHand = {
  revision: "bench-flags",
  flags: keys.map((key, number) => ({ key, country: isTargeted(number) ? "CH" : undefined })),
};

export const growthbook = {
  features: Object.fromEntries(
    keys.map((key, number) => {
      const rule = { key, hashAttribute: "id", hashVersion: 2, seed: key, variations: ["control", "bold"] };
      const condition = isTargeted(number) ? { country: "CH" } : undefined;
      return [key, { defaultValue: "control", rules: [{ ...rule, condition, weights: [0.5, 0.5], coverage: 1 }] }];
    }),
  ),
};

/** Optimizely's datafile, as its documentation describes it. */
export const optimizely = (() => {
  const audience = {
    id: "ch",
    name: "ch",
    conditions: JSON.stringify(["or", { match: "exact", name: "country", type: "custom_attribute", value: "CH" }]),
  };
  const experiments = keys.map((key, number) => ({
    id: `e${number}`,
    key,
    layerId: `l${number}`,
    status: "Running",
    audienceIds: isTargeted(number) ? ["ch"] : [],
    forcedVariations: {},
    variations: ["control", "bold"].map((name) => ({
      id: `${number}-${name}`,
      key: name,
      featureEnabled: name === "bold",
      variables: [],
    })),
    trafficAllocation: [
      { entityId: `${number}-control`, endOfRange: 5000 },
      { entityId: `${number}-bold`, endOfRange: 10_000 },
    ],
  }));
  return {
    version: "4",
    revision: "1",
    projectId: "bench",
    accountId: "bench",
    anonymizeIP: true,
    botFiltering: false,
    groups: [],
    attributes: [{ id: "country", key: "country" }],
    audiences: [audience],
    typedAudiences: [audience],
    events: [],
    rollouts: [],
    experiments,
    featureFlags: keys.map((key, number) => ({
      id: `f${number}`,
      key,
      rolloutId: "",
      experimentIds: [`e${number}`],
      variables: [],
    })),
  };
})();

const path = "/_sortition/ofrep/v1/evaluate/flags";
const headers = { Host: "shop.example", "content-type": "application/json", authorization: `Bearer ${TOKEN}` };
const body = JSON.stringify({ context: { targetingKey: "user-17", country: "CH", plan: "gold" } });
const workers = ["flags-handwritten", "ours-flags", "flags-growthbook", "flags-optimizely"];

/** The rows. `most` is the most CPU time of an answer, in microseconds. */
export const rows = [
  {
    name: "OFREP, one flag of 1,000",
    path: `${path}/flag-500`,
    headers,
    body,
    workers,
    shows: { text: '"key":"flag-500"', messages: 0 },
    targets: [["ours-flags", "flags-handwritten", 1.3]],
  },
  {
    name: "OFREP, 1,000 flags",
    path,
    headers,
    body,
    workers,
    shows: { text: '"key":"flag-999"', messages: 0 },
    targets: [],
  },
];

/** The workers, the SDKs' bundled; `built` is ours. */
export function flagWorkers({ modules }) {
  const vars = { API_TOKEN: TOKEN };
  const read = (file) => readFileSync(at(file));
  const all = {
    "ours-flags": { modules, store: "flags", vars },
    "flags-handwritten": { modules: { "worker.js": read("flags-handwritten.js") }, store: "flags-by-hand", vars },
  };
  for (const name of ["growthbook", "optimizely"]) {
    all[`flags-${name}`] = { modules: { "worker.js": bundled(name) }, store: `flags-${name}`, vars };
  }
  return all;
}

/** The contents of their stores. */
export const stores = {
  flags: { config: JSON.stringify(ours) },
  "flags-by-hand": { config: JSON.stringify(byHand) },
  "flags-growthbook": { config: JSON.stringify(growthbook) },
  "flags-optimizely": { config: JSON.stringify(optimizely) },
};

function bundled(name) {
  const sdks = at("../tests/takeover/node_modules");
  if (!existsSync(sdks)) throw new Error("the SDKs are missing: npm install --prefix tests/takeover");
  const folder = at("../target/bench");
  mkdirSync(folder, { recursive: true });
  const out = join(folder, `flags-${name}.js`);
  const flags = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--conditions=worker", `--outfile=${out}`];
  const { status, stderr } = spawnSync(
    at("../node_modules/.bin/esbuild"),
    [at(`flags-${name}.js`), ...flags, "--log-level=error"],
    {
      env: { ...process.env, NODE_PATH: sdks },
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(stderr);
  return readFileSync(out);
}
