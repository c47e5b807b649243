// Unleash: attach(client), with impression data on for the features. Variants are those of the feature, or `true`.
import { expose } from "./core.js";

export function attach(client) {
  client.on("impression", ({ featureName, enabled, variant }) => {
    if (enabled) expose(featureName, variant ?? true);
  });
}

export { convert } from "./core.js";
