// The built worker's consumer behind a queue that the test plays, with D1, R2 and the dead letters' queue that fail when
// they are told to: before they did what was asked, or after, when only the answer is lost.

import worker from "../../build/index.js";
import { day, garbage } from "./day.mjs";
import { random } from "./random.mjs";

const days = new Map();

/** The rows that the stream took. */
const stream = [];

let paused = false;

const ROUTES = {
  deliver,
  migrate,
  fill,
  results,
  record,
  archive,
  objects,
  put,
  letters,
  streamed,
  schedule,
  stands,
  resume,
};

export default {
  async fetch(request, env, ctx) {
    const route = ROUTES[new URL(request.url).pathname.slice(1)];
    return route ? Response.json(await route(await request.json(), env, ctx)) : new Response(null, { status: 404 });
  },
};

/**
 * Delivers messages of the day of `size` messages, by number; a negative one is garbage. Resolves to the ids that were
 * acknowledged and those that are to be delivered again, and to what it took. `bodies` are messages of another day.
 * `databases`: how many the record lies in; `refuses`: the number of one that takes nothing. `crash`: from the so manieth moment on nothing works, where a call has one
 * before and one after it. `pause`: it stands still at such a moment until `resume` is asked.
 */
async function deliver(
  { size = 1, place, deliveries, bodies, failures = 0, seed = 1, databases = 1, refuses, crash, pause },
  env,
  ctx,
) {
  if (!days.has(size)) days.set(size, day(size));
  const next = random(seed);
  let moments = 0;
  const fails = async () => {
    moments++;
    if (moments === pause) await standStill();
    return crash ? moments >= crash : next() < failures;
  };
  const acked = [];
  const retried = [];
  const messages = deliveries.map(({ id, number, attempts }) => ({
    id,
    attempts,
    timestamp: new Date(),
    body: bodies?.[number] ?? (number < 0 ? garbage(-number) : days.get(size)[number]),
    ack: () => acked.push(id),
    retry: () => retried.push(id),
  }));
  const counts = { puts: 0, batches: 0, statements: 0, streams: 0, written: 0, size: 0 };
  const count = (name) => {
    counts[name]++;
  };
  const hear = (statements) => {
    count("batches");
    counts.statements += statements.length;
    return (results) => {
      for (const { meta } of results) {
        counts.written += meta.rows_written;
        counts.size = meta.size_after;
      }
    };
  };
  const world = {
    ARCHIVE: unreliable(env[`ARCHIVE_${place}`], { put: () => count("puts") }, fails),
    ...ledgers(env, place, databases, (database, number) =>
      unreliable(database, { batch: hear }, number === refuses ? async () => true : fails),
    ),
    // why: Pipelines do not run here; this stands in for the stream
    PIPELINE: unreliable({ send: async (rows) => stream.push(...rows) }, { send: () => count("streams") }, fails),
    DEAD_LETTERS: unreliable(env.DEAD_LETTERS, { send: (letter) => keep(letter, env) }, fails),
  };
  const started = performance.now();
  await worker.queue({ queue: "sortition-events", messages }, world, ctx);
  return { acked, retried, counts, moments, milliseconds: performance.now() - started };
}

/** Stands still until somebody asks to go on. */
async function standStill() {
  paused = true;
  while (paused) await scheduler.wait(2);
}

/** Whether a delivery stands still. */
async function stands() {
  return paused;
}

async function resume() {
  paused = false;
  return true;
}

/** The databases of a place under the names of the worker's bindings. */
function ledgers(env, place, databases, wrap) {
  const names = Array.from({ length: databases }, (_, number) => (number ? `_${number}` : ""));
  return Object.fromEntries(
    names.map((name, number) => [`LEDGER${name}`, wrap(env[`LEDGER_${place}${name}`], number)]),
  );
}

/** A binding whose named methods tell what they were called with, and fail now and then. */
function unreliable(binding, methods, fails) {
  return new Proxy(binding, {
    get(target, name) {
      const value = target[name];
      if (typeof value !== "function" || name === "constructor") return value;
      if (!Object.hasOwn(methods, name)) return value.bind(target);
      return async (...given) => {
        if (await fails()) throw new Error(`${name} fails before`);
        const heard = await methods[name](...given);
        const answer = await value.apply(target, given);
        if (typeof heard === "function") heard(answer);
        if (await fails()) throw new Error(`${name} fails after`);
        return answer;
      };
    },
  });
}

/** Runs the schedule once, with nothing but the record; resolves to the most rows that a transaction of it wrote. */
async function schedule({ place, databases = 1 }, env) {
  let most = 0;
  const hear = () => (results) => {
    most = Math.max(
      most,
      results.reduce((sum, { meta }) => sum + meta.rows_written, 0),
    );
  };
  const record = ledgers(env, place, databases, (database) => unreliable(database, { batch: hear }, () => false));
  const waits = [];
  await worker.scheduled({}, { ...record, CONFIG: env.LETTERS }, { waitUntil: (promise) => waits.push(promise) });
  await Promise.all(waits);
  return most;
}

/** A letter may be sent twice, where the answer got lost. */
async function keep(letter, env) {
  const text = JSON.stringify(letter);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  await env.LETTERS.put(Array.from(digest.slice(0, 16), (byte) => byte.toString(16)).join("."), text);
}

async function letters(_, env) {
  const all = [];
  let cursor;
  do {
    const page = await env.LETTERS.list({ cursor });
    all.push(...(await Promise.all(page.keys.map(({ name }) => env.LETTERS.get(name, "json")))));
    cursor = page.list_complete ? undefined : page.cursor;
  } while (cursor);
  return all;
}

/** The rows that the stream took since it was last asked. */
async function streamed() {
  return stream.splice(0);
}

async function migrate({ place, statements }, env) {
  const database = env[`LEDGER_${place}`];
  await database.batch(statements.map((sql) => database.prepare(sql)));
  return true;
}

/** Runs a statement on lists of rows, each as its one parameter. */
async function fill({ place, sql, rows }, env) {
  const database = env[`LEDGER_${place}`];
  await database.batch(rows.map((some) => database.prepare(sql).bind(JSON.stringify(some))));
  return true;
}

/** The results of experiments of a document, as the worker computes them from the record. */
async function results({ place, document, ids }, env, ctx) {
  const config = JSON.stringify(document);
  const CONFIG = {
    get: async (key) => (key === "config" ? config : null),
    list: async () => ({ keys: [], list_complete: true }),
  };
  const world = { ...ledgers(env, place, 1, (database) => database), CONFIG, ADMIN_TOKEN: "secret", ORIGIN_URL: "" };
  const headers = { authorization: "Bearer secret" };
  const one = async (id) => {
    const request = new Request(`https://shop.example/_sortition/experiments/${id}.json`, { headers });
    return (await worker.fetch(request, world, ctx)).json();
  };
  const all = {};
  for (const id of ids) all[id] = await one(id);
  return all;
}

async function record({ place, sql }, env) {
  return (await env[`LEDGER_${place}`].prepare(sql).all()).results;
}

/** Every object of the archive, key and text. */
async function objects({ place, prefix = "events/" }, env) {
  const bucket = env[`ARCHIVE_${place}`];
  const { objects } = await bucket.list({ prefix });
  return Promise.all(objects.map(async ({ key }) => ({ key, text: await (await bucket.get(key)).text() })));
}

async function put({ place, key, text }, env) {
  await env[`ARCHIVE_${place}`].put(key, text);
  return true;
}

/** How many different lines the archive holds, and a digest of them in order. */
async function archive({ place, folder = "events" }, env) {
  const bucket = env[`ARCHIVE_${place}`];
  const lines = new Set();
  let cursor;
  do {
    const page = await bucket.list({ prefix: `${folder}/`, cursor });
    for (const { key } of page.objects) {
      const text = await (await bucket.get(key)).text();
      for (const line of text.trimEnd().split("\n")) lines.add(line);
    }
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor);
  const all = new TextEncoder().encode([...lines].sort().join("\n"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return { lines: lines.size, digest: Array.from(digest).join(" ") };
}
