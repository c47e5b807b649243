// The services' wasm: brought up by the first request for something that is no page, and then told what the page's was told.

import * as services from "sortition-services";
import { told } from "./told.js";

let known = 0;

let module;

/** The services, without a document: for what needs none. */
export async function wake() {
  // why: an import that is already there costs a turn of the loop each time
  module ??= (await import("./services_bg.wasm")).default;
  services.bringUp(module);
  // why: a fresh instance in the place of one that a trap ended; see `revive` in entry.js
  services.generation();
  return services;
}

/** The services with the document, the kill keys and the secrets as the page's wasm has them. */
export async function serving() {
  await wake();
  const { bindings, readings, number } = told;
  // why: a fresh instance, in the place of one that a trap ended, knows nothing
  if (bindings && (known !== number || !services.is_configured())) {
    known = number;
    services.configure(...bindings);
    for (const { isCopy, values, plan } of readings) {
      if (plan) services.read_plan(plan.content, plan.bytes);
      (isCopy ? services.settle_by_copy : services.settle)(...values);
    }
  }
  return services;
}
