// Every test: native, other tools' SDKs against the import, the demo shop, the built wasm inside workerd, OpenFeature's
// clients, the browser. `npm test -- edge browser` runs a part.
// `--quick` builds the worker in a fraction of the time, hardly optimised, for work on one thing; CI does without it.
// Ends with one line: `N passed, N failed`.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { at, installed, packages, systemProgram, target, wasmTarget } from "./setup.mjs";

const PARTS = ["native", "takeover", "demo", "edge", "openfeature", "browser"];

const quick = process.argv.includes("--quick");
const chosen = process.argv.slice(2).filter((word) => word !== "--quick");
const unknown = chosen.filter((part) => !PARTS.includes(part));
if (unknown.length > 0) {
  console.error(`no such part: ${unknown.join(", ")}; there are ${PARTS.join(", ")}.`);
  process.exit(2);
}
if (quick) process.env.SORTITION_QUICK = "1";
// why: the build reads the variable when it is loaded
const { build } = await import("./build.mjs");
const wanted = (part) => chosen.length === 0 || chosen.includes(part);

packages();
wasmTarget();
const environment = {
  ...process.env,
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  FORCE_COLOR: "0",
};
const inBrowser = ["takeover", "openfeature", "browser"];
if (inBrowser.some(wanted)) {
  environment.CHROMIUM = systemProgram(["chromium", "chromium-browser", "google-chrome"], "chromium");
}
for (const part of ["takeover", "openfeature"]) if (wanted(part)) packages(at("tests", part));
if (["edge", ...inBrowser].some(wanted)) build();
if (wanted("edge")) build({ out: join(target, "worker-chaos"), features: ["chaos"], profile: "chaos" });

const total = { passed: 0, failed: 0 };
if (wanted("native")) await cargo();
for (const part of ["takeover", "demo", "edge", "openfeature", "browser"]) {
  if (wanted(part)) await node(part);
}

console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

async function cargo() {
  heading("native");
  // why: without --no-fail-fast the binaries behind one that fails are not counted
  const { code, text } = await shown("cargo", ["test", "--no-fail-fast"]);
  const results = [...text.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)];
  count(sum(results.map(([, passed]) => passed)), sum(results.map(([, , failed]) => failed)), code, "cargo test");
}

async function node(part) {
  heading(part);
  const folder = at("tests", part);
  const files = readdirSync(folder).filter((name) => name.endsWith(".test.mjs"));
  const flags = ["--test", "--test-reporter=spec", "--test-concurrency=2", "--test-timeout=600000"];
  const { code, text } = await shown(installed("node"), [...flags, ...files.map((name) => join(folder, name))]);
  const number = (what) => text.match(new RegExp(`^\\W*${what} (\\d+)$`, "m"))?.[1] ?? 0;
  // why: what was cancelled, by a timeout for instance, did not pass
  count(Number(number("pass")), sum([number("fail"), number("cancelled")]), code, `the tests of ${part}`);
}

/** Adds to the total. A program that failed without naming a failed test, or that ran none, counts as a failure. */
function count(passed, failed, code, what) {
  const silent = failed === 0 && (code !== 0 || passed === 0);
  if (silent) console.error(`${what}: ${code === 0 ? "nothing ran" : `ended with ${code} without a failed test`}`);
  total.passed += passed;
  total.failed += failed + (silent ? 1 : 0);
}

function heading(part) {
  console.log(`\n— ${part} —`);
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + Number(number), 0);
}

/** Runs a program, its output shown as it comes and kept. */
function shown(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: at(), env: environment, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    child.stdout.on("data", (chunk) => {
      process.stdout.write(chunk);
      text += chunk;
    });
    child.stderr.on("data", (chunk) => process.stderr.write(chunk));
    child.on("error", (error) => resolve({ code: error.message, text }));
    child.on("close", (code) => resolve({ code, text }));
  });
}
