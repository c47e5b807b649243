// The same through GrowthBook's SDK, an instance a request, as its documentation for servers has it.

import { GrowthBook } from "@growthbook/growthbook";

let payload;

const json = (value, status = 200) =>
  new Response(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json", "cache-control": "private" },
  });

function evaluate(growthbook, key) {
  const { value, experimentResult, source } = growthbook.evalFeature(key);
  return {
    key,
    value,
    reason: experimentResult?.inExperiment ? "SPLIT" : "DEFAULT",
    variant: value,
    metadata: { source },
  };
}

export default {
  async fetch(request, env) {
    if (request.headers.get("authorization") !== `Bearer ${env.API_TOKEN}`) return json({}, 401);
    payload ??= JSON.parse(await env.CONFIG.get("config"));
    const { context } = await request.json();
    const { targetingKey: id, ...attributes } = context;
    const growthbook = new GrowthBook({ attributes: { id, ...attributes } }).initSync({ payload });
    const key = new URL(request.url).pathname.split("/evaluate/flags/")[1];
    const answer = key
      ? evaluate(growthbook, decodeURIComponent(key))
      : { flags: Object.keys(payload.features).map((key) => evaluate(growthbook, key)) };
    growthbook.destroy();
    return json(answer);
  },
};
