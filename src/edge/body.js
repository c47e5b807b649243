// What the endpoints need of the runtime: a bounded body, and the page's script.

import client from "sortition-client";

// why: by its name and not by its path, for what it imported would be bundled a second time
export { body } from "sortition-bounded";

// Headers that differ from one request to the next and that nothing is decided by.
const PASSING = new Set(["if-none-match", "content-length", "cf-ray", "traceparent", "tracestate", "x-request-id"]);
/**
 * Everything of a browser's call, beside its body, that decisions may look at, as a text. `properties`: the names of
 * Cloudflare's that they may ask for.
 */
export function surroundings(request, properties) {
  const headers = [...request.headers].filter(([name]) => !PASSING.has(name));
  const { cf } = request;
  const place = properties.split(",").map((name) => cf?.[name]);
  return JSON.stringify([request.url, headers, place, cf?.botManagement?.verifiedBot, cf?.verifiedBotCategory]);
}

/**
 * Whether the binding RATE_LIMITER takes a request with all of these keys; undefined where there is none, or where it
 * fails: it is there to keep floods out, and not what people did.
 */
export async function withinRate(keys, env) {
  if (!env.RATE_LIMITER) return undefined;
  try {
    const answers = await Promise.all(keys.map((key) => env.RATE_LIMITER.limit({ key })));
    return answers.every(({ success }) => success);
  } catch (error) {
    console.error(`sortition: failed in asking RATE_LIMITER: ${error}`);
  }
}

/** The text of `client.js`, minified. */
export function clientScript() {
  return client;
}
