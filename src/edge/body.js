// What the endpoints need of the runtime: a bounded body, and the page's script.

import client from "sortition-client";

/** The request's body, at most `limit` bytes; undefined where it is longer. Reads no further than that. */
export async function body(request, limit) {
  const announced = request.headers.get("content-length");
  if (Number(announced) > limit) return undefined;
  if (!request.body) return new Uint8Array();
  // why: what is told beforehand is what comes, and in one piece it costs a fraction
  if (/^\d+$/.test(announced ?? "")) return new Uint8Array(await request.arrayBuffer());
  const chunks = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

// Headers that differ from one request to the next and that nothing is decided by.
const PASSING = new Set(["if-none-match", "content-length", "cf-ray", "traceparent", "tracestate", "x-request-id"]);
// What conditions may ask of Cloudflare's properties.
const PLACE = [
  "country",
  "region",
  "regionCode",
  "city",
  "continent",
  "postalCode",
  "timezone",
  "isEUCountry",
  "asn",
  "colo",
];

/** Everything of a browser's call, beside its body, that decisions may look at, as a text. */
export function surroundings(request) {
  const headers = [...request.headers].filter(([name]) => !PASSING.has(name));
  const { cf } = request;
  const place = PLACE.map((name) => cf?.[name]);
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
