// Calls for decisions, `POST ofrep/v1/evaluate/flags…` and `POST choose`. The services' wasm is asked twice, who calls and
// what is answered, with the body's bytes between; nearly every answer is there at once, without a promise of the wasm's.

import { body } from "./bounded.js";
import { decode } from "./decode.js";
import { problem } from "./problem.js";
import { serving } from "./services.js";

const BASE = "/_sortition/";
const CALLS = /^\/_sortition\/(?:choose$|ofrep\/v1\/evaluate\/flags(?:$|\/.))/;

/** Whether a request is a call, or asks whether one may be sent. */
export const isCall = (path, method) => (method === "POST" || method === "OPTIONS") && CALLS.test(path);

/** The answer; `inTime` gives a promise of the wasm up where it does not settle. */
export async function call(request, path, env, ctx, inTime) {
  try {
    return await answered(request, path, env, ctx, inTime);
  } catch (error) {
    console.error(`sortition: failed in answering a call: ${error?.stack ?? error}`);
    const detail = "the call failed: ask again; the worker's log says why";
    if (path === `${BASE}choose`) return problem(500, "Internal error", detail);
    // why: OFREP's bodies are its own, also of what fails
    const headers = { "content-type": "application/json", "cache-control": "no-store" };
    return new Response(JSON.stringify({ errorDetails: detail }), { status: 500, headers });
  }
}

async function answered(request, path, env, ctx, inTime) {
  const { headers, method, url } = request;
  const read = (name) => headers.get(name) ?? undefined;
  const services = await serving();
  const authorization = read("authorization");
  // why: whoever sends a token is a server, and of one nothing else is asked
  const isServer = authorization !== undefined && /^bearer /i.test(authorization);
  const origin = isServer ? undefined : read("origin");
  const key = isServer ? undefined : read("x-api-key");
  const site = isServer ? undefined : read("sec-fetch-site");
  const token = typeof env.API_TOKEN === "string" ? env.API_TOKEN : undefined;
  const standing = services.standing(authorization, key, origin, site, url, token);
  const name = path.slice(BASE.length);
  const isPreflight = method === "OPTIONS";
  const mayAsk = standing <= services.Standing.OtherSite;
  const bytes = mayAsk && !isPreflight ? await body(request, services.longest_body(name)) : undefined;
  // why: another request may have ended the instance meanwhile
  services.generation();
  const etag = read("if-none-match");
  const text = services.call(name, standing, isPreflight, origin, etag, bytes, request, env, ctx);
  const answer = decode(typeof text === "string" ? text : await inTime(text));
  return new Response(answer.body || null, { status: answer.status, headers: answer.headers });
}
