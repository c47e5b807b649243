// Visits → messages → the queue; what it refuses waits in R2 for the scheduled handler, what it refuses again and again is
// set aside there, and what it gives up is kept.

// How often wrangler.toml has a failed message delivered again before it becomes a dead letter.
const RETRIES = 10;
// How long a queue may take to accept messages. What it accepts later it has twice, and the record once.
const ANSWER_MS = 3000;
// What one message holds at most; a queue takes 128 KB.
const MESSAGE = { events: 100, visits: 100, bytes: 100_000 };
// What one call to a queue takes at most: a little below the platform's 256 KB.
const CALL = { messages: 100, bytes: 240_000 };
// How many of the waiting messages one run of the schedule takes: a call of the runtime may do a thousand requests.
const RECOVERED = 600;
// After how many runs in which the queue took other messages one that it refused is set aside.
const CHANCES = 3;
// After so many refusals in a row it is asked whether the queue works at all.
const DOUBT = 3;

/** The bindings of the queues that events may go to. */
const QUEUES = ["EVENTS", ...Array.from({ length: 9 }, (_, index) => `EVENTS_${index + 1}`)];

/** The isolate's random id, how many visits it numbered, and which of the queues that are bound is its own. */
const isolate = { source: undefined, visits: 0, queue: undefined };

/** How many visits the isolate told of. */
export const numbered = () => isolate.visits;

/** Visits, one a line, each with its number. */
export function numberedVisits(lines) {
  return lines.split("\n").map((text) => ({ seq: isolate.visits++, text }));
}

/** The queues that are bound. */
function queuesOf(env) {
  return QUEUES.filter((name) => env[name]).map((name) => env[name]);
}

/** Whether events can go anywhere. */
export const hasQueue = (env) => queuesOf(env).length > 0;

/**
 * Sends visits, one a line, and resolves to whether they are safe: in a queue, or in R2 until the scheduled handler brings
 * them back. Without a queue there is nothing to do. Never rejects.
 */
export async function ship(lines, env) {
  if (!hasQueue(env)) return true;
  return deliver(messagesOf(numberedVisits(lines)), env);
}

/** Numbered visits as few messages: each with what it takes in bytes. */
export function messagesOf(visits) {
  isolate.source ??= crypto.randomUUID().replaceAll("-", "");
  const messages = [];
  let open;
  for (const { seq, text } of visits) {
    const visit = JSON.parse(text);
    visit.seq = seq;
    // why: the number and a comma
    const bytes = bytesOf(text) + 32;
    const fits =
      open &&
      open.events + visit.events.length <= MESSAGE.events &&
      open.body.visits.length < MESSAGE.visits &&
      open.bytes + bytes <= MESSAGE.bytes;
    if (!fits) {
      open = { body: { schema: 2, source: isolate.source, visits: [] }, events: 0, bytes: 100 };
      messages.push(open);
    }
    open.body.visits.push(visit);
    open.events += visit.events.length;
    open.bytes += bytes;
  }
  return messages;
}

const encoder = new TextEncoder();
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const BEYOND_ASCII = /[^\x00-\x7f]/;

// why: nearly every text is ASCII, and to encode it only to count costs more than to look
const bytesOf = (text) => (BEYOND_ASCII.test(text) ? encoder.encode(text).length : text.length);

/** Messages in as few calls as the platform takes them with. */
function callsOf(messages) {
  const calls = [];
  let bytes = 0;
  for (const message of messages) {
    const last = calls.at(-1);
    if (last && last.length < CALL.messages && bytes + message.bytes <= CALL.bytes) {
      last.push(message);
      bytes += message.bytes;
    } else {
      calls.push([message]);
      bytes = message.bytes;
    }
  }
  return calls;
}

/** Brings messages to safety; resolves to whether all are. */
export async function deliver(messages, env) {
  const calls = callsOf(messages).map(async (call) => {
    // why: of messages that are refused together one may be the cause, and each has its own place to wait
    if (call.length > 1 && !(await send(call, env, 1))) return true;
    const safe = await Promise.all(call.map((message) => sendOrSpill(message, env)));
    return safe.every(Boolean);
  });
  return (await Promise.all(calls)).every(Boolean);
}

async function sendOrSpill(message, env) {
  const refusal = await send([message], env);
  if (!refusal) return true;
  try {
    if (!env.ARCHIVE) throw new Error("there is no ARCHIVE to keep it in");
    await env.ARCHIVE.put(`spill/${nameOf(message.body)}`, JSON.stringify(message.body));
    console.error(`sortition: the queue refused a message, it waits in spill/: ${refusal}`);
    return true;
  } catch (error) {
    console.error(
      `sortition: failed in sending events, ${message.events} lost. The queue: ${refusal}. Spilling them: ${error}`,
    );
    return false;
  }
}

const nameOf = ({ source, seq, visits }) => `${source}-${visits ? visits[0]?.seq : seq}.json`;

/**
 * Sends messages with one call, several times if need be; resolves to why they were refused. Of several queues the isolate
 * has one of its own, asks the next where that one fails, and keeps to the one that took them.
 */
async function send(messages, env, attempts = 3) {
  const queues = queuesOf(env);
  isolate.queue ??= Math.floor(Math.random() * queues.length);
  const own = isolate.queue;
  let refusal;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const place = (own + attempt) % queues.length;
    try {
      await inTime(queues[place].sendBatch(messages.map(({ body }) => ({ body, contentType: "json" }))));
      isolate.queue = place;
      return undefined;
    } catch (error) {
      refusal = error ?? new Error("it said nothing");
      if (attempt + 1 < attempts) await pause(attempt === 0 ? 50 : 200);
    }
  }
  return refusal;
}

/** Asks every queue once: what waits in R2 can wait longer, and goes where there is one that works. */
const sendAgain = (messages, env) => send(messages, env, queuesOf(env).length);

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What the queue says, or that it is late: what hangs would be lost when the platform ends what is left of a request. */
async function inTime(answer) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not answer in ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Brings messages that the queue once refused back to it; those that it refuses though it works are counted. */
export async function recover(env) {
  if (!env.ARCHIVE || !hasQueue(env)) return;
  const { objects } = await env.ARCHIVE.list({ prefix: "spill/", delimiter: "/", limit: RECOVERED });
  const refused = [];
  for (const call of callsOf(objects.map(({ key, size }) => ({ key, bytes: size })))) {
    const spilled = (await Promise.all(call.map(({ key }) => readSpilled(key, env)))).filter(Boolean);
    if (!(await bringBack(spilled, refused, env))) return;
  }
  if (refused.length > 0 && (await works(env))) for (const one of refused) await noteRefused(one, env);
}

/** A spilled message: `{ key, body, count }`, the count where it was refused before; undefined where it is gone. */
async function readSpilled(key, env) {
  const object = await env.ARCHIVE.get(key);
  if (!object) return undefined;
  const text = await object.text();
  try {
    const value = JSON.parse(text);
    return value.body ? { key, body: value.body, count: value.count ?? 0 } : { key, body: value, count: 0 };
  } catch (error) {
    await setAside({ key, body: text, count: 1 }, `it is no JSON: ${error}`, env);
  }
}

/** Sends spilled messages and deletes them; adds to `refused` what the queue does not take. Whether the queue works. */
async function bringBack(spilled, refused, env) {
  if (spilled.length === 0) return true;
  if (!(await sendAgain(spilled, env))) {
    await env.ARCHIVE.delete(spilled.map(({ key }) => key));
    return true;
  }
  let inARow = 0;
  for (const one of spilled) {
    const refusal = await sendAgain([one], env);
    if (refusal) {
      refused.push({ ...one, refusal });
      // why: of one that is refused the message may be the cause, of three the queue may be
      if (++inARow === DOUBT && !(await works(env))) {
        console.error(`sortition: the queue still refuses what waits in spill/: ${refusal}`);
        return false;
      }
      inARow %= DOUBT;
    } else {
      await env.ARCHIVE.delete(one.key);
      inARow = 0;
    }
  }
  return true;
}

/** Whether a queue takes a message that nothing is wrong with: one without visits. */
async function works(env) {
  return !(await sendAgain([{ body: { schema: 2, source: "probe", visits: [] } }], env));
}

/** What the queue refused though it works: one that was refused so in several runs is set aside. */
async function noteRefused({ key, body, count, refusal }, env) {
  if (body.visits?.length > 1) {
    // why: one visit may be the cause, and the others need not wait for it
    const kept = [];
    for (const visit of body.visits) {
      const alone = { ...body, visits: [visit] };
      const reason = await sendAgain([{ body: alone }], env);
      if (reason) kept.push(await keepRefused({ body: alone, count: 1 }, reason, env));
    }
    if (!kept.includes(key)) await env.ARCHIVE.delete(key);
    return;
  }
  const counted = { key, body, count: count + 1 };
  if (counted.count < CHANCES) await keepRefused(counted, refusal, env);
  else await setAside(counted, refusal, env);
}

/** Keeps a message for the next run, with how often it was refused; resolves to its key. */
async function keepRefused({ body, count }, reason, env) {
  const key = `spill/${nameOf(body)}`;
  await env.ARCHIVE.put(key, JSON.stringify({ reason: String(reason), count, body }));
  return key;
}

/** Keeps a message out of the way, where `sortition events replay` finds it. */
async function setAside({ key, body, count }, reason, env) {
  const name = `spill/refused/${key.slice("spill/".length)}`;
  await env.ARCHIVE.put(name, JSON.stringify({ reason: String(reason), count, body }));
  await env.ARCHIVE.delete(key);
  console.error(`sortition: a message was refused ${count} times and is set aside as ${name}: ${reason}`);
}

/**
 * Keeps a copy of messages on their last delivery: should it fail, they become dead letters, which nothing but a consumer
 * of that queue can read, for four days. `sortition events replay` brings the copies back.
 */
export async function keepLast(batch, env) {
  const last = batch.messages.filter(({ attempts }) => attempts > RETRIES);
  if (last.length === 0 || !env.ARCHIVE) return;
  const reason = `it was delivered ${RETRIES + 1} times`;
  const kept = await Promise.allSettled(
    last.map(({ id, body }) => env.ARCHIVE.put(`dead/${id}.json`, JSON.stringify({ reason, body }))),
  );
  const failed = kept.find(({ status }) => status === "rejected");
  if (failed) console.error(`sortition: failed in keeping messages on their last delivery: ${failed.reason}`);
}

// What a stream takes with one call: 5 MB of records, of which this is a good deal less.
const ROWS = { count: 500, bytes: 1_000_000 };

/** Sends rows, a JSON list, to the stream PIPELINE; rejects where it takes one of them not. */
export async function toPipeline(rows, env) {
  const all = JSON.parse(rows);
  // why: rows are alike in size, so that as many of them as calls are needed come out below the bound
  const calls = Math.max(1, Math.ceil(rows.length / ROWS.bytes), Math.ceil(all.length / ROWS.count));
  const each = Math.ceil(all.length / calls);
  for (let at = 0; at < all.length; at += each) await env.PIPELINE.send(all.slice(at, at + each));
}
