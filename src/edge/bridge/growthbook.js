// GrowthBook: new GrowthBook({ trackingCallback, eventLogger }).
import { convert, expose } from "./core.js";

export const trackingCallback = (experiment, result) => expose(experiment.key, result.key);
export const eventLogger = (event, properties) => convert(event, properties);
