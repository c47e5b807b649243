// Shared copies of pages in the Cache API, as the origin sent them, before anything of a visitor is added. A copy is asked
// for without anything of the visitor who happens to be first: no cookie, no id, no address, no user agent. What is kept,
// how long, and who fetches it, the wasm says (`execution::shared`); this only carries it out.

import * as core from "sortition-core";
import { pause } from "./ship.js";

// The Cache API knows no stale-while-revalidate, so a copy stays there for both times, and says when it was made.
const MADE = "sortition-made";
const ORIGINAL = "sortition-cache-control";
// What is for one visitor, or in a form that not every visitor reads.
const PARTICULAR = ["set-cookie", "sortition-user", "content-encoding"];

/**
 * The shared copy of a page and how it was come by (`hit`, `stale`, `miss`); undefined where there is none and the page
 * has to be asked for as this visitor. `variants` tells copies apart, as the `key` does, `ask` asks the origin. One that
 * was found has an `identity` that no other copy has, and says when it was `made` and for how long it is `fresh`.
 */
export async function sharedCopy(key, variants, request, ask, ctx) {
  if (!core.copy_wanted(key, Date.now())) return undefined;
  const fetchOne = (refresh) => fetched({ key, variants, url: request.url, refresh }, ask, ctx);
  for (let looks = 0; ; looks++) {
    const found = await lookUp(key);
    if (found === null) return undefined;
    const identity = found?.headers.get(MADE) ?? "NaN 0";
    const [made, fresh] = identity.split(" ", 2).map(Number);
    const [next, number] = core.copy_found(key, made, fresh, looks, Date.now()).split(" ");
    switch (next) {
      case "wait":
        // why: another request's promise must not be waited for; what it leaves in the cache is everybody's
        await pause(Number(number));
        continue;
      case "fetch": {
        const response = await fetchOne(false);
        return response && { how: "miss", response: conditional(response, request) };
      }
      case "bypass":
        return undefined;
      case "refresh":
        ctx.waitUntil(fetchOne(true));
    }
    const response = conditional(restored(found, number), request);
    return { how: next === "hit" ? "hit" : "stale", response, key, identity, made, fresh };
  }
}

/** The copy; undefined where there is none, null where there is no cache. */
async function lookUp(key) {
  try {
    return await caches.default.match(key);
  } catch (error) {
    console.error(`sortition: there is no cache to keep shared copies in: ${error}`);
    core.copy_forgo(key, Date.now());
    return null;
  }
}

/** Asks the origin for a copy and keeps it; undefined where its answer is not everybody's. Never rejects. */
async function fetched({ key, variants, url, refresh }, ask, ctx) {
  let isKept = false;
  try {
    // why: uncompressed, since the rewriter would have to read and write it anew for every visitor
    const headers = { accept: "*/*", "accept-encoding": "identity", "user-agent": "Sortition (shared copy)" };
    if (variants) headers["sortition-variants"] = variants;
    const response = await ask(new Request(url, { headers, redirect: "manual" }));
    const said = (name) => response.headers.get(name) ?? undefined;
    const particular = PARTICULAR.some((name) => response.headers.has(name));
    const [control, vary, age] = ["cache-control", "vary", "age"].map(said);
    const times = core.copy_answered(key, response.status, control, vary, age, particular, refresh, Date.now());
    if (!times) {
      response.body?.cancel();
      return undefined;
    }
    isKept = true;
    ctx.waitUntil(keep(key, response.clone(), times));
    return response;
  } catch (error) {
    console.error(`sortition: failed in fetching a shared copy: ${error}`);
    return undefined;
  } finally {
    if (!isKept) core.copy_settled(key);
  }
}

async function keep(key, response, [fresh, stale]) {
  try {
    const copy = new Response(response.body, response);
    copy.headers.set(ORIGINAL, copy.headers.get("cache-control"));
    copy.headers.set("cache-control", `public, max-age=${fresh + stale}`);
    // why: two isolates may make one in the same millisecond
    copy.headers.set(MADE, `${Date.now()} ${fresh} ${crypto.randomUUID()}`);
    for (const name of ["age", "expires", "cdn-cache-control", "cloudflare-cdn-cache-control"])
      copy.headers.delete(name);
    await caches.default.put(key, copy);
  } catch (error) {
    console.error(`sortition: failed in keeping a shared copy: ${error}`);
  } finally {
    core.copy_settled(key);
  }
}

/** The copy as the origin sent it, with its age. */
function restored(found, age) {
  const response = new Response(found.body, found);
  response.headers.set("cache-control", found.headers.get(ORIGINAL) ?? "");
  for (const name of [ORIGINAL, MADE, "cf-cache-status"]) response.headers.delete(name);
  response.headers.set("age", age);
  return response;
}

/** A 304 where the visitor has the page already. */
function conditional(response, request) {
  const condition = request.headers.get("if-none-match");
  if (!condition || !core.is_known(response.headers.get("etag") ?? undefined, condition)) return response;
  response.body?.cancel();
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  return new Response(null, { status: 304, headers });
}

/** What copies are kept by: page and variants as one URL. Ours comes last, and what it holds is escaped, so no visitor's URL can be another's key. */
export function keyOf(url, variants) {
  const page = url.split("#")[0];
  return `${page}${page.includes("?") ? "&" : "?"}sortition-variants=${encodeURIComponent(variants)}`;
}
