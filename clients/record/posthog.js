// PostHog: the payload of `api/feature_flag/local_evaluation?send_cohorts`, evaluated locally.

export const sdk = "posthog-node";

export async function open({ PostHog }, payload) {
  const answer = (value) => ({
    status: 200,
    ok: true,
    headers: new Map(),
    text: async () => JSON.stringify(value),
    json: async () => value,
  });
  const client = new PostHog("phc_key", {
    personalApiKey: "phx_key",
    host: "http://127.0.0.1:9",
    fetch: async (url) => answer(/local_evaluation|definitions/.test(String(url)) ? payload : {}),
    featureFlagsPollingInterval: 3_600_000,
    flushInterval: 0,
  });
  await client.waitForLocalEvaluationReady?.(5_000);
  const decide = async (key, { id, attributes }) => {
    const options = { personProperties: attributes, onlyEvaluateLocally: true, sendFeatureFlagEvents: false };
    const value = await client.getFeatureFlag(key, id, options);
    return value === undefined || value === null || value === false ? null : String(value);
  };
  return { keys: payload.flags.map(({ key }) => key), decide, close: () => client.shutdown(100) };
}
