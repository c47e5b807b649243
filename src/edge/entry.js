// The worker's entry: a plain object around the wasm. It asks the wasm which way a request goes, carries out what the
// wasm says, and answers with the origin's response whenever anything of ours fails.

import * as core from "sortition-core";
import { urlOf } from "./address.js";
import { bridge, isBridge } from "./bridges.js";
import { keyOf, sharedCopy } from "./cache.js";
import { call, isCall } from "./calls.js";
import { load } from "./config.js";
import { change, decode } from "./decode.js";
import { answerOf, foundCopy, headOf, keep, remembered } from "./finished.js";
import { reading } from "./narrowed.js";
import { forget, isSigned, join, tell } from "./people.js";
import { post } from "./post.js";
import { problem } from "./problem.js";
import { rewriter } from "./rewrite.js";
import { serving, wake } from "./services.js";
import { keepLast, pause, recover } from "./ship.js";

const { Page: PAGE, Endpoint: ENDPOINT, Load: LOAD, Previewable: PREVIEWABLE } = core.Way;
const { Stale: STALE, Shadowed: SHADOWED } = core.Way;
const WAY = STALE - 1;

// The highest status that a response can be made with.
const HIGHEST_STATUS = 599;
// Methods that change nothing.
const SAFE = new Set(["GET", "HEAD"]);
const INSIDE = "asking whether a request is from a worker before this one";
const CONDITIONS = "turning back a condition";
// How long an endpoint may take. A panic in a promise of the wasm leaves it pending for ever.
const ENDPOINT_BUDGET_MS = 15000;
// The headers that the wasm asks for most, by the length of the name: it is told by bits which of them a request has.
const ASKED_FOR = [];
for (const [bit, name] of attempt("teaching names", () => core.teach_names().split(","), []).entries()) {
  ASKED_FOR[name.length] = [...(ASKED_FOR[name.length] ?? []), { name, mask: 1 << bit }];
}
// What only the origin and we know of; on every way it is taken out of an answer.
const INTERNAL = attempt("asking for names", () => core.header_names(), "")
  .split(",")
  .filter(Boolean);
const BUDGET_MS = attempt("asking for the budget", () => core.budget_ms(), 0);

// What becomes of the headers of an answer that could not be finished; had at the start, since a panic leaves nobody to ask.
const UNFINISHED = attempt("asking what is not to be kept", () => decode(core.unfinished()).changes, [
  "=cache-control",
  "private, no-store",
]);

// What no page needs: a module of its own, which is compiled when something asks for it first.
const results = () => import("./readout.js");

export { Person } from "./person.js";

export default {
  fetch(request, env, ctx) {
    // why: each is made anew whenever it is asked for
    const { method, url } = request;
    const lane = laneOf(method, url);
    return lane === LOAD ? awaitPlan(request, env, ctx, method, url) : take(lane, request, env, ctx, method, url);
  },

  async queue(batch, env, ctx) {
    await keepLast(batch, env);
    const services = await wake();
    services.generation();
    await services.queue(batch, env, ctx);
  },

  async scheduled({ scheduledTime }, env, ctx) {
    ctx.waitUntil(recover(env));
    // why: behind the guard, whose questions must not find the database's limit of a run used up
    const upkeep = () =>
      results()
        .then(({ tend }) => tend(env))
        .catch((error) => report("keeping the record", error));
    ctx.waitUntil(guarded(env, scheduledTime).then(upkeep));
    ctx.waitUntil(forget(env).catch((error) => report("forgetting users", error)));
  },
};

/** Which way a request goes; 0, untouched, where that cannot be told. */
function laneOf(method, url) {
  return attempt("choosing the lane", () => core.lane(method, url, Date.now()), 0);
}

function take(lane, request, env, ctx, method, url) {
  if (lane & STALE) ctx.waitUntil(load(env, url).done);
  if (lane & SHADOWED) return shadowed(lane & WAY, request, env, ctx, method, url);
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

/** The answer as if there were no experiment in shadow mode, which is compared with the old tool behind it. */
async function shadowed(lane, request, env, ctx, method, url) {
  const compare = () => core.watch(request, method, url, Date.now());
  const watch = attempt("comparing a shadow", compare, undefined);
  const answer = await take(lane, request, env, ctx, method, url);
  if (watch) {
    // why: the instance may be a new one since, whose memory knows nothing of what was asked of the old one
    const said = () => watch.answered(watch.headers().map((name) => answer.headers.get(name) ?? ""));
    attempt("comparing a shadow with the answer", said, undefined);
  }
  return answer;
}

/** The origin's own answer; what it says for us alone is taken out. */
function untouched(request, env, ctx) {
  // why: one promise rather than two, on the way that most requests take
  return fromOrigin(stripped(request), env).then(
    (response) =>
      INTERNAL.some((name) => response.headers.has(name)) ? withoutInternal(request, response, env, ctx) : response,
    unreachable,
  );
}

function withoutInternal(request, response, env, ctx) {
  const user = response.headers.get("sortition-user");
  const ask = () => core.identify(request, request.method, request.url, user, Date.now());
  const message = user !== null && attempt("identifying a visitor", ask, undefined);
  if (message) post(message, env, ctx);
  if (response.webSocket || response.status === 101) return response;
  const answer = new Response(response.body, response);
  for (const name of INTERNAL) answer.headers.delete(name);
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
    if (outcome?.kind === "ask") {
      const again = (...answers) => core.begin(request, seen.headers, method, url, Date.now(), ...answers);
      ({ visit, outcome } = await answered(visit, outcome, again, env, ctx));
    }
  } catch (error) {
    report("deciding", error);
  }
  // why: one that is no page view is forwarded without a copy of it, as on the way that most requests take
  if (!outcome) return untouched(incoming, env, ctx);
  if (outcome.kind === "answer") return ownAnswer(visit, outcome, env, ctx);
  const got =
    outcome.kind === "forward"
      ? { response: await toOrigin(changed(incoming, outcome.changes), env) }
      : await carriedOut(outcome, visit, incoming, env, ctx);
  const { response } = got;
  // why: a WebSocket's answer cannot be made anew
  if (response?.webSocket || response?.status === 101) return response;
  try {
    // why: a copy of which there is a finished body names no user, or it were none
    if (env.PEOPLE && response?.headers.has("sortition-user")) await joinByOrigin(visit, response, env, ctx);
    revive();
    return finish(visit, got, url, env, ctx);
  } catch (error) {
    report("finishing the answer", error);
    // why: a finished body has a variant in it, of which nobody would be told
    const plain = response ?? (await fromSharedCopy({ ...outcome, body: "" }, incoming, env, ctx)).response;
    return unfinished(plain);
  }
}

/**
 * The origin's answer where ours failed. The origin may have rendered it for this visitor, so it leaves as nobody's to
 * keep, and without what is between the origin and us.
 */
function unfinished(response) {
  // why: no response can be made of an answer with such a status; nothing of ours is lost in one that says nothing to us
  if (response.status > HIGHEST_STATUS && !INTERNAL.some((name) => response.headers.has(name))) return response;
  try {
    const answer = new Response(response.body, response);
    change(answer.headers, UNFINISHED);
    return answer;
  } catch (error) {
    return unreachable(error);
  }
}

// A user's token, then their devices: nothing else is asked first.
const MOST_QUESTIONS = 2;

/** The visit and its outcome, once what has to be asked first is answered. */
async function answered(visit, outcome, again, env, ctx) {
  let holds;
  let joined;
  for (let asked = 0; outcome?.kind === "ask" && asked < MOST_QUESTIONS; asked++) {
    visit.free();
    if (outcome.what === "verify") holds = await isSigned(outcome, env);
    else joined = await join(outcome, env, ctx);
    revive();
    visit = again(holds, joined);
    outcome = visit && decode(visit.next(Date.now()));
  }
  return { visit, outcome };
}

/** Joins the devices of a user of whom the origin says that this visitor is. */
async function joinByOrigin(visit, response, env, ctx) {
  try {
    const user = response.headers.get("sortition-user");
    revive();
    const question = visit.question_of(user, Date.now());
    if (!question) return;
    const answer = await join(decode(question), env, ctx);
    revive();
    visit.join(user, answer);
  } catch (error) {
    report("joining a user's devices", error);
  }
}

/** Tells the object of a user what an answer showed for the first time. */
function tellUser(visit, env, ctx) {
  if (!env.PEOPLE) return;
  const news = attempt("telling a user's object", () => visit.news(), undefined);
  if (news) tell(news, env, ctx);
}

/**
 * The `response` that an outcome asks for beside forwarding; where it is from a shared copy, `how` that was come by, and the
 * `finished` body in place of the response, or what is to `keep` of it.
 */
function carriedOut(outcome, visit, request, env, ctx) {
  if (outcome.kind === "variant_origin") return fromVariantOrigin(outcome, visit, request, env);
  return fromSharedCopy(outcome, request, env, ctx);
}

/** The copy of the page that visitors share; without one what the origin answers to this visitor. */
async function fromSharedCopy(outcome, request, env, ctx) {
  const { variants, changes } = outcome;
  const key = keyOf(request.url, variants);
  // why: a condition may be answered without a body
  const finished = outcome.body && !outcome.isConditional && remembered(key, outcome, ctx);
  if (finished) return finished;
  const outgoing = changed(request, changes);
  try {
    const copy = await sharedCopy(key, variants, outgoing, (request) => toOrigin(request, env), ctx);
    if (copy) return foundCopy(copy, outcome, ctx);
  } catch (error) {
    report("looking for a shared copy", error);
  }
  return { response: await toOrigin(outgoing, env) };
}

/** An answer that needs no origin: a redirect, or the start of a preview. */
function ownAnswer(visit, { status, visits, changes }, env, ctx) {
  tellUser(visit, env, ctx);
  visit.free();
  const answer = new Response(null, { status });
  change(answer.headers, changes);
  if (visits) post(visits, env, ctx);
  return answer;
}

function finish(visit, { response, how, finished, keep: kept }, url, env, ctx) {
  const head = finished ? finished.head : headOf(response);
  const text = visit.finish(
    head.status,
    head.type,
    head.coding,
    head.control,
    head.etag,
    head.expose,
    head.user,
    head.versions,
    head.variants,
    head.assignments,
    how,
    Date.now(),
  );
  const { visits, rewriting, changes } = decode(text);
  const met = (key, exposure) => {
    revive();
    const visits = core.met(key, exposure, Date.now());
    if (visits) post(visits, env, ctx);
  };
  // why: whoever changes nothing does not look whether an element is there that others wait for
  const keeps = kept && (rewriting || kept.watchable.length === 0) ? kept : undefined;
  const isRead = !finished && rewriting && !isEmpty(head, response);
  const same = isRead && rewriting.isTagged ? reading(url, head.etag, response.headers) : undefined;
  const transform = isRead && rewriter(rewriting, visit, met, keeps?.record, same);
  tellUser(visit, env, ctx);
  // why: the finalizer would do it too, but only at a full collection, thousands of visits later
  visit.free();
  // why: from here on the origin's body belongs to the new response, so nothing after this line may throw
  let answer = finished ? answerOf(finished) : remade(response, transform, rewriting?.relabelled);
  if (keeps && answer.body) answer = keep(answer, keeps, ctx);
  change(answer.headers, changes);
  if (finished) {
    for (const { experiment, key, exposure } of rewriting?.watched ?? [])
      if (finished.met.has(experiment)) met(key, exposure);
  }
  if (visits) post(visits, env, ctx);
  return answer;
}

/** Whether a body in some coding has nothing in it, which is no such coding's beginning: reading it would end in an error. */
const isEmpty = ({ coding }, { headers }) => coding && headers.get("content-length") === "0";

/**
 * The response anew, so that its headers may be changed; its body through the rewriter if there is one. `type` is what
 * that one reads in place of the page's own type, which is among the changes.
 */
function remade(response, transform, type) {
  let page = response;
  if (transform && type) {
    page = new Response(response.body, response);
    page.headers.set("content-type", type);
  }
  // why: the rewriter makes a new response itself, except of one without a body
  const answer = transform?.transform(page) ?? response;
  return answer === response ? new Response(response.body, response) : answer;
}

/**
 * The answer of a variant's own origin, or what the outcome after it asks for where that one fails: it does not connect,
 * takes too long, or answers with a 5xx. A request that may not be repeated goes to another origin only where this one never
 * had it. A body that is too long to keep can be sent only once, so it is not tried.
 */
async function fromVariantOrigin(outcome, visit, request, env) {
  const { base, prefix, timeout, keptBody, isTrusted, changes } = outcome;
  const body = await bodyOf(request, keptBody);
  const again = () => (body === undefined ? request : new Request(request, { body }));
  if (body !== undefined) {
    const abort = new AbortController();
    const timer = timeout > 0 && setTimeout(() => abort.abort(), timeout);
    const isAnswer = (status) => {
      const note = () => visit.variant_origin_answered(status, Date.now());
      // why: what may not be repeated has no time limit either
      return attempt("noting what a variant origin answered", note, !timeout || (status > 0 && status < 500));
    };
    try {
      const asked = changed(again(), changes, prefix && prefixed(request.url, prefix));
      const response = await (base
        ? fetch(new Request(rebased(asked.url, base), asked), { signal: abort.signal })
        : toOrigin(asked, env, abort.signal));
      if (isAnswer(response.status)) return { response: isTrusted ? response : withoutClaims(response) };
      response.body?.cancel();
    } catch (error) {
      report(`asking the variant origin ${base}${prefix}`, error);
      if (isAnswer(0)) return { response: unreachable(error) };
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
  const claims = ["set-cookie", "sortition-user", "sortition-assignments", "sortition-variants"].filter((name) =>
    response.headers.has(name),
  );
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

/**
 * The request without `Sortition-*` headers from outside; copied only where there is one. Notes what else it `seen` has.
 * Without `seen` it is one that no experiment touches: then a worker before this one is not outside, and conditions on
 * what a page of ours handed out are turned back.
 */
function stripped(request, seen) {
  let copy;
  let isInside;
  for (const name of request.headers.keys()) {
    if (isOurs(name)) {
      isInside ??=
        !seen &&
        request.headers.has("sortition-handover") &&
        attempt(INSIDE, () => core.is_handed_over(request), false);
      if (isInside) continue;
      copy ??= new Request(request);
      copy.headers.delete(name);
    } else if (!seen && (name === "if-match" || name === "if-none-match") && !SAFE.has(request.method)) {
      const tags = attempt(CONDITIONS, () => core.original_tags(request.headers.get(name)), undefined);
      if (tags === undefined) continue;
      copy ??= new Request(request);
      copy.headers.set(name, tags);
    }
    if (seen) {
      for (const known of ASKED_FOR[name.length] ?? []) if (known.name === name) seen.headers |= known.mask;
    }
  }
  return copy ?? request;
}

/** Whether a header is one of ours. Servers that make variables of headers take `_` for `-`. */
const isOurs = (name) => name.startsWith("sortition") && (name[9] === "-" || name[9] === "_");

/** The origin's answer, or one that says that there is none; with a signal it rejects instead. */
function toOrigin(request, env, signal) {
  const answer = fromOrigin(request, env, signal);
  return signal ? answer : answer.catch(unreachable);
}

function fromOrigin(request, env, signal) {
  const init = signal ? { signal } : undefined;
  try {
    const target = env.ORIGIN_URL && !env.ORIGIN ? new Request(rebased(request.url, env.ORIGIN_URL), request) : request;
    return env.ORIGIN ? env.ORIGIN.fetch(target, init) : fetch(target, init);
  } catch (error) {
    // why: an ORIGIN_URL that is no URL throws here rather than in the answer's promise, which is where it is looked for
    return Promise.reject(error);
  }
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
  try {
    const url = urlOf(request.url);
    if (!url) return problem(400, "Bad request", "the Host header is no host");
    const { pathname } = url;
    if (isCall(pathname, request.method)) return await call(request, pathname, env, ctx, inTime);
    if (isBridge(pathname)) return await bridge(request, pathname);
    const answer = isReadout(pathname, env)
      ? results().then(({ readout }) => readout(request, env))
      : serving().then((it) => it.fetch(request, env, ctx));
    return await inTime(answer);
  } catch (error) {
    report("answering an endpoint", error);
    const detail = "the endpoint failed; the shop is not affected. See the worker's log.";
    return new Response(JSON.stringify({ type: "about:blank", status: 500, title: "Internal error", detail }), {
      status: 500,
      headers: { "content-type": "application/problem+json", "cache-control": "no-store" },
    });
  }
}

/** Whether a path belongs to the readout, and the readout exists. */
const isReadout = (path, env) =>
  Boolean(env.ADMIN_TOKEN || env.OPERATOR_TOKEN) && /^\/_sortition\/experiments(?:$|[./])/.test(path);

/** What a promise of the wasm settles to, in the time that an endpoint has. */
function inTime(promise) {
  const late = pause(ENDPOINT_BUDGET_MS).then(() => {
    throw new Error("it did not settle");
  });
  late.catch(() => {});
  return Promise.race([promise, late]);
}

/** Ends what breaches its own conditions. The isolate may be a new one: it needs its secret and its queue. */
async function guarded(env, at) {
  await load(env).done;
  try {
    const { guard, freeze } = await results();
    revive();
    await guard(env, at);
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
