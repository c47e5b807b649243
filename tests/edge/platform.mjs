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
  };
  const answers = { kv: readKey, queue: takeMessages, r2: keepObject, d1: takeStatements };
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const service = request.headers["test-service"];
    const behaviour = state.behaviour[service];
    if (service === "kv") state.reads.push(keyOf(request));
    if (service === "queue") state.sends++;
    const content = Buffer.concat(chunks);
    if (behaviour === "hang") return;
    const refuses = {
      fail: () => true,
      single: () => messagesOf(content).length > 1,
      poison: () => JSON.stringify(messagesOf(content)).includes("poison"),
    };
    if (refuses[behaviour]?.()) {
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

const keyOf = (request) => decodeURIComponent(new URL(request.url, "http://kv").pathname.slice(1));

function readKey(state, request, response) {
  const value = state.kv.get(keyOf(request));
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
