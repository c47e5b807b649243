// Shared copies of pages in the Cache API, as the origin sent them, before anything of a visitor is added. Only for pages
// that the document names. A copy is asked for without anything of the visitor who happens to be first: no cookie, no
// id, no address, no user agent.

import { pause } from "./ship.js";

// How long a page whose answer may not be shared is asked for as if it were not named, and how many are remembered.
const UNSHARED_MS = 60_000;
const MOST_UNSHARED = 1000;
// A refresh that does not come back in this time has been cut off with the request behind whose answer it ran.
const REFRESH_MS = 30_000;

// The Cache API knows no stale-while-revalidate, so a copy stays there for both times, and says when it was made.
const MADE = "sortition-made";
const ORIGINAL = "sortition-cache-control";

// How long a request waits for the copy that another of this isolate is fetching, and how often it looks. No request may
// wait for what belongs to another, so each looks into the cache itself.
const FETCH_MS = 3000;
const LOOK_MS = 20;

const unshared = new Map();
const refreshing = new Map();
// When the first request began that fetches a copy of which there is none.
const fetching = new Map();
const counts = { hits: 0, stale: 0, misses: 0, bypassed: 0 };

/** How many pages came from copies, for `/health`; undefined where none was ever looked for. */
export function copies() {
  return Object.values(counts).some(Boolean) ? counts : undefined;
}

/**
 * The shared copy of a page and how it was come by (`hit`, `stale`, `miss`); undefined where there is none and the page
 * has to be asked for as this visitor. `variants` tells copies apart, `ask` asks the origin.
 */
export async function sharedCopy(variants, request, ask, ctx) {
  const key = keyOf(request.url, variants);
  const now = Date.now();
  if (unshared.get(key) > now || typeof caches === "undefined") return bypass();
  let found;
  try {
    found = await caches.default.match(key);
  } catch (error) {
    console.error(`sortition: there is no cache to keep shared copies in: ${error}`);
    forgo(key, now);
    return bypass();
  }
  const copy = found && restored(found, now);
  if (copy?.isFresh) {
    counts.hits++;
    return { how: "hit", response: conditional(copy.response, request) };
  }
  if (copy) {
    counts.stale++;
    if (!(refreshing.get(key) > now - REFRESH_MS)) {
      refreshing.set(key, now);
      ctx.waitUntil(fetched(key, variants, request.url, ask, ctx).finally(() => refreshing.delete(key)));
    }
    return { how: "stale", response: conditional(copy.response, request) };
  }
  // why: nothing may be awaited between looking for another's mark and setting one
  if (now - (fetching.get(key) ?? 0) < FETCH_MS) {
    const other = await copyOfAnother(key);
    if (other) {
      counts.hits++;
      return { how: "hit", response: conditional(other.response, request) };
    }
    if (unshared.get(key) > now) return bypass();
  }
  // why: a request that was ended leaves its mark behind
  if (fetching.size >= MOST_UNSHARED) fetching.delete(fetching.keys().next().value);
  fetching.set(key, now);
  const response = await fetched(key, variants, request.url, ask, ctx);
  if (!response) {
    fetching.delete(key);
    return bypass();
  }
  counts.misses++;
  return { how: "miss", response: conditional(response, request) };
}

/** The copy that another request of this isolate is fetching, once it is there; undefined where it is so in vain. */
async function copyOfAnother(key) {
  const since = fetching.get(key);
  while (fetching.get(key) === since && Date.now() - since < FETCH_MS) await pause(LOOK_MS);
  const found = await caches.default.match(key);
  const copy = found && restored(found, Date.now());
  return copy?.isFresh ? copy : undefined;
}

function bypass() {
  counts.bypassed++;
  return undefined;
}

/** Asks the origin for a copy and keeps it; undefined where its answer is not everybody's. Never rejects. */
async function fetched(key, variants, url, ask, ctx) {
  try {
    // why: uncompressed, since the rewriter would have to read and write it anew for every visitor
    const headers = { accept: "*/*", "accept-encoding": "identity", "user-agent": "Sortition (shared copy)" };
    if (variants) headers["sortition-variants"] = variants;
    const response = await ask(new Request(url, { headers, redirect: "manual" }));
    const times = lifetime(response);
    if (!times) {
      response.body?.cancel();
      // why: while the origin is down a stale copy is better than none
      if (response.status < 500 || !refreshing.has(key)) forgo(key, Date.now());
      return undefined;
    }
    ctx.waitUntil(keep(key, response.clone(), times));
    return response;
  } catch (error) {
    console.error(`sortition: failed in fetching a shared copy: ${error}`);
    return undefined;
  }
}

async function keep(key, response, { fresh, stale }) {
  try {
    const copy = new Response(response.body, response);
    copy.headers.set(ORIGINAL, copy.headers.get("cache-control"));
    copy.headers.set("cache-control", `public, max-age=${fresh + stale}`);
    copy.headers.set(MADE, `${Date.now()} ${fresh}`);
    for (const name of ["age", "expires", "cdn-cache-control", "cloudflare-cdn-cache-control"])
      copy.headers.delete(name);
    await caches.default.put(key, copy);
  } catch (error) {
    console.error(`sortition: failed in keeping a shared copy: ${error}`);
  } finally {
    fetching.delete(key);
  }
}

/** The copy as the origin sent it, with its age. */
function restored(found, now) {
  const [made, fresh] = (found.headers.get(MADE) ?? "").split(" ").map(Number);
  const age = Math.max(0, (now - made) / 1000);
  if (!Number.isFinite(age)) return undefined;
  const response = new Response(found.body, found);
  response.headers.set("cache-control", found.headers.get(ORIGINAL) ?? "");
  for (const name of [ORIGINAL, MADE, "cf-cache-status"]) response.headers.delete(name);
  response.headers.set("age", String(Math.floor(age)));
  return { isFresh: age < fresh, response };
}

/** A 304 where the visitor has the page already. */
function conditional(response, request) {
  const tag = response.headers.get("etag")?.replace(/^W\//, "");
  const known = request.headers.get("if-none-match");
  if (!tag || !known?.split(",").some((one) => one.trim().replace(/^W\//, "") === tag)) return response;
  response.body?.cancel();
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  return new Response(null, { status: 304, headers });
}

/**
 * For how many seconds an answer is fresh, and how many more it may be shown while another is fetched; undefined where
 * it is not for everybody. Only what says `public` itself is, and only with a lifetime.
 */
function lifetime(response) {
  const { headers } = response;
  const control = (headers.get("cache-control") ?? "").toLowerCase();
  const directives = new Map(control.split(",").map((directive) => directive.trim().split("=")));
  const seconds = (name) => (/^\d{1,9}$/.test(directives.get(name) ?? "") ? Number(directives.get(name)) : undefined);
  const vary = (headers.get("vary") ?? "").toLowerCase().split(",");
  const isForAll =
    response.status === 200 &&
    directives.has("public") &&
    !["private", "no-store", "no-cache"].some((name) => directives.has(name)) &&
    // why: `private="Set-Cookie"` and such; whoever writes them means something that this does not read
    !control.includes('"') &&
    !headers.has("set-cookie") &&
    !headers.has("sortition-user") &&
    !headers.has("content-encoding") &&
    vary.every((name) => ["", "accept-encoding"].includes(name.trim()));
  const fresh = (seconds("s-maxage") ?? seconds("max-age") ?? 0) - (Number(headers.get("age")) || 0);
  if (!isForAll || fresh <= 0) return undefined;
  const mustNot = directives.has("must-revalidate") || directives.has("proxy-revalidate");
  return { fresh, stale: mustNot ? 0 : (seconds("stale-while-revalidate") ?? 0) };
}

function forgo(key, now) {
  if (unshared.size >= MOST_UNSHARED) unshared.delete(unshared.keys().next().value);
  unshared.set(key, now + UNSHARED_MS);
}

/** Page and variants as one URL. Ours comes last, and what it holds is escaped, so no visitor's URL can be another's key. */
function keyOf(url, variants) {
  const page = url.split("#")[0];
  return `${page}${page.includes("?") ? "&" : "?"}sortition-variants=${encodeURIComponent(variants)}`;
}
