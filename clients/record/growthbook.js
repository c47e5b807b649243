// GrowthBook: the payload of `api/features/<client key>`.

export const sdk = "@growthbook/growthbook";

export function open({ GrowthBook }, payload) {
  const { features = {}, savedGroups, experiments = [] } = payload;
  const decide = (key, { id, attributes }) => {
    const growthbook = new GrowthBook({ attributes: { ...attributes, id }, features, savedGroups });
    const experiment = experiments.find((it) => it.key === key);
    if (experiment && !features[key]) {
      // why: on which pages it runs is not what its hash says
      const everywhere = { urlPatterns: undefined, url: undefined };
      const variations = experiment.variations.map((_, index) => index);
      const result = growthbook.run({ ...experiment, ...everywhere, variations });
      return result.inExperiment && result.hashUsed ? result.key : null;
    }
    const result = growthbook.evalFeature(key);
    if (result.experimentResult?.inExperiment) return result.experimentResult.key;
    return result.source === "force" ? result.value : null;
  };
  return { keys: [...Object.keys(features), ...experiments.map(({ key }) => key)], decide };
}
