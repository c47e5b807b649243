// The worker that a competent engineer writes by hand for an experiment: configuration from KV, kept in the isolate and
// refreshed behind the answers; a visitor cookie; a split by hash; the page changed while it streams; one queue message
// per exposure. It is what ours is measured against, so it does the same visible work and no more than that.
//
// Left out, though ours does it, because people leave it out: entity tags that tell the variants apart, sticky
// assignments, consent, the kill switch, page rules other than an exact path, retries of the queue.

const TTL_MS = 30_000;
const CRAWLER = /bot|crawl|spider|slurp|facebookexternalhit|headless|lighthouse/i;
const YEAR = 31_536_000;

let config;
let loadedAt = 0;
let loading;

function refresh(env) {
  loading ??= env.CONFIG.get("config", { type: "json", cacheTtl: 30 })
    .then((value) => {
      if (value) {
        config = value;
        loadedAt = Date.now();
      }
    })
    .finally(() => {
      loading = undefined;
    });
  return loading;
}

function cookie(header, name) {
  for (const part of header.split(";")) {
    const at = part.indexOf("=");
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
}

/** FNV-1a, mixed at the end as MurmurHash3 does. */
function bucket(text) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function assign(experiment, visitor) {
  let point = (bucket(`${experiment.id}/${visitor}`) / 2 ** 32) * experiment.variants.reduce((sum, v) => sum + v.weight, 0);
  for (const variant of experiment.variants) {
    point -= variant.weight;
    if (point < 0) return variant;
  }
  return experiment.variants.at(-1);
}

export default {
  async fetch(request, env, ctx) {
    try {
      if (!config) await refresh(env);
      else if (Date.now() - loadedAt > TTL_MS) ctx.waitUntil(refresh(env));
    } catch (error) {
      console.error(error);
    }
    const url = new URL(request.url);
    const experiment = config?.experiments.find((e) => e.path === url.pathname);
    if (!experiment || CRAWLER.test(request.headers.get("user-agent") ?? "")) return fetch(request);

    const cookies = request.headers.get("cookie") ?? "";
    const known = cookie(cookies, "visitor");
    const visitor = known ?? crypto.randomUUID();
    const variant = assign(experiment, visitor);
    const exposed = (cookie(cookies, "exposed") ?? "").split(".").filter(Boolean);

    const forOrigin = new Request(request);
    forOrigin.headers.set("X-Variant", `${experiment.id}=${variant.id}`);
    forOrigin.headers.set("X-Visitor", visitor);
    const answer = await fetch(forOrigin);

    const response = new Response(answer.body, answer);
    response.headers.set("X-Variant", `${experiment.id}=${variant.id}`);
    response.headers.set("Cache-Control", "private, max-age=0");
    if (!known) {
      response.headers.append("Set-Cookie", `visitor=${visitor}; Path=/; Max-Age=${YEAR}; SameSite=Lax; Secure`);
    }
    if (answer.ok && !exposed.includes(experiment.id)) {
      const value = [...exposed, experiment.id].join(".");
      response.headers.append("Set-Cookie", `exposed=${value}; Path=/; Max-Age=${YEAR}; SameSite=Lax; Secure; HttpOnly`);
      ctx.waitUntil(
        env.EVENTS.send({
          id: crypto.randomUUID(),
          type: "exposure",
          experiment: experiment.id,
          variant: variant.id,
          visitor,
          at: new Date().toISOString(),
          host: url.host,
          path: url.pathname,
          method: request.method,
          country: request.cf?.country ?? null,
          returning: known !== undefined,
        }).catch((error) => console.error(error)),
      );
    }
    if (!variant.rewrite || !answer.headers.get("content-type")?.startsWith("text/html")) return response;
    const rewriter = new HTMLRewriter();
    for (const [selector, text] of variant.rewrite) {
      rewriter.on(selector, { element: (element) => element.setInnerContent(text) });
    }
    return rewriter.transform(response);
  },
};
