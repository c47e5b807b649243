// GrowthBook: new GrowthBook({ trackingCallback, eventLogger }).
import { convert, expose } from "./core.js";

export const trackingCallback = (experiment, result) => expose(experiment.key, result.key);

// What it logs of its own: exposures come by the callback.
const OWN = new Set(["Experiment Viewed", "Feature Evaluated"]);

export const eventLogger = (event, properties) => {
  if (!OWN.has(event)) convert(event, properties);
};
