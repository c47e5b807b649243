// KV → the wasm: reads what has a say in the plan, and keeps a copy in the data centre for isolates that start while KV
// fails. What it means, `configuration.rs` says. The page's wasm reads no documents, only plans: those that `push` wrote
// beside them, else what the services make of the text.

import * as core from "sortition-core";
import { urlOf } from "./address.js";
import { wake } from "./services.js";
import { hasQueue, pause } from "./ship.js";
import { tell, told } from "./told.js";

const KEYS = ["config", "kill", "kill-guard"];
// why: KV caches a reading for 60 seconds unless told otherwise, and takes no less than 30
const OPTIONS = { cacheTtl: 30 };
// A reading that takes longer is given up. A panic in the wasm would leave it pending for ever.
const PATIENCE_MS = 10_000;
// After so long an isolate without a plan also looks for the data centre's copy.
const COPY_AFTER_MS = 1000;
const OLDEST_COPY_SECONDS = 7 * 86_400;
const LONG = { "cache-control": `public, max-age=${OLDEST_COPY_SECONDS}` };

/** The plan that was read last, and what its document is known by. */
let known;

/**
 * What the wasm is told of a document: its `content`, what its text is known by, of which it has read the plan then, or
 * why it is refused (`refusal`). Rejects where it cannot be read now. `kept` is its plan, where the data centre has it.
 */
async function prepared(text, env, kept) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const content = [...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  core.generation();
  if (core.has_document(content)) return { content, plan: known };
  const ways = [() => kept, () => pushed(content, env), async () => (await wake()).compile(text)];
  for (const way of ways) {
    let bytes;
    try {
      bytes = known?.content === content ? known.bytes : await way();
    } catch (reason) {
      // why: the wasm throws a text where it refuses a document, and an error where something of ours is wrong
      if (typeof reason === "string") return { refusal: reason };
      throw reason;
    }
    core.generation();
    // why: another request may have read it meanwhile
    if (core.has_document(content)) return { content, plan: known };
    if (bytes && core.read_plan(content, bytes)) {
      known = { content, bytes };
      return { content, plan: known };
    }
  }
  throw new Error("the services made a plan that the page cannot read");
}

const TAG_BYTES = 32;
// How long the plan is waited for, which is only there to save work.
const PLAN_MS = 300;

/** The plan that `push` wrote beside the document; undefined where there is none. With a secret it has to be signed. */
async function pushed(content, env) {
  try {
    const text = await Promise.race([env.CONFIG.get(`plan:${content}`, OPTIONS), pause(PLAN_MS)]);
    if (!text) return undefined;
    const bytes = Uint8Array.fromBase64
      ? Uint8Array.fromBase64(text)
      : Uint8Array.from(atob(text), (it) => it.charCodeAt(0));
    const [tag, plan] = [bytes.subarray(0, TAG_BYTES), bytes.subarray(TAG_BYTES)];
    if (!env.SORTITION_SECRET) return plan;
    const encoder = new TextEncoder();
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", encoder.encode(env.SORTITION_SECRET), algorithm, false, [
      "verify",
    ]);
    const what = encoder.encode(`plan/${content}/`);
    const message = new Uint8Array(what.length + plan.length);
    message.set(what);
    message.set(plan, what.length);
    return (await crypto.subtle.verify("HMAC", key, tag, message)) ? plan : undefined;
  } catch (error) {
    console.error(`sortition: failed in reading the plan of the document, which is compiled instead: ${error}`);
  }
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
  // why: the copy is kept under the host
  const done = taken(env, urlOf(url) && url, resolve)
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
  told.bindings = [...secrets, hasQueue(env), Boolean(env.PEOPLE), Date.now()];
  core.configure(...told.bindings);
  const reading = read(env.CONFIG);
  const early = await Promise.race([reading, pause(COPY_AFTER_MS)]);
  core.generation();
  if (!core.has_plan() && (!early || early.some(({ problem }) => problem)) && (await startByCopy(env, url))) usable();
  const keys = await Promise.race([reading, pause(PATIENCE_MS)]);
  if (!keys) return;
  core.generation();
  const [{ text, problem }] = keys;
  const document =
    typeof text === "string" ? await prepared(text, env).catch((error) => ({ problem: `${error}` })) : {};
  core.generation();
  const complaint = tell(
    false,
    [
      document.content,
      ...keys.slice(1).map(({ text }) => text ?? undefined),
      problem ?? document.problem,
      ...keys.slice(1).map(({ problem }) => problem),
      document.refusal,
      Number.parseFloat(env.CONFIG_TTL_SECONDS),
      Date.now(),
    ],
    document.plan,
  );
  if (complaint) console.error(`sortition: ${complaint}`);
  const set = core.secret_names().split(",");
  const missing = core.note_secrets(set.reduce((bits, name, bit) => (env[name] ? bits | (1 << bit) : bits), 0));
  if (missing) console.error(`sortition: ${missing}`);
  usable();
  if (url) await keepCopy(env, url, keys);
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

const placeOfPlan = (env, url) => `${placeOf(env, url)}&plan`;

async function startByCopy(env, url) {
  if (!url || typeof caches === "undefined") return false;
  try {
    const copy = await caches.default.match(placeOf(env, url));
    if (!copy) return false;
    const { at, texts } = await copy.json();
    const [text, ...switches] = texts;
    const kept = await caches.default.match(placeOfPlan(env, url));
    const document = typeof text === "string" ? await prepared(text, env, kept && (await kept.bytes())) : {};
    core.generation();
    const values = [document.content, ...switches.map((text) => text ?? undefined), at, Date.now()];
    return tell(true, values, document.plan);
  } catch (error) {
    console.error(`sortition: failed in starting by the data centre's copy of the document: ${error}`);
    return false;
  }
}

/**
 * Keeps what KV said where that is news; of a document that is refused, or could not be read, only the switches beside the
 * one before.
 */
async function keepCopy(env, url, keys) {
  if (typeof caches === "undefined") return;
  try {
    const place = placeOf(env, url);
    const due = core.copy_due(place, Date.now());
    if (due === core.CopyDue.Nothing) return;
    const isAll = due === core.CopyDue.Everything;
    const texts = keys.map(({ text }) => text);
    const before = isAll ? undefined : await caches.default.match(place);
    if (!isAll && !before) return;
    // why: the document is as old as it was
    const kept = before ? await before.json() : { at: Date.now(), texts };
    const content = JSON.stringify({ at: kept.at, texts: [kept.texts[0], ...texts.slice(1)] });
    const copy = new Response(content, { headers: { "content-type": "application/json", ...LONG } });
    await caches.default.put(place, copy);
    if (isAll && known) await caches.default.put(placeOfPlan(env, url), new Response(known.bytes, { headers: LONG }));
  } catch (error) {
    console.error(`sortition: failed in keeping a copy of the document: ${error}`);
  }
}
