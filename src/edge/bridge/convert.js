// Convert: attach(sdk). What its context decided before is told as well, since its events wait for who listens.
import { after, convert, expose } from "./core.js";

export function attach(sdk) {
  sdk.on("bucketing", ({ experienceKey, variationKey }) => expose(experienceKey, variationKey));
  const own = sdk.createContext;
  sdk.createContext = function (...given) {
    const context = own.apply(this, given);
    after(context, "trackConversion", (goal, attributes) => convert(goal, goalData(attributes?.conversionData)));
    return context;
  };
}

/** Its goals have a list of keys and values. */
const goalData = (list = []) => {
  const known = Object.fromEntries(list.map(({ key, value }) => [key, value]));
  return { value: known.amount, transaction_id: known.transactionId };
};
