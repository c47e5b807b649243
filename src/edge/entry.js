// The worker's entry: a plain object around the wasm. It asks the wasm which way a request goes, carries out what the
// wasm says, and answers with the origin's response whenever anything of ours fails.

import * as core from "sortition-core";
import { copies, sharedCopy } from "./cache.js";
import { load } from "./config.js";
import { decode } from "./decode.js";
import { post } from "./post.js";
import { freeze, guard, isReadout, readout } from "./readout.js";
import { hits, rewriter } from "./rewrite.js";
import { keepLast, numbered, pause, recover } from "./ship.js";

const { Page: PAGE, Endpoint: ENDPOINT, Load: LOAD, Previewable: PREVIEWABLE, Stale: STALE } = core.Way;
const WAY = STALE - 1;

// How long an endpoint may take. A panic in a promise of the wasm leaves it pending for ever.
const ENDPOINT_BUDGET_MS = 15000;
// The headers that the wasm asks for most, by the length of the name: it is told by bits which of them a request has.
const ASKED_FOR = [];
for (const [bit, name] of attempt("teaching names", () => core.teach_names().split(","), []).entries()) {
  ASKED_FOR[name.length] = [...(ASKED_FOR[name.length] ?? []), { name, mask: 1 << bit }];
}
const [INTERNAL, SHARING] = attempt("asking for names", () => core.header_names(), ";")
  .split(";")
  .map((names) => names.split(",").filter(Boolean));
const BUDGET_MS = attempt("asking for the budget", () => core.budget_ms(), 0);

export default {
  fetch(request, env, ctx) {
    // why: each is made anew whenever it is asked for
    const { method, url } = request;
    const lane = laneOf(method, url);
    return lane === LOAD ? awaitPlan(request, env, ctx, method, url) : take(lane, request, env, ctx, method, url);
  },

  async queue(batch, env, ctx) {
    await keepLast(batch, env);
    await core.queue(batch, env, ctx);
  },

  async scheduled(_controller, env, ctx) {
    ctx.waitUntil(recover(env));
    ctx.waitUntil(guarded(env));
  },
};

/** Which way a request goes; 0, untouched, where that cannot be told. */
function laneOf(method, url) {
  return attempt("choosing the lane", () => core.lane(method, url, Date.now()), 0);
}

function take(lane, request, env, ctx, method, url) {
  if (lane & STALE) ctx.waitUntil(load(env, url).done);
  switch (lane & WAY) {
    case PAGE:
      return page(request, env, ctx, method, url);
    case ENDPOINT:
      return endpoint(request, env, ctx);
    case PREVIEWABLE:
      return request.headers.get("cookie")?.includes("sortition_preview=")
        ? page(request, env, ctx, method, url)
        : untouched(request, env, ctx);
    default:
      return untouched(request, env, ctx);
  }
}

/** The origin's own answer; what it says for us alone is taken out. */
function untouched(request, env, ctx) {
  // why: one promise rather than two, on the way that most requests take
  return fromOrigin(stripped(request), env).then(
    (response) => (response.headers.has("sortition-user") ? withoutUser(request, response, env, ctx) : response),
    unreachable,
  );
}

function withoutUser(request, response, env, ctx) {
  const user = response.headers.get("sortition-user");
  const ask = () => core.identify(request, request.method, request.url, user, Date.now());
  const message = attempt("identifying a visitor", ask, undefined);
  if (message) post(message, env, ctx);
  if (response.webSocket || response.status === 101) return response;
  const answer = new Response(response.body, response);
  answer.headers.delete("sortition-user");
  return answer;
}

/** While an isolate has no plan every request waits for it, each by its own reading: none may use another's. */
async function awaitPlan(request, env, ctx, method, url) {
  const loading = load(env, url);
  ctx.waitUntil(loading.done);
  await Promise.race([loading.usable, pause(BUDGET_MS)]);
  attempt("giving up the wait for KV", () => core.give_up(Date.now()));
  const lane = laneOf(method, url);
  return take(lane === LOAD ? 0 : lane, request, env, ctx, method, url);
}

async function page(request, env, ctx, method, url) {
  // why: of headers that nobody looked for none may count as absent
  const seen = { headers: ASKED_FOR.length ? 0 : -1 };
  const incoming = stripped(request, seen);
  let visit;
  let outcome;
  try {
    visit = core.begin(request, seen.headers, method, url, Date.now());
    outcome = visit && decode(visit.next(Date.now()));
  } catch (error) {
    report("deciding", error);
  }
  // why: one that is no page view is forwarded without a copy of it, as on the way that most requests take
  if (!outcome) return untouched(incoming, env, ctx);
  if (outcome.kind === "answer") return ownAnswer(visit, outcome, env, ctx);
  const { response, how } = await carriedOut(outcome, visit, incoming, env, ctx);
  // why: a WebSocket's answer cannot be made anew
  if (response.webSocket || response.status === 101) return response;
  try {
    revive();
    return finish(visit, response, env, ctx, how);
  } catch (error) {
    report("finishing the answer", error);
    return unfinished(response);
  }
}

/** The answer that an outcome asks for, and how the shared copy was come by where it is from one. */
async function carriedOut(outcome, visit, request, env, ctx) {
  switch (outcome.kind) {
    case "variant_origin":
      return fromVariantOrigin(outcome, visit, request, env);
    case "shared_copy":
      return fromSharedCopy(outcome, request, env, ctx);
    default:
      return { response: await toOrigin(changed(request, outcome.changes), env) };
  }
}

/** The copy of the page that visitors share; without one what the origin answers to this visitor. */
async function fromSharedCopy({ variants, changes }, request, env, ctx) {
  const outgoing = changed(request, changes);
  try {
    const copy = await sharedCopy(variants, outgoing, (request) => toOrigin(request, env), ctx);
    if (copy) return copy;
  } catch (error) {
    report("looking for a shared copy", error);
  }
  return { response: await toOrigin(outgoing, env) };
}

/** An answer that needs no origin: a redirect, or the start of a preview. */
function ownAnswer(visit, { status, visits, changes }, env, ctx) {
  visit.free();
  const answer = new Response(null, { status });
  change(answer.headers, changes);
  if (visits) post(visits, env, ctx);
  return answer;
}

function finish(visit, response, env, ctx, copy) {
  const { headers } = response;
  const text = visit.finish(
    response.status,
    headers.get("content-type") ?? undefined,
    headers.get("content-encoding") ?? undefined,
    headers.get("cache-control") ?? undefined,
    headers.get("etag") ?? undefined,
    headers.get("sortition-expose") ?? undefined,
    headers.get("sortition-user") ?? undefined,
    headers.get("sortition-versions") ?? undefined,
    copy,
    Date.now(),
  );
  const { visits, rewriting, changes } = decode(text);
  const met = (exposure) => {
    revive();
    const visits = core.met(exposure, Date.now());
    if (visits) post(visits, env, ctx);
  };
  const transform = rewriting && rewriter(rewriting, visit, met);
  // why: the finalizer would do it too, but only at a full collection, thousands of visits later
  visit.free();
  // why: from here on the origin's body belongs to the new response, so nothing after this line may throw
  const answer = remade(response, transform);
  change(answer.headers, changes);
  if (visits) post(visits, env, ctx);
  return answer;
}

/**
 * An answer that could not be finished. The origin was told a variant, so it is this visitor's: it leaves private, without
 * what caches tell answers apart by, and without what was meant for us.
 */
function unfinished(response) {
  if (response.bodyUsed) return unreachable("its answer was used up");
  const answer = new Response(response.body, response);
  for (const name of [...INTERNAL, ...SHARING]) answer.headers.delete(name);
  answer.headers.set("cache-control", "private, no-store");
  return answer;
}

/** The response anew, so that its headers may be changed; its body through the rewriter if there is one. */
function remade(response, transform) {
  // why: the rewriter makes a new response itself, except of one without a body
  const answer = transform?.transform(response) ?? response;
  return answer === response ? new Response(response.body, response) : answer;
}

/**
 * The answer of a variant's own origin, or what the outcome after it asks for where that one fails: it does not connect,
 * takes too long, or answers with a 5xx. A body that is too long to keep can be sent only once, so it is not tried.
 */
async function fromVariantOrigin(outcome, visit, request, env) {
  const { base, prefix, timeout, keptBody, isTrusted, changes } = outcome;
  const body = await bodyOf(request, keptBody);
  const again = () => (body === undefined ? request : new Request(request, { body }));
  if (body !== undefined) {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeout);
    try {
      const asked = changed(again(), changes, prefix && prefixed(request.url, prefix));
      const response = await (base
        ? fetch(new Request(rebased(asked.url, base), asked), { signal: abort.signal })
        : toOrigin(asked, env, abort.signal));
      if (response.status < 500) {
        attempt("noting that a variant origin works", () => visit.variant_origin_answered(Date.now()));
        return { response: isTrusted ? response : withoutClaims(response) };
      }
      response.body?.cancel();
    } catch (error) {
      report(`asking the variant origin ${base}${prefix}`, error);
    } finally {
      clearTimeout(timer);
    }
  }
  const failed = () => decode(visit.variant_origin_failed(body !== undefined, Date.now()));
  const next = attempt("going back to the control origin", failed, { kind: "forward", changes: [] });
  return { response: await toOrigin(changed(again(), next.changes), env) };
}

/** The request's body, null where there is none, undefined where it is longer than what is kept. */
async function bodyOf(request, most) {
  if (!request.body) return null;
  const length = Number(request.headers.get("content-length") ?? Number.NaN);
  return length <= most ? request.arrayBuffer() : undefined;
}

/** The answer of another site without what it may not say here: cookies, and who the visitor is. */
function withoutClaims(response) {
  const claims = ["set-cookie", "sortition-user"].filter((name) => response.headers.has(name));
  if (claims.length === 0) return response;
  const copy = new Response(response.body, response);
  for (const name of claims) copy.headers.delete(name);
  return copy;
}

/** The request with header changes, at another URL if need be; the request itself where there are none. */
function changed(request, changes, url) {
  if (changes.length === 0 && !url) return request;
  // why: a URL that is given is read and checked anew
  const copy = url ? new Request(url, request) : new Request(request);
  change(copy.headers, changes);
  return copy;
}

function change(headers, changes) {
  for (const { operation, name, value } of changes) {
    if (operation === "remove") headers.delete(name);
    else headers[operation](name, value);
  }
}

/** The request without `Sortition-*` headers from outside; copied only where there is one. Notes what else it `seen` has. */
function stripped(request, seen) {
  let copy;
  for (const name of request.headers.keys()) {
    if (name.startsWith("sortition-")) {
      copy ??= new Request(request);
      copy.headers.delete(name);
    } else if (seen) {
      for (const known of ASKED_FOR[name.length] ?? []) if (known.name === name) seen.headers |= known.mask;
    }
  }
  return copy ?? request;
}

/** The origin's answer, or one that says that there is none; with a signal it rejects instead. */
function toOrigin(request, env, signal) {
  const answer = fromOrigin(request, env, signal);
  return signal ? answer : answer.catch(unreachable);
}

function fromOrigin(request, env, signal) {
  const target = env.ORIGIN_URL && !env.ORIGIN ? new Request(rebased(request.url, env.ORIGIN_URL), request) : request;
  const init = signal ? { signal } : undefined;
  return env.ORIGIN ? env.ORIGIN.fetch(target, init) : fetch(target, init);
}

/** The URL with something before its path. */
function prefixed(url, prefix) {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  return start < 0 ? url + prefix : url.slice(0, start) + prefix + url.slice(start);
}

/** The URL at another base: its path and query stay. */
function rebased(url, base) {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  return (base.endsWith("/") ? base.slice(0, -1) : base) + (start < 0 ? "/" : url.slice(start));
}

function unreachable(error) {
  console.error(`sortition: the origin did not answer: ${error}. Check ORIGIN, ORIGIN_URL and the origin itself.`);
  return new Response("Bad gateway: the site's server did not answer. Please try again in a moment.\n", {
    status: 502,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
  });
}

async function endpoint(request, env, ctx) {
  const late = pause(ENDPOINT_BUDGET_MS).then(() => {
    throw new Error("it did not settle");
  });
  late.catch(() => {});
  try {
    if (request.url.includes("/_sortition/health"))
      core.note_counts(hits(), JSON.stringify(copies() ?? null), numbered());
    const { pathname } = new URL(request.url);
    const answer = isReadout(pathname, env) ? readout(request, env) : core.fetch(request, env, ctx);
    return await Promise.race([answer, late]);
  } catch (error) {
    report("answering an endpoint", error);
    const detail = "the endpoint failed; the shop is not affected. See the worker's log.";
    return new Response(JSON.stringify({ type: "about:blank", status: 500, title: "Internal error", detail }), {
      status: 500,
      headers: { "content-type": "application/problem+json", "cache-control": "no-store" },
    });
  }
}

/** Ends what breaches its own conditions. The isolate may be a new one: it needs its secret and its queue. */
async function guarded(env) {
  await load(env).done;
  try {
    revive();
    await guard(env);
    await freeze(env);
  } catch (error) {
    report("guarding the experiments", error);
  }
}

/**
 * Puts a fresh instance in the place of one that a trap ended. The bindings do that too, but only after they have copied
 * the call's texts into the memory of the old one: the new one would be handed addresses of the other's memory, break its
 * heap, trap, and so on for ever. So this goes before every call with texts that is not right behind another.
 */
function revive() {
  core.generation();
}

/** Asks the wasm something that the request can do without. */
function attempt(doing, ask, otherwise) {
  try {
    revive();
    return ask();
  } catch (error) {
    report(doing, error);
    return otherwise;
  }
}

function report(doing, error) {
  console.error(`sortition: failed in ${doing}, the shop goes on: ${error?.stack ?? error}`);
}
