// What the hand-written workers of the single features share: configuration, visitor cookie, split, one message a request.
// The same code as in handwritten.js, which stays one file as people write it.

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
  let point =
    (bucket(`${experiment.id}/${visitor}`) / 2 ** 32) * experiment.variants.reduce((sum, v) => sum + v.weight, 0);
  for (const variant of experiment.variants) {
    point -= variant.weight;
    if (point < 0) return variant;
  }
  return experiment.variants.at(-1);
}

/** Who asks and what they get on this page; undefined where nothing applies. */
export async function meet(request, env, ctx) {
  try {
    if (!config) await refresh(env);
    else if (Date.now() - loadedAt > TTL_MS) ctx.waitUntil(refresh(env));
  } catch (error) {
    console.error(error);
  }
  const url = new URL(request.url);
  const experiments = config?.experiments.filter((e) => e.path === url.pathname) ?? [];
  if (!experiments.length || CRAWLER.test(request.headers.get("user-agent") ?? "")) return undefined;
  const cookies = request.headers.get("cookie") ?? "";
  const known = cookie(cookies, "visitor");
  const visitor = known ?? crypto.randomUUID();
  const given = experiments.map((experiment) => ({ id: experiment.id, variant: assign(experiment, visitor) }));
  const exposed = (cookie(cookies, "exposed") ?? "").split(".").filter(Boolean);
  const told = given.map(({ id, variant }) => `${id}=${variant.id}`).join(", ");
  return { url, known, visitor, given, exposed, told };
}

/** The request as the origin gets it. */
export function forOrigin(request, { told, visitor }) {
  const copy = new Request(request);
  copy.headers.set("X-Variant", told);
  copy.headers.set("X-Visitor", visitor);
  return copy;
}

/** Cookies, headers and the exposures of an answer, in one message. */
export function finish(response, request, met, env, ctx) {
  const { url, known, visitor, given, exposed, told } = met;
  response.headers.set("X-Variant", told);
  if (!known) {
    response.headers.append("Set-Cookie", `visitor=${visitor}; Path=/; Max-Age=${YEAR}; SameSite=Lax; Secure`);
  }
  const fresh = given.filter(({ id }) => !exposed.includes(id));
  if (response.status < 400 && fresh.length) {
    const value = [...exposed, ...fresh.map(({ id }) => id)].join(".");
    response.headers.append("Set-Cookie", `exposed=${value}; Path=/; Max-Age=${YEAR}; SameSite=Lax; Secure; HttpOnly`);
    const at = new Date().toISOString();
    const events = fresh.map(({ id, variant }) => ({
      id: crypto.randomUUID(),
      type: "exposure",
      experiment: id,
      variant: variant.id,
      visitor,
      at,
      host: url.host,
      path: url.pathname,
      method: request.method,
      country: request.cf?.country ?? null,
      returning: known !== undefined,
    }));
    ctx.waitUntil(env.EVENTS.send(events).catch((error) => console.error(error)));
  }
  return response;
}

/** The page with every variant's texts. */
export function rewritten(response, given) {
  const steps = given.flatMap(({ variant }) => variant.rewrite ?? []);
  if (!steps.length || !response.headers.get("content-type")?.startsWith("text/html")) return response;
  const rewriter = new HTMLRewriter();
  for (const [selector, text] of steps) {
    rewriter.on(selector, { element: (element) => element.setInnerContent(text) });
  }
  return rewriter.transform(response);
}
