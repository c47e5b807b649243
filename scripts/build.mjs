// Rust → wasm → bindings → modules: build/index.js with what it shares and build/index_bg.wasm, and what an isolate only
// loads when it is asked for: services, readout and bridges, of the first two the wasm as well.
//
// These are the steps of worker-build, done directly: it would be another tool to compile, it drops LTO for a crate that
// is also a library (the wasm is 14 % larger), and it wraps the handlers in a class that is instantiated per request,
// which alone costs what a whole pass-through may.

import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { at, installed, output, packages, root, run, target, wasmBindgen, wasmTarget } from "./setup.mjs";

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

/** The page's wasm, and those that come up when they are asked for. */
export const WASMS = ["index_bg.wasm", "services_bg.wasm", "readout_bg.wasm"];

/** What `index.js` and with it every isolate starts with, of a built worker's folder: files by name. */
export function loadedAtStart(folder) {
  const files = new Set(["index.js"]);
  for (const file of files) {
    const named = readFileSync(join(folder, file), "utf8").matchAll(/(?:from|import)"\.\/([^"]+)"/g);
    if (file.endsWith(".js")) for (const [, name] of named) files.add(name);
  }
  return [...files];
}

const QUICK = process.env.SORTITION_QUICK === "1";

const SOURCES = [
  "scripts/build.mjs",
  ...readdirSync(at("src/edge"))
    .filter((name) => name.endsWith(".js"))
    .map((name) => `src/edge/${name}`),
  ...readdirSync(at("src/edge/bridge")).map((name) => `src/edge/bridge/${name}`),
];

/**
 * What the compiler calls the places of sources in messages of panics: the same on every machine, and short. Given as a
 * setting of cargo's, which adds to `.cargo/config.toml`, where `RUSTFLAGS` would replace it.
 */
function shortPaths() {
  const home = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  const sources = join(home, "registry", "src");
  const registries = existsSync(sources) ? readdirSync(sources).map((name) => [join(sources, name), "crates"]) : [];
  // why: where the standard library's sources are installed, the compiler names those rather than its own for them
  const library = [join(output("rustc", ["--print", "sysroot"]) ?? "", "lib", "rustlib", "src", "rust"), "rust"];
  // why: of several that fit the compiler takes the last
  const flags = [[root.replace(/[\\/]$/, ""), "."], [home, "cargo"], ...registries, library].map(
    ([from, to]) => `--remap-path-prefix=${from}=${to}`,
  );
  return ["--config", `target.wasm32-unknown-unknown.rustflags=${JSON.stringify(flags)}`];
}

/** Compiles the library with some features, in a profile of their own; the path of its wasm. */
function compile(profile, features) {
  const cargo = [
    ...shortPaths(),
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
  return join(target, "wasm32-unknown-unknown", profile, "sortition_engine.wasm");
}

/** Makes the bindings of a wasm as `name`.js and `name`_bg.wasm in `work`. */
function bind(wasm, { name, work, level, flags }) {
  run(wasmBindgen(), [wasm, "--no-typescript", "--out-name", name, "--out-dir", work, ...flags]);
  const bound = join(work, `${name}_bg.wasm`);
  // why: left alone it puts everything that has one caller into it, and V8 then spends a quarter of a second of a start
  // on optimising one function of 89 KB
  const limits = ["--one-caller-inline-max-function-size", "200"];
  const strip = process.env.SORTITION_NAMES === "1" ? ["-g"] : ["--strip-debug", "--strip-producers"];
  const known = WASM_FEATURES.map((feature) => `--enable-${feature}`);
  run(installed("wasm-opt"), [level, ...limits, ...strip, ...known, bound, "-o", bound]);
}

/** Bindings that start with `bringUp(module)` rather than with their import, and else do what they did. */
function lazily(glue) {
  const parts = [
    [/import source wasmModule from [^\n]*\n/, "let wasmModule;\n"],
    [
      /let wasmInstance = (new WebAssembly\.Instance\([^\n]*);\nlet wasm = wasmInstance\.exports;\nwasm\.__wbindgen_start\(\);\n/,
      `let wasmInstance;
let wasm;
export function bringUp(module) {
  if (wasm) return;
  wasmModule = module;
  wasmInstance = $1;
  wasm = wasmInstance.exports;
  wasm.__wbindgen_start();
}
`,
    ],
  ];
  return parts.reduce((text, [from, to]) => {
    if (!from.test(text)) throw new Error(`wasm-bindgen writes its bindings in another way: ${from} is not in them`);
    return text.replace(from, to);
  }, glue);
}

/** Makes the bridges to other tools as texts, each with its entity tag; the path of the module that has them all. */
function bridges(work) {
  const folder = join(work, "bridges");
  const names = readdirSync(at("src/edge/bridge")).filter((name) => name !== "core.js");
  run(installed("esbuild"), [
    ...names.map((name) => at("src/edge/bridge", name)),
    "--bundle",
    "--minify",
    "--format=esm",
    "--target=es2022",
    "--external:../client.js",
    `--outdir=${folder}`,
    "--log-level=warning",
  ]);
  const texts = names.map((name) => {
    const text = readFileSync(join(folder, name), "utf8").trim();
    const tag = `"${createHash("sha256").update(text).digest("hex").slice(0, 16)}"`;
    return [name.replace(/\.js$/, ""), { tag, text }];
  });
  const module = join(work, "bridges-text.js");
  writeFileSync(module, `export default ${JSON.stringify(Object.fromEntries(texts))};\n`);
  return module;
}

/** Builds the wasm of `clients/engine` into its folder `dist`. */
export function buildEngine() {
  packages();
  wasmTarget();
  const wasm = compile(QUICK ? "quick-engine" : "engine", ["engine"]);
  const out = at("clients", "engine", "dist");
  mkdirSync(out, { recursive: true });
  const stampFile = join(out, "stamp");
  const stamp = createHash("sha256")
    .update(readFileSync(wasm))
    .update(readFileSync(at("scripts/build.mjs")))
    .digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return out;
  bind(wasm, { name: "engine", work: out, level: QUICK ? "-O0" : "-O3", flags: ["--target", "web"] });
  writeFileSync(stampFile, stamp);
  return out;
}

/**
 * Builds the worker into `out`; `features` and `profile` are cargo's, for builds that are only tested. Builds with
 * different features need different profiles: in one folder each would overwrite the other's wasm, and be built anew
 * every time. `SORTITION_QUICK=1` (what `npm test -- --quick` sets) spends no time on making it small or fast;
 * `SORTITION_NAMES=1` leaves the names of functions in it, by which a profiler tells them.
 */
export function build({ out = at("build"), features = [], profile = QUICK ? "quick" : "worker" } = {}) {
  packages();
  wasmTarget();
  wasmBindgen();
  const wasm = compile(profile, features);
  const services = compile(QUICK ? "quick-services" : "services", ["services"]);
  const readout = compile(QUICK ? "quick-readout" : "readout", ["readout"]);

  const hash = createHash("sha256");
  for (const one of [wasm, services, readout]) hash.update(readFileSync(one));
  for (const source of SOURCES) hash.update(readFileSync(at(source)));
  const stamp = hash.digest("hex");
  const stampFile = `${out}.stamp`;
  if (existsSync(join(out, "index.js")) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp)
    return out;

  const work = join(target, ["bindings", ...features].join("-"));
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  // why: of a build that is only tested nobody measures the size, and this step would take a minute
  const level = profile === "worker" ? "-O3" : "-O0";
  // why: a trap ends the instance; with these two the next call starts a fresh one
  const recovery = ["--experimental-reset-state-function", "--force-enable-abort-handler"];
  bind(wasm, { name: "index", work, level, flags: ["--target", "module", ...recovery] });
  bind(services, { name: "services", work, level, flags: ["--target", "module", ...recovery] });
  bind(readout, { name: "readout", work, level, flags: ["--target", "web"] });
  const glue = join(work, "index.js");
  // why: Workers import a compiled module by its file, and have no source phase imports
  writeFileSync(glue, readFileSync(glue, "utf8").replace("import source wasmModule", "import wasmModule"));
  const lazyGlue = join(work, "services.js");
  writeFileSync(lazyGlue, lazily(readFileSync(lazyGlue, "utf8")));

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

  const bridgesText = bridges(work);

  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  run(installed("esbuild"), [
    `index=${at("src/edge/entry.js")}`,
    // why: named, each is a file of its own; what several of them use becomes another
    `services=${resolve(lazyGlue)}`,
    `readout=${at("src/edge/readout.js")}`,
    `bridges=${resolve(bridgesText)}`,
    "--bundle",
    "--splitting",
    "--chunk-names=shared-[hash]",
    "--minify",
    "--format=esm",
    "--target=es2022",
    "--external:./index_bg.wasm",
    "--external:./services_bg.wasm",
    "--external:./readout_bg.wasm",
    `--alias:sortition-core=${resolve(glue)}`,
    `--alias:sortition-services=${resolve(lazyGlue)}`,
    `--alias:sortition-page=${at("src/edge/page.js")}`,
    `--alias:sortition-bounded=${at("src/edge/bounded.js")}`,
    `--alias:sortition-ship=${at("src/edge/ship.js")}`,
    `--alias:sortition-people=${at("src/edge/people.js")}`,
    `--alias:sortition-readout=${resolve(join(work, "readout.js"))}`,
    `--alias:sortition-client=${resolve(clientText)}`,
    `--alias:sortition-bridges=${resolve(bridgesText)}`,
    `--outdir=${out}`,
    "--log-level=warning",
  ]);
  for (const name of WASMS) cpSync(join(work, name), join(out, name));
  writeFileSync(stampFile, stamp);
  const kib = (...names) =>
    Math.round(
      names.reduce((sum, name) => sum + gzipSync(readFileSync(join(out, name)), { level: 9 }).length, 0) / 1024,
    );
  const [page, others, results] = [
    kib(...loadedAtStart(out)),
    kib("services.js", "services_bg.wasm"),
    kib("readout.js", "readout_bg.wasm"),
  ];
  console.log(`${out}: ${page} KiB compressed, what a page needs; services ${others}, readout ${results} KiB`);
  return out;
}

if (process.argv[1] === new URL(import.meta.url).pathname) build();
