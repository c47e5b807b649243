// What `push` writes beside a document: its plan, made by the services' wasm as an isolate would that has only the text.

import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { buildSync } = createRequire(import.meta.url)("esbuild");

// What the worker gives the services, of which compiling asks for nothing.
const STUB = `
export default "";
export const ship = () => {}, toPipeline = () => {}, joinAll = () => {}, tellAll = () => {}, verified = () => {}, body = () => {};
export const health = () => {}, knowsToken = () => false;
`;

/** `compile(text)` of the services that were built; `bindings` is the folder of their bindings. */
export async function compiler(bindings, built) {
  const folder = mkdtempSync(join(tmpdir(), "sortition-bench-"));
  try {
    const stub = join(folder, "stub.js");
    writeFileSync(stub, STUB);
    const names = ["bounded", "client", "ship", "people", "page"].map((name) => [`sortition-${name}`, stub]);
    const outfile = join(folder, "services.mjs");
    const entryPoints = [join(bindings, "services.js")];
    buildSync({ entryPoints, bundle: true, format: "esm", alias: Object.fromEntries(names), outfile });
    const services = await import(pathToFileURL(outfile).href);
    services.bringUp(new WebAssembly.Module(readFileSync(join(built, "services_bg.wasm"))));
    return services.compile;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The stores, those of documents of ours with the plans of those documents. */
export async function withPlans(stores, bindings, built) {
  const compile = await compiler(bindings, built);
  const planned = ([name, store]) => {
    if (!store.config?.includes('"version":1') || name.endsWith("-json")) return [name, store];
    const content = createHash("sha256").update(store.config).digest("hex").slice(0, 32);
    const plan = Buffer.concat([Buffer.alloc(32), compile(store.config)]);
    return [name, { ...store, [`plan:${content}`]: plan.toString("base64") }];
  };
  return Object.fromEntries(Object.entries(stores).map(planned));
}
