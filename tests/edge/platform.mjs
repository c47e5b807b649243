// Stand-ins for KV, a queue, R2 and D1 that do what a test says: hold values, fail, or never answer. workerd speaks HTTP to
// such services, so one small server plays all of them.

import http from "node:http";

/** Starts the stand-ins. Their state may be changed at any time. */
export async function startPlatform() {
  const state = {
    /** What KV holds. */
    kv: new Map(),
    /**
     * How KV, the queue, R2 and D1 behave: `ok`, `fail` (an error) or `hang` (no answer at all). A queue may also be
     * `single`: it refuses calls with several messages, or `poison`: it refuses calls in which the word stands.
     */
    behaviour: { kv: "ok", queue: "ok", r2: "ok", d1: "ok" },
    /** Every key that KV was asked for. */
    reads: [],
    /** The keys of each call to KV. */
    calls: [],
    /** Keys that KV fails to give. */
    unreadable: new Set(),
    /** How long KV takes, in milliseconds. */
    delay: { kv: 0 },
    /** Every message that the queue took. */
    bodies: [],
    /** Their visits, each as if it were a message of its own. */
    messages: [],
    /** How often the queue was asked to take some. */
    sends: 0,
    /** How many visits it took, ever. */
    taken: 0,
    /** What R2 holds, by key. */
    objects: new Map(),
    /** Every statement that D1 took. */
    statements: [],
    /** What the data centre's cache holds, by URL. */
    cache: new Map(),
  };
  const answers = { kv: readKey, queue: takeMessages, r2: keepObject, d1: takeStatements, cache: keepCopy };
  const server = http.createServer(async (request, response) => {
    const content = await contentOf(request);
    if (!content) return;
    const service = request.headers["test-service"];
    const behaviour = state.behaviour[service];
    if (service === "queue") state.sends++;
    const keys = service === "kv" ? keysOf(request, content) : [];
    if (service === "kv") {
      state.reads.push(...keys);
      state.calls.push(keys);
      if (state.delay.kv) await new Promise((resolve) => setTimeout(resolve, state.delay.kv));
    }
    if (behaviour === "hang") return;
    const refuses = {
      fail: () => true,
      single: () => messagesOf(content).length > 1,
      poison: () => JSON.stringify(messagesOf(content)).includes("poison"),
    };
    if (refuses[behaviour]?.() || keys.some((key) => state.unreadable.has(key))) {
      response.writeHead(500);
      return response.end("this service is told to fail");
    }
    answers[service](state, request, response, content);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    ...state,
    address: `127.0.0.1:${server.address().port}`,
    get sends() {
      return state.sends;
    },
    get taken() {
      return state.taken;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The request's body; undefined where a world that ends cut it off. */
async function contentOf(request) {
  const chunks = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch (error) {
    if (request.complete) throw error;
    return undefined;
  }
  return Buffer.concat(chunks);
}

const isBulk = (request) => request.method === "POST" && request.url.startsWith("/bulk/get");

const keysOf = (request, content) =>
  isBulk(request)
    ? JSON.parse(content.toString()).keys
    : [decodeURIComponent(new URL(request.url, "http://kv").pathname.slice(1))];

function readKey(state, request, response, content) {
  const keys = keysOf(request, content);
  if (isBulk(request)) {
    response.writeHead(200, { "Content-Type": "application/json" });
    return response.end(JSON.stringify(Object.fromEntries(keys.map((key) => [key, state.kv.get(key) ?? null]))));
  }
  const value = state.kv.get(keys[0]);
  response.writeHead(value === undefined ? 404 : 200);
  response.end(value);
}

/** The messages of a call of `sendBatch`. */
const messagesOf = (body) =>
  JSON.parse(body.toString()).messages.map((message) => JSON.parse(Buffer.from(message.body, "base64").toString()));

function takeMessages(state, _request, response, body) {
  const bodies = messagesOf(body);
  const visits = bodies.flatMap(({ visits, ...rest }) => visits.map((visit) => ({ ...rest, ...visit })));
  state.taken += visits.length;
  state.bodies.push(...bodies);
  state.messages.push(...visits);
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(
    JSON.stringify({ metadata: { metrics: { backlogCount: 0, backlogBytes: 0, oldestMessageTimestamp: 0 } } }),
  );
}

/** The protocol of the Cache API: what is put comes as an HTTP response in the body. */
function keepCopy(state, request, response, content) {
  const url = `${request.headers.host}${request.url}`;
  if (request.method === "PUT") {
    const end = content.indexOf("\r\n\r\n");
    const lines = content.subarray(0, end).toString().split("\r\n").slice(1);
    const [, seconds = 0] = /^cache-control:.*\bmax-age=(\d+)/im.exec(lines.join("\n")) ?? [];
    state.cache.set(url, {
      until: Date.now() + 1000 * seconds,
      headers: lines.map((line) => line.split(": ")),
      body: dechunked(lines, content.subarray(end + 4)),
    });
    response.writeHead(204);
    return response.end();
  }
  const found = state.cache.get(url);
  if (!found || found.until <= Date.now()) {
    response.writeHead(504, { "CF-Cache-Status": "MISS" });
    return response.end();
  }
  const kept = found.headers.filter(([name]) => !/^(transfer-encoding|content-length)$/i.test(name));
  response.writeHead(200, { ...Object.fromEntries(kept), "CF-Cache-Status": "HIT" });
  response.end(found.body);
}

/** The body of a response that was sent in chunks, or as it is: workerd announces chunks of a body that it sends whole. */
function dechunked(lines, body) {
  const isChunked = lines.some((line) => /^transfer-encoding: *chunked/i.test(line));
  if (!isChunked || !/^[0-9a-f]+\r\n/i.test(body.subarray(0, 20).toString("latin1"))) return body;
  const parts = [];
  for (let at = 0; ; ) {
    const end = body.indexOf("\r\n", at);
    const length = Number.parseInt(body.subarray(at, end).toString(), 16);
    if (!(length > 0)) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

/** R2's protocol: a piece of JSON that says what is wanted, in a header or before the object's bytes. */
function keepObject(state, request, response, body) {
  const size = Number(request.headers["cf-r2-metadata-size"] ?? 0);
  const wanted = JSON.parse(request.headers["cf-r2-request"] ?? body.subarray(0, size).toString());
  const answers = {
    put() {
      state.objects.set(wanted.object, body.subarray(size).toString());
      return [headOf(state, wanted.object)];
    },
    get: () => [headOf(state, wanted.object), state.objects.get(wanted.object)],
    list() {
      const prefix = wanted.prefix ?? "";
      const below = (key) => wanted.delimiter && key.slice(prefix.length).includes(wanted.delimiter);
      const keys = [...state.objects.keys()].filter((key) => key.startsWith(prefix) && !below(key)).sort();
      const limit = wanted.limit ?? 1000;
      const objects = keys.slice(0, limit).map((key) => headOf(state, key));
      return [{ objects, truncated: keys.length > limit, delimitedPrefixes: [] }];
    },
    delete() {
      for (const key of wanted.objects ?? [wanted.object]) state.objects.delete(key);
      return [{}];
    },
  };
  const [head, content = ""] = answers[wanted.method]();
  const text = JSON.stringify(head);
  response.writeHead(200, { "CF-R2-Metadata-Size": String(Buffer.byteLength(text)) });
  response.end(text + content);
}

function headOf(state, name) {
  return {
    name,
    version: "1",
    size: String(state.objects.get(name).length),
    etag: "00",
    uploaded: String(Date.now()),
    httpFields: {},
    customFields: [],
    checksums: {},
    storageClass: "Standard",
  };
}

/** D1's protocol, as far as a database goes that takes every statement and has no rows. */
function takeStatements(state, _request, response, body) {
  const statements = [JSON.parse(body.toString())].flat();
  state.statements.push(...statements);
  const meta = {
    duration: 0,
    changes: 0,
    last_row_id: 0,
    changed_db: false,
    size_after: 0,
    rows_read: 0,
    rows_written: 0,
  };
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify(statements.map(() => ({ success: true, results: { columns: [], rows: [] }, meta }))));
}
