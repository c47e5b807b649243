// Unleash: the payload of `api/client/features`.

export const sdk = "unleash-client";

export async function open(module, { features, segments = [] }) {
  const { InMemStorageProvider, Unleash } = module.Unleash ? module : module.default;
  const client = new Unleash({
    url: "http://127.0.0.1:9/api/",
    appName: "record",
    refreshInterval: 0,
    disableMetrics: true,
    skipInstanceCountWarning: true,
    storageProvider: new InMemStorageProvider(),
    bootstrap: { data: structuredClone(features), segments: structuredClone(segments) },
  });
  client.on("error", () => {});
  client.on("warn", () => {});
  await new Promise((resolve) => client.once("ready", resolve));
  const hasVariants = ({ variants = [], strategies = [] }) =>
    variants.length > 0 || strategies.some((strategy) => strategy.variants?.length > 0);
  const withVariants = new Set(features.filter(hasVariants).map(({ name }) => name));
  const decide = (key, { id, attributes }) => {
    const properties = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)]));
    const context = { userId: id, properties };
    if (!client.isEnabled(key, context)) return null;
    if (!withVariants.has(key)) return "true";
    const variant = client.getVariant(key, context);
    return variant.enabled ? variant.name : null;
  };
  return { keys: features.map(({ name }) => name), decide, close: () => client.destroy() };
}
