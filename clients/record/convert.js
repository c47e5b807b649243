// Convert: the configuration of `api/v1/config/<SDK key>`.

export const sdk = "@convertcom/js-sdk";

export async function open({ default: module }, payload) {
  const ConvertSDK = module.default ?? module;
  const client = new ConvertSDK({ data: structuredClone(payload), network: { tracking: false } });
  await client.onReady();
  const decide = (key, { id, attributes }) => {
    const options = { visitorProperties: attributes, locationProperties: {}, enableTracking: false };
    const found = client.createContext(id).runExperience(key, options);
    return typeof found === "object" && found ? found.key : null;
  };
  return { keys: payload.experiences.map(({ key }) => key), decide };
}
