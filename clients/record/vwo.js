// VWO Feature Experimentation: the payload of `server-side/v2-settings`. The SDK tells a rule's variation by its number
// alone, which its names stand for.

import { local } from "./local.js";

export const sdk = "vwo-fme-node-sdk";

export async function open(module, payload) {
  const { init } = module.init ? module : module.default;
  const server = await local(({ pathname }) => (pathname.includes("settings") ? payload : {}));
  let told = {};
  const client = await init({
    accountId: String(payload.accountId),
    sdkKey: payload.sdkKey,
    gatewayService: { url: "127.0.0.1", port: server.port, protocol: "http" },
    integrations: { callback: (decision) => (told = decision) },
    logger: { level: "ERROR" },
    isUsageStatsDisabled: true,
    // why: else it sends an event for each decision, which makes a million ids a matter of hours
    batchEventData: { eventsPerRequest: 5000, requestTimeInterval: 3600 },
  });
  const named = (campaign, variation) => {
    const found = payload.campaigns.find(({ id }) => id === campaign);
    return found?.variations.find(({ id }) => id === variation)?.name ?? null;
  };
  const decide = async (key, { id, attributes }) => {
    told = {};
    const flag = await client.getFlag(key, { id, customVariables: attributes });
    if (!flag.isEnabled()) return null;
    return told.experimentId
      ? named(told.experimentId, told.experimentVariationId)
      : named(told.rolloutId, told.rolloutVariationId);
  };
  return { keys: payload.features.map(({ key }) => key), decide, close: () => server.close() };
}
