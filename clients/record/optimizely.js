// Optimizely Feature Experimentation: the datafile.

export const sdk = "@optimizely/optimizely-sdk";

export async function open(module, datafile) {
  const { createInstance, createStaticProjectConfigManager } = module.createInstance ? module : module.default;
  const projectConfigManager = createStaticProjectConfigManager({ datafile: JSON.stringify(datafile) });
  const client = createInstance({ projectConfigManager });
  await client.onReady?.();
  const experiments = [...datafile.experiments, ...datafile.groups.flatMap((group) => group.experiments)];
  const isExperiment = new Set(experiments.map(({ key }) => key));
  const decide = (key, { id, attributes }) => {
    if (isExperiment.has(key)) return client.getVariation(key, id, attributes);
    const { enabled, variationKey } = client.createUserContext(id, attributes).decide(key, ["DISABLE_DECISION_EVENT"]);
    return enabled ? variationKey : null;
  };
  const flags = datafile.featureFlags.map(({ key }) => key).filter((key) => !isExperiment.has(key));
  return { keys: [...isExperiment, ...flags], decide, close: () => client.close?.() };
}
