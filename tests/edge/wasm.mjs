// The wasm that is only tested, in this process: its bindings, with the module given to them rather than imported.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { target } from "../../scripts/setup.mjs";

/** The wasm's functions. */
export async function wasm() {
  const folder = mkdtempSync(join(tmpdir(), "sortition-"));
  cpSync(join(target, "bindings-chaos"), folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  // why: the build bundles these into the worker, and nothing here asks for them
  const bundled = {
    "sortition-bounded": "export function body() {}",
    "sortition-client": 'export default "";',
    "sortition-ship": "export function ship() {}\nexport function toPipeline() {}",
    "sortition-people": "export function joinAll() {}\nexport function tellAll() {}\nexport function verified() {}",
  };
  for (const [name, text] of Object.entries(bundled)) {
    mkdirSync(join(folder, "node_modules", name), { recursive: true });
    writeFileSync(join(folder, "node_modules", name, "index.js"), text);
  }
  const glue = readFileSync(join(folder, "index.js"), "utf8");
  const module =
    'import { readFileSync } from "node:fs"; const wasmModule = new WebAssembly.Module(readFileSync(new URL("./index_bg.wasm", import.meta.url)));';
  writeFileSync(
    join(folder, "index.js"),
    glue.replace(/import wasmModule from [^;]*;/, () => module),
  );
  try {
    return await import(pathToFileURL(join(folder, "index.js")).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
