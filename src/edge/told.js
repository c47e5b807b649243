// What the page's wasm was told of KV and of the bindings, for the services, which may come up much later.

import * as core from "sortition-core";

/**
 * What the wasm was told, so that the services can be told it too when they come up: the bindings; the readings that the
 * plan comes from, which are the last that was good and, where that one was not, the last; and a number that changes with
 * them. A reading is what `settle` or `settle_by_copy` was called with, the time last, and the plan of its document.
 */
export const told = { bindings: undefined, readings: [], number: 0 };

/** Tells the page's wasm what was read of KV, or of the data centre's copy, and notes that. */
export function tell(isCopy, values, plan) {
  const result = (isCopy ? core.settle_by_copy : core.settle)(...values);
  if (result === false) return result;
  const last = told.readings.at(-1);
  const isNews = last?.isCopy !== isCopy || !values.slice(0, -1).every((value, at) => value === last.values[at]);
  const isGood = !core.has_error();
  const good = isGood ? [] : told.readings.filter((reading) => reading.isGood);
  told.readings = [...good, { isCopy, values, plan, isGood }];
  if (isNews) told.number++;
  return result;
}
