// The tool in a folder whose wrangler is the stub: every call is known, and any may fail.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { at, target } from "../../scripts/setup.mjs";

export const tool = join(target, "debug", "sortition");

/** Builds the tool. */
export function buildTool() {
  const { status, stderr } = spawnSync("cargo", ["build", "--quiet", "--bin", "sortition"], {
    cwd: at(),
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
}

/** A folder with the stub in it. */
export function stubbed() {
  buildTool();
  const folder = mkdtempSync(join(tmpdir(), "sortition-stubbed-"));
  const package_ = join(folder, "node_modules", "wrangler");
  mkdirSync(join(package_, "bin"), { recursive: true });
  cpSync(at("tests", "edge", "wrangler-stub.mjs"), join(package_, "bin", "wrangler.js"));
  writeFileSync(join(package_, "package.json"), '{"type":"module"}');
  const stateOf = (number) => join(folder, `state-${number}.json`);
  let states = 0;
  const stub = {
    folder,
    /** A KV with some keys: the file that holds it. */
    kv(keys) {
      const file = stateOf(states++);
      writeFileSync(file, JSON.stringify({ keys, calls: [] }));
      return file;
    },
    /** What a KV holds, and which calls came. */
    state: (file) => JSON.parse(readFileSync(file, "utf8")),
    /** Runs the tool on a KV. */
    start(file, settings, ...args) {
      const env = { ...process.env, STUB_STATE: file, GITHUB_ACTOR: "robin", ...settings };
      const child = spawn(tool, args, { cwd: folder, env });
      const said = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"]) {
        child[name].on("data", (chunk) => {
          said[name] += chunk;
        });
      }
      return new Promise((resolve) => child.on("close", (status) => resolve({ status, ...said })));
    },
    /** Runs the tool on a KV with some keys, and tells what is in it then. */
    async run(keys, settings, ...args) {
      const file = stub.kv(keys);
      const ran = await stub.start(file, settings, ...args);
      const { keys: kept, calls } = stub.state(file);
      return { ...ran, keys: kept, calls: calls.map((call) => call.replace(/audit:\S+/, "audit")) };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
  return stub;
}
