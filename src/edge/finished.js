// Finished bodies of pages that visitors share: what the rewriter made of a copy, kept in the isolate for whoever is to be
// sent the very same bytes. Such a visit asks neither the cache nor the rewriter for anything; only its headers are its own.
//
// A body belongs to the copy that it was made of. What this isolate remembers of that one stands for what the cache has
// for a second at most (`execution::shared`); whoever comes later looks, and where another copy is in its place, what was
// made of the old one is gone. What the body depends on beside the copy, the wasm says (`visit::SharedBody`).

import * as core from "sortition-core";
import { bytesOf } from "./bounded.js";
import { counted } from "./rewrite.js";

// What an isolate keeps: it has 128 MB for everything.
const MOST_BYTES = 16 << 20;
const MOST_PAGES = 500;
const LONGEST = 512 << 10;
// Of one page, those that most visitors get; how often others were wanted is counted, of so many.
const MOST_BODIES = 8;
const MOST_COUNTED = 64;
// From which visit on that gets it a body is kept: of what comes once only, a copy would be for nothing.
const KEPT_FROM = 2;
// One that is not finished by then was cut off with the request behind which it was made.
const LOST_MS = 30_000;

// By the copy's key, those that were looked for longest ago first.
const pages = new Map();
let bytes = 0;

/** What an answer says that has a part in what becomes of it. */
export function headOf({ status, headers }) {
  return {
    status,
    type: headers.get("content-type"),
    coding: headers.get("content-encoding"),
    control: headers.get("cache-control"),
    etag: headers.get("etag"),
    expose: headers.get("sortition-expose"),
    user: headers.get("sortition-user"),
    versions: headers.get("sortition-versions"),
    variants: headers.get("sortition-variants"),
    assignments: headers.get("sortition-assignments"),
  };
}

/** The finished body of a copy that this isolate looked for just now, if there is one; see `used`. */
export function remembered(key, { body, readsGzip }, ctx) {
  const page = pages.get(key);
  const kept = page?.bodies.get(body);
  if (!kept) return undefined;
  const age = core.copy_remembered(page.made, page.fresh, page.seen, Date.now());
  return age === undefined ? undefined : { how: "hit", finished: used(page, kept, age, readsGzip, ctx) };
}

/**
 * A copy that was found, with its finished body (`finished`) where one was made of it, or with what `keep` takes where one
 * is to be made. `copy`: its `response`, the `key`, the `identity` that no other copy has, when it was `made` and for how
 * long it is `fresh`.
 */
export function foundCopy(copy, { body, watchable, readsGzip }, ctx) {
  const { how, response, key } = copy;
  if (!body || response.status !== 200 || copy.identity === undefined) return { how, response };
  const page = seen(key, copy);
  const kept = page.bodies.get(body);
  if (kept) {
    response.body?.cancel();
    core.copy_was_finished();
    return { how, finished: used(page, kept, response.headers.get("age"), readsGzip, ctx) };
  }
  return { how, response, keep: isWanted(page, body) ? { page, body, watchable, ...recorder(watchable) } : undefined };
}

/** Takes note of a copy as the cache has it now. */
function seen(key, { identity, made, fresh, response }) {
  let page = pages.get(key);
  if (page?.identity === identity) {
    pages.delete(key);
  } else {
    if (page) drop(page);
    const headers = new Headers(response.headers);
    for (const name of ["age", "content-length"]) headers.delete(name);
    page = { key, identity, made, fresh, headers, head: headOf(response), isLong: false };
    page.bodies = new Map();
    page.wanted = new Map();
    page.begun = new Map();
  }
  pages.set(key, page);
  page.seen = Date.now();
  shrink();
  return page;
}

function drop(page) {
  pages.delete(page.key);
  for (const kept of page.bodies.values()) bytes -= sizeOf(kept);
}

const sizeOf = ({ plain, zipped }) => plain.length + (zipped?.length ?? 0);

function shrink() {
  for (const page of pages.values()) {
    if (bytes <= MOST_BYTES && pages.size <= MOST_PAGES) return;
    drop(page);
  }
}

/** Whether a body that is not there is to be kept: those that are wanted most often are. */
function isWanted(page, body) {
  if (page.isLong) return false;
  const { wanted, begun, bodies } = page;
  if (wanted.size >= MOST_COUNTED && !wanted.has(body)) wanted.clear();
  const count = (wanted.get(body) ?? 0) + 1;
  wanted.set(body, count);
  const now = Date.now();
  if (count < KEPT_FROM || now - (begun.get(body) ?? 0) < LOST_MS) return false;
  if (bodies.size >= MOST_BODIES && count <= least(bodies)[1].uses) return false;
  if (begun.size >= MOST_COUNTED) begun.clear();
  begun.set(body, now);
  return true;
}

const least = (bodies) => [...bodies].reduce((least, one) => (one[1].uses < least[1].uses ? one : least));

/** What is noted while a body is made: which experiments met their element, and what each step met. */
function recorder(watchable) {
  return { record: { watchable, met: new Set(), treatments: [] } };
}

/** The answer, of whose body a copy is kept. */
export function keep(answer, { page, body, record }, ctx) {
  const [own, other] = answer.body.tee();
  ctx.waitUntil(
    bytesOf(other, LONGEST)
      .then((plain) => {
        // why: the copy may be another one by now
        if (pages.get(page.key) !== page) return;
        if (!plain) {
          page.isLong = true;
          return;
        }
        // why: one that was taken for lost may come after the one that was made in its place
        if (page.bodies.has(body)) return;
        if (page.bodies.size >= MOST_BODIES) {
          const [name, kept] = least(page.bodies);
          page.bodies.delete(name);
          bytes -= sizeOf(kept);
        }
        page.bodies.set(body, { plain, record, uses: page.wanted.get(body) ?? 0 });
        bytes += plain.length;
        shrink();
      })
      .catch((error) => console.error(`sortition: failed in keeping a finished body: ${error}`))
      .finally(() => page.begun.delete(body)),
  );
  return new Response(own, answer);
}

function used(page, kept, age, readsGzip, ctx) {
  kept.uses++;
  counted(kept.record.treatments);
  const isZipped = readsGzip && kept.zipped !== undefined;
  if (readsGzip && !kept.isZipping) {
    kept.isZipping = true;
    ctx.waitUntil(zip(page, kept));
  }
  const head = isZipped ? { ...page.head, coding: "gzip" } : page.head;
  return { page, head, age, bytes: isZipped ? kept.zipped : kept.plain, isZipped, met: kept.record.met };
}

/** Compresses a body behind the answer of the first one who could have had it so. */
async function zip(page, kept) {
  try {
    const stream = new Response(kept.plain).body.pipeThrough(new CompressionStream("gzip"));
    const zipped = await new Response(stream).bytes();
    // why: what is gone by now no longer counts
    const isKept = pages.get(page.key) === page && [...page.bodies.values()].includes(kept);
    if (zipped.length >= kept.plain.length || !isKept) return;
    kept.zipped = zipped;
    bytes += zipped.length;
    shrink();
  } catch (error) {
    console.error(`sortition: failed in compressing a finished body: ${error}`);
  }
}

/** The response that a finished body makes; its headers are yet the copy's. */
export function answerOf({ page, bytes, age, isZipped }) {
  const answer = new Response(bytes, { headers: page.headers, encodeBody: isZipped ? "manual" : "automatic" });
  answer.headers.set("age", age);
  return answer;
}
