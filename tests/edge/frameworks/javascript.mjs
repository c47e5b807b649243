// Runs the examples in JavaScript: each is bundled with the helper, and with as much of its framework as it uses.

import { AsyncLocalStorage } from "node:async_hooks";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { at, installed, run } from "../../../scripts/setup.mjs";

/** What an example imports of its framework. */
const FRAMEWORK = {
  "next/headers": "export const headers = async () => globalThis.requestOfNext.getStore().headers;",
  "next/server": "export const NextResponse = { next: () => new Response(null) };",
};

globalThis.requestOfNext = new AsyncLocalStorage();
globalThis.defineEventHandler = (handler) => handler;
globalThis.getHeader = (event, name) => event.request.headers.get(name) ?? undefined;

/** The module of an example. */
export async function moduleOf(folder, name, text) {
  const file = join(folder, `${name}.js`);
  writeFileSync(file, text);
  const aliases = [`--alias:@sortition/origin=${at("clients/javascript/index.js")}`];
  mkdirSync(join(folder, "framework"), { recursive: true });
  for (const [place, source] of Object.entries(FRAMEWORK)) {
    const stub = join(folder, "framework", `${place.replace("/", "-")}.js`);
    writeFileSync(stub, source);
    aliases.push(`--alias:${place}=${stub}`);
  }
  const out = join(folder, `${name}.mjs`);
  run(installed("esbuild"), [
    file,
    "--bundle",
    "--format=esm",
    "--platform=node",
    `--outfile=${out}`,
    "--log-level=error",
    ...aliases,
  ]);
  return import(pathToFileURL(out).href);
}

/** What each framework does with a request: the variants that the page has, and what it says it rendered. */
export const RUN = {
  async "Next.js"([page, middleware], request) {
    const text = await globalThis.requestOfNext.run(request, () => page.Hero());
    const answer = middleware.middleware(request);
    const hero = text === "Tents that stand" ? "bold" : "control";
    return { variants: { hero }, expose: answer.headers.get("Sortition-Expose") };
  },
  async "Remix and Hydrogen"([route], request) {
    const loaded = await route.loader({ request });
    const headers = route.headers({ loaderHeaders: loaded.headers });
    return { variants: await loaded.json(), expose: headers["Sortition-Expose"] };
  },
  async Nuxt([handler], request) {
    const event = { request, context: {} };
    await handler.default(event);
    return { variants: event.context.variants, expose: undefined };
  },
  async Astro([middleware], request) {
    const context = { request, locals: {} };
    const answer = await middleware.onRequest(context, async () => new Response("page"));
    return { variants: context.locals.variants, expose: answer.headers.get("Sortition-Expose") };
  },
};
