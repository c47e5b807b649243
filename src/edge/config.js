// KV → the wasm: reads what has a say in the plan, and keeps a copy in the data centre for isolates that start while KV
// fails. What it means, `configuration.rs` says.

import * as core from "sortition-core";
import { pause } from "./ship.js";

const KEYS = ["config", "kill", "kill-guard"];
// The queues that events may go to.
const QUEUES = ["EVENTS", ...Array.from({ length: 9 }, (_, index) => `EVENTS_${index + 1}`)];
// why: KV caches a reading for 60 seconds unless told otherwise, and takes no less than 30
const OPTIONS = { cacheTtl: 30 };
// A reading that takes longer is given up. A panic in the wasm would leave it pending for ever.
const PATIENCE_MS = 10_000;
// After so long an isolate without a plan also looks for the data centre's copy.
const COPY_AFTER_MS = 1000;
const OLDEST_COPY_SECONDS = 7 * 86_400;

/**
 * What the wasm was told, so that the services can be told it too when they come up: the bindings; the readings that the
 * plan comes from, which are the last that was good and, where that one was not, the last; and a number that changes with
 * them.
 */
export const told = { bindings: undefined, readings: [], number: 0 };

/** `values`: what was handed over, the time last. */
function note(method, values) {
  const last = told.readings.at(-1);
  const isNews =
    last?.method !== method || !values.every((value, at) => at === values.length - 1 || value === last.values[at]);
  const good = core.has_error() ? told.readings.filter(({ isGood }) => isGood) : [];
  told.readings = [...good, { method, values, isGood: !core.has_error() }];
  if (isNews) told.number++;
}

/**
 * Reads KV and hands it to the wasm. `usable` resolves once there is a plan, or nothing more to wait for; `done` once
 * everything is over. Neither rejects. `url` is that of a request: the copy is kept under its host.
 */
export function load(env, url) {
  let resolve;
  const usable = new Promise((resolved) => {
    resolve = resolved;
  });
  const done = taken(env, url, resolve)
    .catch((error) =>
      console.error(`sortition: failed in loading the document, the shop goes on: ${error?.stack ?? error}`),
    )
    .finally(resolve);
  return { usable, done };
}

async function taken(env, url, usable) {
  // why: after every wait the instance may be another one; see `revive` in entry.js
  core.generation();
  const secrets = [env.SORTITION_SECRET, env.INGEST_SECRET, env.USER_JWT_SECRET];
  const hasQueue = QUEUES.some((name) => env[name]);
  told.bindings = [...secrets, hasQueue, Date.now()];
  core.configure(...told.bindings);
  core.note_people(Boolean(env.PEOPLE));
  const reading = read(env.CONFIG);
  const early = await Promise.race([reading, pause(COPY_AFTER_MS)]);
  core.generation();
  if (!core.has_plan() && (!early || early.some(({ problem }) => problem)) && (await startByCopy(env, url))) usable();
  const keys = await Promise.race([reading, pause(PATIENCE_MS)]);
  if (!keys) return;
  core.generation();
  const values = [
    ...keys.map(({ text }) => text ?? undefined),
    ...keys.map(({ problem }) => problem),
    env.CONFIG_TTL_SECONDS === undefined ? undefined : String(env.CONFIG_TTL_SECONDS),
    Date.now(),
  ];
  const complaint = core.settle(...values);
  note("settle", values);
  if (complaint) console.error(`sortition: ${complaint}`);
  const set = core.secret_names().split(",");
  const missing = core.note_secrets(set.reduce((bits, name, bit) => (env[name] ? bits | (1 << bit) : bits), 0));
  if (missing) console.error(`sortition: ${missing}`);
  usable();
  if (url && core.copy_is_due(Date.now())) await keepCopy(env, url, keys);
}

/** Each key's text, null where there is none, or what the problem is. One call where the runtime takes several keys. */
async function read(store) {
  if (!store) return KEYS.map(() => ({ problem: "the KV binding CONFIG is missing" }));
  try {
    const found = await store.get(KEYS, OPTIONS);
    if (found instanceof Map) return KEYS.map((key) => ({ text: found.get(key) ?? null }));
  } catch {
    // why: several values together may be too much for one call, and one that fails need not fail the others
  }
  return Promise.all(
    KEYS.map(async (key) => {
      try {
        return { text: await store.get(key, OPTIONS) };
      } catch (error) {
        return { problem: `KV did not give \`${key}\`: ${error}` };
      }
    }),
  );
}

/** Where the copy is kept. Two workers on one host have different origins, and nobody else can ask for a path of ours. */
function placeOf(env, url) {
  const { origin } = new URL(url);
  return `${origin}/_sortition/copy?origin=${encodeURIComponent(env.ORIGIN_URL ?? "")}`;
}

async function startByCopy(env, url) {
  if (!url || typeof caches === "undefined") return false;
  try {
    const copy = await caches.default.match(placeOf(env, url));
    if (!copy) return false;
    const { at, texts } = await copy.json();
    core.generation();
    const values = [...texts.map((text) => text ?? undefined), at, Date.now()];
    const isTaken = core.settle_by_copy(...values);
    if (isTaken) note("settle_by_copy", values);
    return isTaken;
  } catch (error) {
    console.error(`sortition: failed in starting by the data centre's copy of the document: ${error}`);
    return false;
  }
}

async function keepCopy(env, url, keys) {
  if (typeof caches === "undefined") return;
  try {
    const copy = new Response(JSON.stringify({ at: Date.now(), texts: keys.map(({ text }) => text) }), {
      headers: { "content-type": "application/json", "cache-control": `public, max-age=${OLDEST_COPY_SECONDS}` },
    });
    await caches.default.put(placeOf(env, url), copy);
  } catch (error) {
    console.error(`sortition: failed in keeping a copy of the document: ${error}`);
  }
}
