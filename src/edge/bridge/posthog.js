// PostHog: attach(posthog). A flag is exposed when somebody asks for it (`$feature_flag_called`); `shown` names those
// that the page shows without asking.
import { convert, expose } from "./core.js";

export function attach(posthog, { shown = [] } = {}) {
  posthog.on("eventCaptured", ({ event, properties = {} }) => {
    if (event === "$feature_flag_called") expose(properties.$feature_flag, properties.$feature_flag_response);
    else convert(event, properties);
  });
  if (shown.length === 0) return;
  posthog.onFeatureFlags((_flags, variants = {}) => {
    for (const flag of shown) expose(flag, variants[flag]);
  });
}
