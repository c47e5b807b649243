// LaunchDarkly: initialize(id, context, { inspectors }), then attach(client) for goals. Variants are the variations'
// indices.
import { after, convert, expose } from "./core.js";

export const inspectors = [
  { type: "flag-used", name: "sortition", method: (flag, detail) => expose(flag, detail.variationIndex) },
];

/** Goals have no inspector: what `track` is told is told here, too. */
export function attach(client) {
  after(client, "track", (event, data, value) => convert(event, { ...data, value: value ?? data?.value }));
}
