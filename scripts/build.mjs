// Rust → wasm → bindings → one module: build/index.js and build/index_bg.wasm.
//
// These are the steps of worker-build, done directly: it would be another tool to compile, it drops LTO for a crate that
// is also a library (the wasm is 14 % larger), and it wraps the handlers in a class that is instantiated per request,
// which alone costs what a whole pass-through may.

import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { at, installed, packages, run, target, wasmBindgen, wasmTarget } from "./setup.mjs";

// Named, so that wasm-opt uses no encoding that workerd does not read yet.
const WASM_FEATURES = [
  "mutable-globals",
  "sign-ext",
  "nontrapping-float-to-int",
  "bulk-memory",
  "multivalue",
  "reference-types",
  "exception-handling",
];

const SOURCES = [
  "scripts/build.mjs",
  ...["entry", "cache", "rewrite", "request", "readout", "ship", "body", "client"].map((name) => `src/edge/${name}.js`),
];

/**
 * Builds the worker into `out`; `features` and `profile` are cargo's, for builds that are only tested. Builds with
 * different features need different profiles: in one folder each would overwrite the other's wasm, and be built anew
 * every time.
 */
export function build({ out = at("build"), features = [], profile = "worker" } = {}) {
  packages();
  wasmTarget();
  const bindgen = wasmBindgen();
  const cargo = [
    "rustc",
    "--profile",
    profile,
    "--lib",
    "--crate-type",
    "cdylib",
    "--target",
    "wasm32-unknown-unknown",
  ];
  run("cargo", features.length ? [...cargo, "--features", features.join(",")] : cargo);
  const wasm = join(target, "wasm32-unknown-unknown", profile, "sortition_engine.wasm");

  const hash = createHash("sha256").update(readFileSync(wasm));
  for (const source of SOURCES) hash.update(readFileSync(at(source)));
  const stamp = hash.digest("hex");
  const stampFile = `${out}.stamp`;
  if (existsSync(join(out, "index.js")) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp)
    return out;

  const work = join(target, ["bindings", ...features].join("-"));
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  // why: a trap ends the instance; with these two the next call starts a fresh one
  const recovery = ["--experimental-reset-state-function", "--force-enable-abort-handler"];
  run(bindgen, [wasm, "--target", "module", "--no-typescript", "--out-name", "index", "--out-dir", work, ...recovery]);
  const glue = join(work, "index.js");
  // why: Workers import a compiled module by its file, and have no source phase imports
  writeFileSync(glue, readFileSync(glue, "utf8").replace("import source wasmModule", "import wasmModule"));
  const bound = join(work, "index_bg.wasm");
  // why: of a build that is only tested nobody measures the size, and this step would take a minute
  const level = profile === "worker" ? "-O3" : "-O0";
  // why: left alone it puts everything that has one caller into it, and V8 then spends a quarter of a second of a start
  // on optimising one function of 89 KB
  const limits = ["--one-caller-inline-max-function-size", "200"];
  const strip = ["--strip-debug", "--strip-producers"];
  const flags = [level, ...limits, ...strip, ...WASM_FEATURES.map((name) => `--enable-${name}`)];
  run(installed("wasm-opt"), [...flags, bound, "-o", bound]);

  const client = join(work, "client.min.js");
  run(installed("esbuild"), [
    at("src/edge/client.js"),
    "--bundle",
    "--minify",
    "--format=iife",
    "--target=es2018",
    `--outfile=${client}`,
    "--log-level=warning",
  ]);
  // why: the worker serves the script, so it carries it as a text
  const clientText = join(work, "client-text.js");
  writeFileSync(clientText, `export default ${JSON.stringify(readFileSync(client, "utf8"))};\n`);

  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  run(installed("esbuild"), [
    at("src/edge/entry.js"),
    "--bundle",
    "--format=esm",
    "--target=es2022",
    "--external:./index_bg.wasm",
    `--alias:sortition-core=${resolve(glue)}`,
    `--alias:sortition-client=${resolve(clientText)}`,
    `--outfile=${join(out, "index.js")}`,
    "--log-level=warning",
  ]);
  cpSync(bound, join(out, "index_bg.wasm"));
  writeFileSync(stampFile, stamp);
  const compressed = (name) => gzipSync(readFileSync(join(out, name)), { level: 9 }).length;
  const kib = (bytes) => Math.round(bytes / 1024);
  console.log(
    `${out}: ${kib(statSync(bound).size)} KiB of wasm, ${kib(compressed("index_bg.wasm") + compressed("index.js"))} KiB compressed with its JavaScript`,
  );
  return out;
}

if (process.argv[1] === new URL(import.meta.url).pathname) build();
