// Convert: its npm SDK against the import, and the helper that code written for that SDK goes on with: the same visitor
// ids, variations and goals, by Convert's configuration or by the worker.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import convertSdk from "@convertcom/js-sdk";
import {
  anchored,
  bucketOf,
  byConfiguration,
  byWorker,
  createContext,
  inMemory,
  layoutOf,
  packed,
  visitorId,
} from "../../clients/convert/index.js";
import { startWorld } from "../edge/world.mjs";
import { IDS, payloads, random, sortition } from "./compare.mjs";

const ConvertSDK = convertSdk.default ?? convertSdk;

/** A configuration of random experiences, without rules unless `rules`. */
function configuration(dice, { rules = false } = {}) {
  const audiences = [
    {
      id: "100",
      key: "us",
      type: "transient",
      name: "us",
      rules: {
        OR: [
          {
            AND: [
              {
                OR_WHEN: [
                  {
                    rule_type: "generic_text_key_value",
                    key: "country",
                    matching: { match_type: "matches", negated: false },
                    value: "US",
                  },
                ],
              },
            ],
          },
        ],
      },
    },
  ];
  const experiences = Array.from({ length: 8 }, (_, number) => {
    const count = 2 + dice.whole(3);
    const shares = dice.pick([[50, 50], [33.33, 33.33, 33.34], [5, 5, 5], [10, 0, 20], [100]]);
    const ids = dice.chance(0.5) ? ["20", "3", "100", "7"] : ["b", "a", "c", "d"];
    return {
      id: String(1000 + number),
      key: `experience-${number}`,
      name: `e${number}`,
      type: "a/b_fullstack",
      status: "active",
      version: dice.pick([3, 11]),
      audiences: rules && dice.chance(0.4) ? ["100"] : [],
      locations: [],
      site_area: null,
      goals: ["9"],
      settings: { matching_options: { audiences: "any" } },
      variations: Array.from({ length: count }, (_, i) => ({
        id: `${ids[i]}${number}`,
        key: `variation-${i}`,
        status: dice.chance(0.9) ? "running" : "stopped",
        traffic_allocation: shares[i % shares.length],
        changes: [],
      })),
    };
  });
  return {
    account_id: "1",
    project: { id: "2", key: "p", settings: {} },
    audiences,
    locations: [],
    segments: [],
    features: [],
    goals: [{ id: "9", key: "purchase" }],
    experiences,
  };
}

async function sdkOf(data, options = {}) {
  const sdk = new ConvertSDK({ data, network: { tracking: false }, logger: { logLevel: 5 }, ...options });
  await sdk.onReady();
  return sdk;
}

test("Convert's SDK and the import", async () => {
  await payloads(
    "convert",
    async (dice) => {
      const payload = configuration(dice, { rules: true });
      const sdk = await sdkOf(structuredClone(payload));
      const decide = (key, { id, attributes }) => {
        const found = sdk
          .createContext(id)
          .runExperience(key, { visitorProperties: attributes, locationProperties: {}, enableTracking: false });
        return typeof found === "object" && found ? found.key : null;
      };
      return { payload, decide, args: ["--layout", "packed"] };
    },
    { reasons: [] },
  );
});

test("the helper gives what the SDK gives, and goes on with its store", async () => {
  let compared = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const dice = random(seed * 31);
    const config = configuration(dice);
    const stored = new Map();
    const dataStore = { get: (key) => stored.get(key), set: (key, value) => void stored.set(key, value) };
    const sdk = await sdkOf(structuredClone(config), { dataStore });
    const decider = byConfiguration(config, { layout: "packed" });
    for (let number = 0; number < IDS / 4; number++) {
      const id = `visitor-${seed}-${dice.whole(1e9)}`;
      const theirs = sdk.createContext(id);
      const ours = createContext(id, { decider });
      for (const { key } of config.experiences) {
        const expected = theirs.runExperience(key, {
          visitorProperties: {},
          locationProperties: {},
          enableTracking: false,
        });
        const given = await ours.runExperience(key, { enableTracking: false });
        assert.equal(given?.key, expected?.key, `${key} of ${id}: ${expected}`);
        compared++;
      }
      await theirs.releaseQueues();
      // why: what the SDK stored is kept, whatever the traffic became since
      const none = structuredClone(config);
      for (const variation of none.experiences.flatMap((it) => it.variations)) variation.traffic_allocation = 0;
      const after = createContext(id, { decider: byConfiguration(none), store: inMemory(stored) });
      const before = theirs.runExperience("experience-0", {
        visitorProperties: {},
        locationProperties: {},
        enableTracking: false,
      });
      assert.equal((await after.runExperience("experience-0"))?.key, before?.key);
    }
  }
  console.log(`convert: the helper and the SDK, 0 of ${compared} decisions differ`);
});

test("layouts are those of Convert's vectors", { skip: !process.env.SORTITION_CONFORMANCE }, () => {
  const file = join(process.env.SORTITION_CONFORMANCE, "takeover", "convert", "cross-sdk-bucketing-vectors.json");
  const vectors = JSON.parse(readFileSync(file, "utf8"));
  for (const { experienceId, visitorId, version, variations, expected, description } of vectors) {
    const bucket = bucketOf(experienceId, visitorId);
    const found = layoutOf({ version: version ?? 12 })(variations).find(
      ({ from, to }) => from <= bucket && bucket < to,
    );
    assert.equal(found?.id ?? null, expected ?? null, description);
  }
  console.log(`convert: the helper and ${vectors.length} vectors, 0 differ`);
});

test("a variation that grows moves nobody where each has its own place, and pushes others where they are packed", () => {
  const at = (layout, share) => layout(["o", "a", "b"].map((id) => ({ id, traffic_allocation: share })));
  const variants = (ranges) => (bucket) => ranges.find(({ from, to }) => from <= bucket && bucket < to)?.id;
  const moved = (layout) => {
    const [before, after] = [variants(at(layout, 5)), variants(at(layout, 25 / 3))];
    return Array.from({ length: 10_000 }, (_, bucket) => bucket).filter((b) => before(b) && before(b) !== after(b))
      .length;
  };
  assert.equal(moved(anchored), 0);
  assert.ok(moved(packed) > 300);
});

test("goals count once, tracking is off where a call says so, and the id is the same on server and page", async () => {
  const config = configuration(random(5));
  config.experiences = config.experiences.slice(0, 2);
  for (const it of config.experiences)
    it.variations = [{ id: "1", key: "only", traffic_allocation: 100, status: "running" }];
  const sent = [];
  const report = (events) => void sent.push(...events);
  const store = inMemory();
  const decider = byConfiguration(config);
  const context = createContext("visitor-0001", { decider, store, report });
  assert.equal((await context.runExperience("experience-0", { enableTracking: false })).key, "only");
  assert.deepEqual(sent, []);
  await Promise.all([context.runExperience("experience-0"), context.runExperience("experience-0")]);
  assert.deepEqual(
    sent.map(({ type, experiment_id, variant }) => [type, experiment_id, variant]),
    [["experiment_exposed", "experience-0", "only"]],
  );
  assert.equal(await context.runExperience("nothing"), undefined);
  assert.deepEqual(
    (await context.runExperiences({ enableTracking: false })).map((it) => it.experienceKey),
    ["experience-0", "experience-1"],
  );
  sent.length = 0;
  const sale = {
    conversionData: [
      { key: "amount", value: 19.99 },
      { key: "transactionId", value: "t-1" },
    ],
  };
  const goals = await Promise.all([
    context.trackConversion("purchase", sale),
    context.trackConversion("purchase", sale),
  ]);
  assert.deepEqual(goals, [true, false]);
  // another process, the same store
  const again = createContext("visitor-0001", { decider, store, report });
  assert.equal(await again.trackConversion("purchase", sale), false);
  assert.equal(await again.trackConversion("nothing", sale), false);
  assert.equal(
    await again.trackConversion("purchase", { ...sale, conversionSetting: { forceMultipleTransactions: true } }),
    true,
  );
  assert.deepEqual(
    sent.map((event) => [event.conversion_event, event.value, event.transaction_id]),
    [
      ["purchase", 19.99, "t-1"],
      ["purchase", 19.99, "t-1"],
    ],
  );
  config.experiences[0].audiences = ["100"];
  await assert.rejects(createContext("v", { decider }).runExperience("experience-0"), /let the worker decide/);
  assert.equal(visitorId("a=1; convert_visitor_id=abc%2Fd; sortition_id=x"), "abc/d");
  assert.equal(visitorId("sortition_id=visitor-0001"), "visitor-0001");
  assert.equal(visitorId(""), undefined);
});

test("the worker decides as the SDK did, and exposes unless tracking is off", async () => {
  const config = configuration(random(11), { rules: true });
  const folder = mkdtempSync(join(tmpdir(), "sortition-convert-"));
  const into = join(folder, "experiments.json");
  let world;
  try {
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    writeFileSync(join(folder, "map.json"), JSON.stringify({ country: "custom.country" }));
    const args = ["--layout", "packed", "--attributes", join(folder, "map.json")];
    const { status, stderr } = sortition("import", "convert", join(folder, "config.json"), "--into", into, ...args);
    assert.equal(status, 0, stderr);
    const document = JSON.parse(readFileSync(into, "utf8"));
    document.visitor = { cookie: "convert_visitor_id", read: "url" };
    world = await startWorld({ document, vars: { API_TOKEN: "token" } });
    const sdk = await sdkOf(structuredClone(config));
    for (let number = 0; number < 40; number++) {
      const id = `visitor-${number}`;
      const country = number % 2 ? "US" : "DE";
      const decider = byWorker({
        base: String(world.url).replace(/\/$/, ""),
        token: "token",
        context: { custom: { country } },
      });
      const context = createContext(id, { decider });
      for (const { key } of config.experiences) {
        const expected = sdk
          .createContext(id)
          .runExperience(key, { visitorProperties: { country }, locationProperties: {}, enableTracking: false });
        const given = await context.runExperience(key, { enableTracking: false });
        assert.equal(given?.key, expected?.key, `${key} of ${id}`);
      }
    }
    assert.deepEqual(await world.sent(), []);
    const decider = byWorker({ base: String(world.url).replace(/\/$/, ""), token: "token" });
    const context = createContext("visitor-1", { decider });
    const all = await context.runExperiences({ enableTracking: false });
    assert.deepEqual(await world.sent(), []);
    await context.runExperience(all[0].experienceKey);
    const exposed = (await world.sent()).flatMap((message) => message.events);
    assert.equal(exposed.length, 1);
  } finally {
    await world?.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
