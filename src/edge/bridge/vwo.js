// VWO Feature Experimentation: init({ integrations }), then attach(client) for goals; its web snippet: attachWeb().
// Variants are the variations' numbers.
import { after, convert, expose } from "./core.js";

export const integrations = {
  callback({ featureKey, experimentVariationId }) {
    expose(featureKey, experimentVariationId);
  },
};

/** Its callback names a goal without its properties: what `trackEvent` is told is told here, too. */
export function attach(client) {
  after(client, "trackEvent", (event, _context, properties) => convert(event, properties));
}

/** The snippet tells of a campaign and a combination, the control being 1. */
export function attachWeb(queue = (window.VWO ??= [])) {
  queue.push(["onVariationApplied", ([, campaign, combination] = []) => expose(campaign, combination)]);
}
