// Any OpenFeature SDK: OpenFeature.addHooks(hook), and tracking(provider) in the provider's place for goals.
import { after, convert, expose } from "./core.js";

// Reasons of those who are in no experiment.
const OUT = new Set(["ERROR", "DISABLED", "DEFAULT"]);

export const hook = {
  after({ flagKey }, { variant, reason, errorCode }) {
    if (!errorCode && !OUT.has(reason)) expose(flagKey, variant);
  },
};

/** `track` has no hook: what the provider is told is told here, too. */
export function tracking(provider) {
  provider.track ??= () => {};
  after(provider, "track", (event, _context, details) => convert(event, details));
  return provider;
}
