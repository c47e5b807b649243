// What is deployed: its shape and its size.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { unstable_readConfig as readConfig } from "wrangler";

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const LIMIT_KIB = 400;

test("wrangler.toml deploys what is built", () => {
  assert.equal(readConfig({ config: at("wrangler.toml") }, { hideWarnings: true }).main, at("build/index.js"));
});

// why: every other export would be an entry point that the account's other workers can call
test("the module exports its handlers as the default, and nothing else", () => {
  const code = readFileSync(at("build/index.js"), "utf8");
  const exported = [...code.matchAll(/^export\s*\{([^}]*)\}/gm)].flatMap(([, list]) => list.split(","));
  const names = exported.map((name) => name.trim().split(/\s+as\s+/).at(-1)).filter(Boolean);
  assert.deepEqual(names, ["default"]);
  assert.doesNotMatch(code, /^export\s+(?!\{)/m);
});

test("the wasm is the only other file that it imports", () => {
  const code = readFileSync(at("build/index.js"), "utf8");
  const imports = [...code.matchAll(/^import\s[^"']*["']([^"']+)["']/gm)].map(([, name]) => name);
  assert.deepEqual(imports, ["./index_bg.wasm"]);
});

test(`compressed it is at most ${LIMIT_KIB} KiB`, (t) => {
  const sizes = ["index.js", "index_bg.wasm"].map((name) => gzipSync(readFileSync(at(`build/${name}`)), { level: 9 }).length);
  const kib = sizes.reduce((sum, size) => sum + size, 0) / 1024;
  t.diagnostic(`${kib.toFixed(1)} KiB compressed: JavaScript ${sizes[0]} bytes, wasm ${sizes[1]} bytes`);
  assert.ok(kib <= LIMIT_KIB, `${kib.toFixed(1)} KiB`);
});

test("the build that panics on purpose is not the one that is deployed", () => {
  assert.equal(readFileSync(at("build/index_bg.wasm")).includes("chaos was asked for"), false);
});
