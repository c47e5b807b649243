// The worker's entry: a plain object around the wasm. It asks the wasm which way a request goes, carries out what the
// wasm says, and answers with the origin's response whenever anything of ours fails.

import * as core from "sortition-core";
import { rewriter } from "./rewrite.js";
import { ship } from "./ship.js";

const PAGE = 1;
const ENDPOINT = 2;
const LOAD = 3;
const STALE = 8;

// How long the first request of an isolate waits for KV before it passes through untouched.
const LOAD_BUDGET_MS = 2000;
// How long an endpoint may take. A panic in a promise of the wasm leaves it pending for ever.
const ENDPOINT_BUDGET_MS = 15000;

export default {
  fetch(request, env, ctx) {
    let lane = 0;
    try {
      lane = core.lane(request.method, request.url, Date.now());
    } catch (error) {
      report("choosing the lane", error);
    }
    if (lane === LOAD) return firstLoad(request, env, ctx);
    return take(lane, request, env, ctx);
  },

  async queue(batch, env, ctx) {
    await core.queue(batch, env, ctx);
  },

  async scheduled(controller, env, ctx) {
    ctx.waitUntil(recoverSpill(env));
  },
};

function take(lane, request, env, ctx) {
  if (lane & STALE) ctx.waitUntil(load(env));
  switch (lane & 7) {
    case PAGE:
      return page(request, env, ctx);
    case ENDPOINT:
      return endpoint(request, env, ctx);
    default:
      return toOrigin(stripped(request), env);
  }
}

async function firstLoad(request, env, ctx) {
  const loading = load(env);
  ctx.waitUntil(loading);
  await Promise.race([loading, pause(LOAD_BUDGET_MS)]);
  let lane = 0;
  try {
    lane = core.lane(request.method, request.url, Date.now());
  } catch (error) {
    report("choosing the lane", error);
  }
  return take(lane === LOAD ? 0 : lane, request, env, ctx);
}

async function load(env) {
  try {
    // why: a panic in a promise of the wasm never settles, and waitUntil would wait for it
    await Promise.race([core.load(env, Date.now()), pause(10000)]);
  } catch (error) {
    report("loading the document", error);
  }
}

async function page(request, env, ctx) {
  let visit;
  let outgoing = stripped(request);
  let steps = "";
  try {
    visit = core.begin(request, request.method, request.url, Date.now());
    if (visit) {
      const script = visit.for_origin().split("\x1f");
      steps = script[0].slice(1);
      if (script.length > 1) {
        const changed = new Request(outgoing);
        change(changed.headers, script, 1);
        outgoing = changed;
      }
    }
  } catch (error) {
    report("deciding", error);
    visit = undefined;
  }
  const response = await toOrigin(outgoing, env);
  // why: a WebSocket's answer cannot be made anew
  if (!visit || response.webSocket || response.status === 101) return response;
  try {
    return finish(visit, steps, response, env, ctx);
  } catch (error) {
    report("finishing the answer", error);
    return response;
  }
}

function finish(visit, steps, response, env, ctx) {
  const { headers } = response;
  const bridge = visit.bridge();
  const script = visit
    .reply(
      response.status,
      headers.get("content-type") ?? undefined,
      headers.get("content-encoding") ?? undefined,
      headers.get("cache-control") ?? undefined,
      headers.get("etag") ?? undefined,
      headers.get("sortition-expose") ?? undefined,
    )
    .split("\x1f");
  const transform = script[0] === "rewrite" ? rewriter(steps, bridge) : undefined;
  // why: from here on the origin's body belongs to the new response, so nothing after this line may throw
  const answer = new Response(response.body, response);
  change(answer.headers, script, 2);
  if (script[1]) ctx.waitUntil(ship(script[1], env));
  return transform ? transform.transform(answer) : answer;
}

/** Carries out header changes: pairs of a signed name and a value, from `from` on. */
function change(headers, script, from) {
  for (let i = from; i + 1 < script.length; i += 2) {
    const name = script[i].slice(1);
    switch (script[i][0]) {
      case "=":
        headers.set(name, script[i + 1]);
        break;
      case "+":
        headers.append(name, script[i + 1]);
        break;
      default:
        headers.delete(name);
    }
  }
}

/** The request without `Sortition-*` headers from outside; copied only where there is one. */
function stripped(request) {
  let copy;
  for (const name of request.headers.keys()) {
    if (name.startsWith("sortition-")) {
      copy ??= new Request(request);
      copy.headers.delete(name);
    }
  }
  return copy ?? request;
}

function toOrigin(request, env) {
  const answer = env.ORIGIN
    ? env.ORIGIN.fetch(request)
    : fetch(env.ORIGIN_URL ? new Request(rebased(request.url, env.ORIGIN_URL), request) : request);
  return answer.catch(unreachable);
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
    return await Promise.race([core.fetch(request, env, ctx), late]);
  } catch (error) {
    report("answering an endpoint", error);
    const detail = "the endpoint failed; the shop is not affected. See the worker's log.";
    return new Response(JSON.stringify({ type: "about:blank", status: 500, title: "Internal error", detail }), {
      status: 500,
      headers: { "content-type": "application/problem+json", "cache-control": "no-store" },
    });
  }
}

/** Brings messages that the queue once refused back to it. */
async function recoverSpill(env) {
  if (!env.ARCHIVE || !env.EVENTS) return;
  const { objects } = await env.ARCHIVE.list({ prefix: "spill/", limit: 500 });
  for (const { key } of objects) {
    const spilled = await env.ARCHIVE.get(key);
    if (!spilled) continue;
    await env.EVENTS.send(await spilled.json(), { contentType: "json" });
    await env.ARCHIVE.delete(key);
  }
}

function report(doing, error) {
  console.error(`sortition: failed in ${doing}, the shop goes on: ${error?.stack ?? error}`);
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
