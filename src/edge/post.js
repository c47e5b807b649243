// The messages of page requests → the queue, those of a few milliseconds with one call. Each stays the message of one
// request; but a call costs as much as half of a pass-through, and under load hundreds a second would be made.

import { pause, send, ship } from "./ship.js";

// How long a message waits for others: short beside what a queue takes to accept it.
const WAIT_MS = 25;
// After how long a parcel that still waits was left behind by the request that should have sent it.
const LEFT_BEHIND_MS = 1000;
// The most that go with one call: the platform takes 100 messages and 256 KB, in UTF-8.
const MOST = 100;
const MOST_CHARACTERS = 64_000;
// When the second request of a parcel looks whether the first one has sent it, each after the one before. Together they
// are longer than sending, retrying and spilling may take, and shorter than what the platform leaves a request for it.
const LOOKS_MS = [100, 1000, 17_000];

/** The parcel that still takes messages. */
let open;

/**
 * Posts a message of a page request, behind its answer. The first request of a parcel sends it. Should that one be ended
 * before it could (the platform ends a request that uses too much time), the second does, or whoever comes later. What
 * was sent twice is stored once.
 */
export function post(text, env, ctx) {
  const now = Date.now();
  if (!open || open.texts.length >= MOST || open.characters + text.length > MOST_CHARACTERS) {
    open = { texts: [text], characters: text.length, since: now, sent: false };
    ctx.waitUntil(sendSoon(open, env));
    return;
  }
  open.texts.push(text);
  open.characters += text.length;
  if (now - open.since > LEFT_BEHIND_MS) ctx.waitUntil(sendNow(open, env));
  else if (open.texts.length === 2) ctx.waitUntil(lookAfter(open, env));
}

async function sendSoon(parcel, env) {
  await pause(WAIT_MS);
  await sendNow(parcel, env);
}

async function sendNow(parcel, env) {
  if (open === parcel) open = undefined;
  const { texts } = parcel;
  // why: of messages that are refused together one may be the cause, and each has its own place to wait
  if (texts.length === 1 || (await send(texts, env, 1))) await Promise.all(texts.map((text) => ship(text, env)));
  parcel.sent = true;
}

async function lookAfter(parcel, env) {
  for (const milliseconds of LOOKS_MS) {
    await pause(milliseconds);
    if (parcel.sent) return;
  }
  await sendNow(parcel, env);
}
