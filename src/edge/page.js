// What the services ask the page's wasm for.

import * as core from "sortition-core";
import { hits } from "./rewrite.js";
import { numbered } from "./ship.js";

// why: of an instance that a trap ended the next call starts a fresh one, but with its texts in the memory of the old one
export function health(isTold, exposures, unchanged, now) {
  core.generation();
  return core.health(isTold, exposures, unchanged, numbered(), hits(), now);
}

export function knowsToken(key, now) {
  core.generation();
  return core.knows_token(key, now);
}
