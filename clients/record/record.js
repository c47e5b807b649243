#!/usr/bin/env node
// Records what another tool's own SDK decides for real people, for `sortition compare`:
//
//   node record.js growthbook payload.json people.jsonl > decisions.jsonl
//
// Run it in a project that has the tool's SDK. The payload is the file that `sortition import` reads; people are lines
// `{"id": …, "attributes": {…}}` in the tool's names, or an id a line. Nothing leaves the machine.

import { createReadStream, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

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

async function main([tool, payload, people]) {
  if (!people || !tools().includes(tool)) {
    console.error(`use: node record.js TOOL PAYLOAD PEOPLE; tools: ${tools().join(", ")}`);
    process.exit(2);
  }
  const { sdk, open } = await import(`./${tool}.js`);
  const module = await import(pathToFileURL(createRequire(join(process.cwd(), "here.js")).resolve(sdk)));
  // why: what a CommonJS module exports may stand behind its default
  const exported = { ...module.default, ...module };
  const opened = await open(exported, JSON.parse(readFileSync(payload, "utf8")));
  for await (const line of record(opened, createInterface({ input: createReadStream(people) }))) {
    if (!process.stdout.write(`${line}\n`)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
  await opened.close?.();
  // why: some SDKs leave timers behind
  process.stdout.write("", () => process.exit(0));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
