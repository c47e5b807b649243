// What page requests have for the queue → messages, those of a few milliseconds in one: a call costs as much as half of a
// pass-through, and a queue takes five thousand messages a second. Each visit in a message keeps a number of its own.

import { deliver, messagesOf, numberedVisits, pause } from "./ship.js";

// How long a visit waits for others: short beside what a queue takes to accept a message.
const WAIT_MS = 25;
// After how long a parcel that still waits was left behind by the request that should have sent it.
const LEFT_BEHIND_MS = 1000;
// The most that go into one parcel: about what one call takes.
const MOST = 100;
const MOST_CHARACTERS = 200_000;
// When the second request of a parcel looks whether the first one has sent it, each after the one before. Together they
// are longer than sending, retrying and spilling may take, and shorter than what the platform leaves a request for it.
const LOOKS_MS = [100, 1000, 17_000];

/** The parcel that still takes messages. */
let open;
/** Those that were sent at once, until they are known to be safe. */
const unsettled = new Set();
/** When there was something to post last. */
let posted = 0;

/**
 * Posts the visits of a page request, one a line, behind its answer: at once where none came shortly before, else in a
 * parcel with those that come shortly after. The first request of a parcel sends it. Should that
 * one be ended before it could (the platform ends a request that uses too much time), the second does, or whoever comes
 * later. What was sent twice is stored once.
 */
export function post(lines, env, ctx) {
  const now = Date.now();
  const visits = numberedVisits(lines);
  const isQuiet = !open && now - posted > WAIT_MS;
  posted = now;
  for (const parcel of unsettled) {
    if (now - parcel.since <= LEFT_BEHIND_MS) break;
    // why: once more, not with every visit that comes while the queue is slow
    unsettled.delete(parcel);
    ctx.waitUntil(sendNow(parcel, env));
  }
  if (isQuiet) {
    // why: nobody else is likely to come in time, and to wake up once more would cost more than the call
    const parcel = { visits, since: now };
    unsettled.add(parcel);
    ctx.waitUntil(sendNow(parcel, env));
    return;
  }
  if (!open || open.visits.length >= MOST || open.characters + lines.length > MOST_CHARACTERS) {
    open = { visits, characters: lines.length, requests: 1, since: now, sent: false };
    ctx.waitUntil(sendSoon(open, env));
    return;
  }
  open.visits.push(...visits);
  open.characters += lines.length;
  open.requests++;
  if (now - open.since > LEFT_BEHIND_MS) ctx.waitUntil(sendNow(open, env));
  else if (open.requests === 2) ctx.waitUntil(lookAfter(open, env));
}

async function sendSoon(parcel, env) {
  await pause(WAIT_MS);
  await sendNow(parcel, env);
}

async function sendNow(parcel, env) {
  if (open === parcel) open = undefined;
  await deliver(messagesOf(parcel.visits), env);
  parcel.sent = true;
  unsettled.delete(parcel);
}

async function lookAfter(parcel, env) {
  for (const milliseconds of LOOKS_MS) {
    await pause(milliseconds);
    if (parcel.sent) return;
  }
  await sendNow(parcel, env);
}
