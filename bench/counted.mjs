// The built worker, with its bindings counted as Cloudflare bills them. `/counted` tells, and counts nothing itself. cost.mjs
// puts it beside a copy of the worker: what is not bundled can name only what lies with it.

import worker from "./index.js";

export { Person } from "./index.js";

const CHUNK = 64 * 1024;
// What a queue adds to a message.
const METADATA = 100;

const counts = {
  requests: 0,
  invocations: 0,
  kv_reads: 0,
  kv_writes: 0,
  messages: 0,
  queue_operations: 0,
  r2_class_a: 0,
  r2_class_b: 0,
  r2_bytes: 0,
  d1_rows_read: 0,
  d1_rows_written: 0,
  d1_bytes: 0,
  durable_object_requests: 0,
};

const sizeOf = (value) =>
  typeof value === "string" ? new TextEncoder().encode(value).length : (value?.byteLength ?? 0);

/** A binding whose named methods are counted. */
function counted(binding, methods) {
  return new Proxy(binding, {
    get(target, name) {
      const value = target[name];
      if (typeof value !== "function" || name === "constructor") return value;
      return Object.hasOwn(methods, name) ? (...given) => methods[name](target, ...given) : value.bind(target);
    },
  });
}

const kv = (binding) =>
  counted(binding, {
    get(target, key, ...rest) {
      counts.kv_reads += Array.isArray(key) ? key.length : 1;
      return target.get(key, ...rest);
    },
    put(target, ...given) {
      counts.kv_writes++;
      return target.put(...given);
    },
    list(target, ...given) {
      counts.kv_writes++;
      return target.list(...given);
    },
  });

/** A message is written, read and deleted, in pieces of 64 KB. */
function message(body) {
  counts.messages++;
  counts.queue_operations += 3 * Math.ceil((sizeOf(JSON.stringify(body)) + METADATA) / CHUNK);
}

const queue = (binding) =>
  counted(binding, {
    send(target, body, ...rest) {
      message(body);
      return target.send(body, ...rest);
    },
    sendBatch(target, messages, ...rest) {
      for (const { body } of messages) message(body);
      return target.sendBatch(messages, ...rest);
    },
  });

const r2 = (binding) =>
  counted(binding, {
    put(target, key, value, ...rest) {
      counts.r2_class_a++;
      counts.r2_bytes += sizeOf(value);
      return target.put(key, value, ...rest);
    },
    list(target, ...given) {
      counts.r2_class_a++;
      return target.list(...given);
    },
    get(target, ...given) {
      counts.r2_class_b++;
      return target.get(...given);
    },
    head(target, ...given) {
      counts.r2_class_b++;
      return target.head(...given);
    },
  });

function rows({ meta }) {
  counts.d1_rows_read += meta.rows_read;
  counts.d1_rows_written += meta.rows_written;
  counts.d1_bytes = Math.max(counts.d1_bytes, meta.size_after ?? 0);
}

const original = Symbol("statement");

function statement(one) {
  return new Proxy(one, {
    get(target, name) {
      if (name === original) return target;
      if (name === "bind") return (...values) => statement(target.bind(...values));
      const whole = async () => {
        const result = await target.all();
        rows(result);
        return result;
      };
      if (name === "all" || name === "run") return whole;
      // why: `raw` and `first` do not tell what they read
      if (name === "raw") return async () => (await whole()).results.map((row) => Object.values(row));
      if (name === "first") return async () => (await whole()).results[0] ?? null;
      return target[name];
    },
  });
}

const d1 = (binding) =>
  counted(binding, {
    prepare: (target, sql) => statement(target.prepare(sql)),
    async batch(target, statements) {
      const results = await target.batch(statements.map((one) => one[original] ?? one));
      for (const result of results) rows(result);
      return results;
    },
  });

const people = (binding) =>
  counted(binding, {
    get(target, ...given) {
      return counted(target.get(...given), {
        fetch(stub, ...asked) {
          counts.durable_object_requests++;
          return stub.fetch(...asked);
        },
      });
    },
  });

const KINDS = { CONFIG: kv, EVENTS: queue, DEAD_LETTERS: queue, ARCHIVE: r2, LEDGER: d1, PEOPLE: people };
const known = new WeakMap();

/** The worker's bindings, the same ones for the same environment: it keeps things by them. */
function world(env) {
  if (!known.has(env)) {
    const all = Object.entries(env).map(([name, binding]) => [name, KINDS[name] ? KINDS[name](binding) : binding]);
    known.set(env, Object.fromEntries(all));
  }
  return known.get(env);
}

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/counted") return Response.json(counts);
    counts.requests++;
    return worker.fetch(request, world(env), ctx);
  },
  async queue(batch, env, ctx) {
    counts.invocations++;
    return worker.queue(batch, world(env), ctx);
  },
  async scheduled(event, env, ctx) {
    counts.invocations++;
    return worker.scheduled(event, world(env), ctx);
  },
};
