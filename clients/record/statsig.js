// Statsig: the payload of `v1/download_config_specs`.

export const sdk = "statsig-node";

export async function open(module, payload) {
  const Statsig = module.StatsigServer ?? module.default.StatsigServer;
  const options = { localMode: true, bootstrapValues: JSON.stringify(payload), disableDiagnostics: true };
  const statsig = new Statsig("secret-key", options);
  await statsig.initializeAsync();
  const gates = new Set(payload.feature_gates.map(({ name }) => name));
  const decide = (key, { id, attributes }) => {
    const user = { userID: id, country: attributes.country, custom: attributes };
    if (gates.has(key)) return statsig.checkGateSync(user, key) ? "true" : null;
    return statsig.getExperimentSync(user, key).getGroupName();
  };
  const keys = [...gates, ...payload.dynamic_configs.map(({ name }) => name)];
  return { keys, decide, close: () => statsig.shutdownAsync?.(100) };
}
