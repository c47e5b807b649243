// The same through Optimizely's SDK: one client an isolate, a user context a request, decisions without events.

import {
  createInstance,
  createStaticProjectConfigManager,
  OptimizelyDecideOption,
} from "@optimizely/optimizely-sdk/universal";

let client;

const json = (value, status = 200) =>
  new Response(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json", "cache-control": "private" },
  });
const OPTIONS = [OptimizelyDecideOption.DISABLE_DECISION_EVENT];

const told = ({ flagKey: key, variationKey: variant }) => ({
  key,
  value: variant ?? "control",
  reason: variant ? "SPLIT" : "DEFAULT",
  variant: variant ?? "control",
});

export default {
  async fetch(request, env) {
    if (request.headers.get("authorization") !== `Bearer ${env.API_TOKEN}`) return json({}, 401);
    if (!client) {
      const datafile = await env.CONFIG.get("config");
      client = createInstance({ projectConfigManager: createStaticProjectConfigManager({ datafile }) });
      await client.onReady();
    }
    const { context } = await request.json();
    const { targetingKey, ...attributes } = context;
    const user = client.createUserContext(targetingKey, attributes);
    const key = new URL(request.url).pathname.split("/evaluate/flags/")[1];
    if (key) return json(told(user.decide(decodeURIComponent(key), OPTIONS)));
    return json({ flags: Object.values(user.decideAll(OPTIONS)).map(told) });
  },
};
