// What an engineer writes by hand to answer OFREP: the token, the body, a hash, an answer.

let flags;

/** FNV-1a of a text, to 0..9999. */
function bucket(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % 10000;
}

function evaluate({ key, country }, context) {
  if (country && context.country !== country) return { key, value: "control", reason: "DEFAULT", variant: "control" };
  const variant = bucket(`${key}/${context.targetingKey}`) < 5000 ? "control" : "bold";
  return { key, value: variant, reason: "SPLIT", variant, metadata: { experiment: key, iteration: 1, variant } };
}

const json = (value, status = 200) =>
  new Response(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json", "cache-control": "private" },
  });

export default {
  async fetch(request, env) {
    if (request.headers.get("authorization") !== `Bearer ${env.API_TOKEN}`) return json({}, 401);
    flags ??= JSON.parse(await env.CONFIG.get("config")).flags;
    const { context } = await request.json();
    const key = new URL(request.url).pathname.split("/evaluate/flags/")[1];
    if (!key) return json({ flags: flags.map((flag) => evaluate(flag, context)) });
    const flag = flags.find((flag) => flag.key === decodeURIComponent(key));
    return flag ? json(evaluate(flag, context)) : json({ key, errorCode: "FLAG_NOT_FOUND" }, 404);
  },
};
