// The services' wasm and its bindings: brought up by the first request for something that is no page, and then told what
// the page's was told.

import { told } from "./told.js";

let known = 0;

let services;

/** The services, without a document: for what needs none. */
export async function wake() {
  // why: an import that is already there costs a turn of the loop each time
  if (!services) {
    const [bindings, { default: module }] = await Promise.all([
      import("sortition-services"),
      import("./services_bg.wasm"),
    ]);
    bindings.bringUp(module);
    services = bindings;
  }
  // why: a fresh instance in the place of one that a trap ended; see `revive` in entry.js
  services.generation();
  return services;
}

/** The services with the document, the kill keys and the secrets as the page's wasm has them. */
export async function serving() {
  const services = await wake();
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
