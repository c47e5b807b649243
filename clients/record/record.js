#!/usr/bin/env node
// Records what another tool's own SDK decides for real people, for `sortition compare`:
//
//   node record.js growthbook payload.json people.jsonl > decisions.jsonl
//
// Run it in a project that has the tool's SDK. The payload is the file that `sortition import` reads; people are lines
// `{"id": …, "attributes": {…}}` in the tool's names, or an id a line. Nothing leaves the machine.

import { spawn } from "node:child_process";
import { createReadStream, createWriteStream, readdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Where the decisions go, in the process that has the SDK. */
const OUT = 3;
const here = fileURLToPath(new URL(".", import.meta.url));
const tools = () =>
  readdirSync(here)
    .map((name) => name.replace(/\.js$/, ""))
    .filter((name) => !["record", "local", "package.json"].includes(name));

/** What `open` of a tool decides for everybody, line by line. */
export async function* record({ keys, decide }, people) {
  for await (const line of people) {
    const text = line.trim();
    if (text === "") continue;
    const { id, attributes = {} } = text.startsWith("{") ? JSON.parse(text) : { id: text };
    const decisions = {};
    for (const key of keys) decisions[key] = (await decide(key, { id: String(id), attributes })) ?? null;
    yield JSON.stringify({ id: String(id), attributes, decisions });
  }
}

/** Writes lines to a file, no faster than they are taken. */
async function written(lines, out) {
  for await (const line of lines)
    if (!out.write(`${line}\n`)) await new Promise((resolve) => out.once("drain", resolve));
  await new Promise((resolve) => out.end(resolve));
}

async function main([tool, payload, people]) {
  if (!people || !tools().includes(tool)) {
    console.error(`use: node record.js TOOL PAYLOAD PEOPLE; tools: ${tools().join(", ")}`);
    process.exit(2);
  }
  if (process.env.SORTITION_RECORDS !== "1") {
    // why: some SDKs talk on the standard output, also past `console`: theirs is our standard error, ours is the file behind it
    const env = { ...process.env, SORTITION_RECORDS: "1" };
    const child = spawn(process.execPath, process.argv.slice(1), { env, stdio: ["inherit", 2, 2, 1] });
    child.once("exit", (code) => process.exit(code ?? 1));
    return;
  }
  const { sdk, open } = await import(`./${tool}.js`);
  const module = await import(pathToFileURL(createRequire(join(process.cwd(), "here.js")).resolve(sdk)));
  // why: what a CommonJS module exports may stand behind its default
  const exported = { ...module.default, ...module };
  const opened = await open(exported, JSON.parse(readFileSync(payload, "utf8")));
  const lines = record(opened, createInterface({ input: createReadStream(people) }));
  await written(lines, createWriteStream("", { fd: OUT }));
  await opened.close?.();
  // why: some SDKs leave timers behind
  process.exit(0);
}

// why: a folder that is linked to has another path than the module that is found through it
const started = process.argv[1] && realpathSync(process.argv[1]);
if (started === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
