// Messages → the queue; what it refuses waits in R2 for the scheduled handler, what it gives up is kept there.

// How often wrangler.toml has a failed message delivered again before it becomes a dead letter.
const RETRIES = 10;
// How long the queue may take to accept messages. What it accepts later it has twice, and the record once.
const ANSWER_MS = 3000;
// How many of the waiting messages one run of the schedule takes, and how many at once: a call of the runtime may do a
// thousand requests, and the queue takes 256 KB with one.
const RECOVERED = 600;
const TOGETHER = 50;

/**
 * Sends a message, three times if need be. Resolves to whether it is safe: in the queue, or in R2 until the scheduled
 * handler brings it back. Never rejects.
 */
export async function ship(text, env) {
  const refusal = await send([text], env);
  if (!refusal) return true;
  try {
    if (!env.ARCHIVE) throw new Error("there is no ARCHIVE to keep it in");
    const { source, seq } = JSON.parse(text);
    await env.ARCHIVE.put(`spill/${source}-${seq}.json`, text);
    console.error(`sortition: the queue refused a message, it waits in spill/: ${refusal}`);
    return true;
  } catch (error) {
    const { events } = JSON.parse(text);
    console.error(
      `sortition: failed in sending events, ${events.length} lost. The queue: ${refusal}. Spilling them: ${error}`,
    );
    return false;
  }
}

/** Sends messages with one call, several times if need be; resolves to why the queue refused them. */
export async function send(texts, env, attempts = 3) {
  let refusal;
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      await inTime(env.EVENTS.sendBatch(texts.map((text) => ({ body: JSON.parse(text), contentType: "json" }))));
      return undefined;
    } catch (error) {
      refusal = error ?? new Error("it said nothing");
      await pause(50 * 4 ** attempt);
    }
  }
  return refusal;
}

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

/** Brings messages that the queue once refused back to it. */
export async function recover(env) {
  if (!env.ARCHIVE || !env.EVENTS) return;
  const { objects } = await env.ARCHIVE.list({ prefix: "spill/", limit: RECOVERED });
  for (let first = 0; first < objects.length; first += TOGETHER) {
    const keys = objects.slice(first, first + TOGETHER).map(({ key }) => key);
    const texts = await Promise.all(keys.map(async (key) => (await env.ARCHIVE.get(key))?.text()));
    const spilled = keys.map((key, index) => ({ key, text: texts[index] })).filter(({ text }) => text);
    if (!(await bringBack(spilled, env))) return;
  }
}

/** Sends spilled messages and deletes them; whether the queue works. */
async function bringBack(spilled, env) {
  if (spilled.length === 0) return true;
  const together = spilled.map(({ text }) => text);
  if (!(await send(together, env, 1))) {
    await env.ARCHIVE.delete(spilled.map(({ key }) => key));
    return true;
  }
  let refused = 0;
  for (const { key, text } of spilled) {
    const refusal = await send([text], env);
    if (refusal) console.error(`sortition: the queue still refuses ${key}: ${refusal}`);
    else await env.ARCHIVE.delete(key);
    // why: of one that is refused the message may be the cause, of three the queue is
    refused = refusal ? refused + 1 : 0;
    if (refused === 3) return false;
  }
  return true;
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
