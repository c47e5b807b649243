// What is deployed: its shape and its size.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { unstable_readConfig as readConfig } from "wrangler";
import { loadedAtStart } from "../../scripts/build.mjs";

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
// why: nothing may grow unseen. What every isolate loads is bounded tightest (docs/performance.md).
const LIMITS_KIB = [
  { of: "a visit of a page", files: loadedAtStart(at("build")), limit: 213 },
  { of: "an endpoint, beside it", files: ["services.js", "services_bg.wasm"], limit: 575 },
  { of: "the readout, beside it", files: ["readout.js", "readout_bg.wasm"], limit: 602 },
];

test("wrangler.toml deploys what is built", () => {
  assert.equal(readConfig({ config: at("wrangler.toml") }, { hideWarnings: true }).main, at("build/index.js"));
});

/** What a module imports and exports, as a bundler reads it: texts of scripts that it serves say `export` too. */
function shape(module = "index.js") {
  const entryPoints = [at(`build/${module}`)];
  const { metafile } = buildSync({
    entryPoints,
    bundle: true,
    external: ["./*"],
    format: "esm",
    write: false,
    metafile: true,
    logLevel: "error",
  });
  return Object.values(metafile.outputs)[0];
}

// why: every other export would be an entry point that the account's other workers can call
test("the module exports its handlers as the default, the class of users' objects, and nothing else", () => {
  // why: the runtime finds the class of the users' objects by its export
  assert.deepEqual(shape().exports.sort(), ["Person", "default"]);
});

test("a page starts with its own wasm and JavaScript alone; the rest comes when it is asked for", () => {
  const atStart = loadedAtStart(at("build"));
  const scripts = atStart.filter((file) => file.endsWith(".js"));
  const imported = (wanted) => {
    const of = scripts.flatMap((script) => shape(script).imports).filter(({ kind }) => kind === wanted);
    return [...new Set(of.map(({ path }) => path.slice(2)))].sort();
  };
  assert.deepEqual(imported("import-statement"), atStart.filter((file) => file !== "index.js").sort());
  assert.ok(
    atStart.every((file) => /^(?:index\.js|index_bg\.wasm|shared-\w+\.js)$/.test(file)),
    `${atStart}`,
  );
  const later = ["bridges.js", "readout.js", "services.js", "services_bg.wasm"];
  assert.deepEqual(imported("dynamic-import"), later);
  assert.deepEqual(
    shape("readout.js")
      .imports.filter(({ kind }) => kind === "dynamic-import")
      .map(({ path }) => path),
    ["./readout_bg.wasm"],
  );
});

test("wrangler uploads the modules as they are", () => {
  const { no_bundle } = readConfig({ config: at("wrangler.toml") }, { hideWarnings: true });
  assert.equal(no_bundle, true);
  const folder = mkdtempSync(join(tmpdir(), "sortition-dry-"));
  try {
    const wrangler = at("node_modules/wrangler/bin/wrangler.js");
    const flags = ["deploy", "--dry-run", "--outdir", folder, "--config", at("wrangler.toml")];
    execFileSync(process.execPath, [wrangler, ...flags], { stdio: ["ignore", "ignore", "inherit"] });
    const [built, uploaded] = [at("build"), folder].map((place) =>
      readdirSync(place).filter((file) => /\.(?:js|wasm)$/.test(file)),
    );
    assert.deepEqual(uploaded, built);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

for (const { of, files, limit } of LIMITS_KIB) {
  test(`what ${of} loads is at most ${limit} KiB, compressed`, (t) => {
    const sizes = files.map((file) => gzipSync(readFileSync(at(`build/${file}`)), { level: 9 }).length);
    const kib = sizes.reduce((sum, size) => sum + size, 0) / 1024;
    t.diagnostic(`${kib.toFixed(1)} KiB: ${files.map((file, index) => `${file} ${sizes[index]} bytes`).join(", ")}`);
    assert.ok(kib <= limit, `${kib.toFixed(1)} KiB`);
  });
}

test("the page's wasm reads no documents", () => {
  const [page, services] = ["index", "services"].map((name) => readFileSync(at(`build/${name}_bg.wasm`)));
  // a text of a check, and a name that only a document's reader knows
  for (const text of ["hypothesis", "sequential"]) {
    assert.equal(page.includes(text), false, text);
    assert.equal(services.includes(text), true, text);
  }
});

test("nothing that is deployed names a folder of the machine that built it", () => {
  const home = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  for (const wasm of readdirSync(at("build")).filter((name) => name.endsWith(".wasm"))) {
    const bytes = readFileSync(at(`build/${wasm}`));
    assert.ok(bytes.includes("crates/"), `${wasm} names sources of crates by a short path`);
    for (const folder of [home, at("")]) assert.equal(bytes.includes(folder), false, `${wasm}: ${folder}`);
  }
});

test("the build that panics on purpose is not the one that is deployed", () => {
  assert.equal(readFileSync(at("build/index_bg.wasm")).includes("chaos was asked for"), false);
});

/** What cargo resolves for a platform: the packages reachable from ours, and what ours asks for itself. */
function graph(platform) {
  const flags = [
    "metadata",
    "--format-version=1",
    "--offline",
    "--locked",
    "--all-features",
    "--filter-platform",
    platform,
  ];
  const { packages, resolve } = JSON.parse(execFileSync("cargo", flags, { cwd: at(""), maxBuffer: 1 << 28 }));
  const names = new Map(packages.map(({ id, name }) => [id, name]));
  // why: what is only built with, or for tests, is in no binary
  const linked = ({ deps }) => deps.filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null));
  const nodes = new Map(resolve.nodes.map((node) => [node.id, linked(node).map(({ pkg }) => pkg)]));
  const direct = nodes.get(resolve.root);
  const reach = (ids, found = new Set()) => {
    for (const id of ids) if (!found.has(id)) reach(nodes.get(id), found.add(id));
    return found;
  };
  const named = (ids) => new Set([...ids].map((id) => names.get(id)));
  return { direct: named(direct), all: named(reach(direct)) };
}

/** A source without comments, and without what is compiled natively alone. */
function forWasm(source) {
  let code = source.replaceAll(/\/\/.*$/gm, "").replaceAll(/#\[cfg_attr\(not\(target_arch = "wasm32"\), [^\n]*/g, "");
  const gate = '#[cfg(not(target_arch = "wasm32"))]';
  for (let start = code.indexOf(gate); start >= 0; start = code.indexOf(gate)) {
    let end = start + gate.length;
    for (let depth = 0; end < code.length; end++) {
      if (code[end] === "{") depth++;
      if (code[end] === "}" && --depth === 0) break;
      if (code[end] === ";" && depth === 0) break;
    }
    code = code.slice(0, start) + code.slice(end + 1);
  }
  return code;
}

test("the tool's dependencies are not in the worker", () => {
  const host = execFileSync("rustc", ["-vV"], { encoding: "utf8" }).match(/^host: (.*)$/m)[1];
  const [native, wasm] = [graph(host), graph("wasm32-unknown-unknown")];
  const sources = readdirSync(at("src"), { recursive: true }).filter((name) => name.endsWith(".rs"));
  const texts = sources
    .filter((name) => !/^(cli|main)\b/.test(name))
    .map((name) => readFileSync(at(`src/${name}`), "utf8"));
  const worker = texts.map(forWasm).join("\n");
  // why: the crate `md-5` is called so since `md5` was taken, and its library is not
  const library = (name) => (name === "md-5" ? "md5" : name.replaceAll("-", "_"));
  const names = (name) => new RegExp(`\\b${library(name)}(::|!)`).test(worker);
  // what we ask for natively, and the worker's sources do not name
  const tools = [...native.direct].filter((name) => !names(name));
  assert.ok(tools.includes("clap") && tools.length < native.direct.size, `the tool's own: ${tools}`);
  assert.deepEqual(
    tools.filter((name) => wasm.all.has(name)),
    [],
  );
});
