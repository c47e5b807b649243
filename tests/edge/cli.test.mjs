// The tool against wrangler's local KV, in a folder of its own: what is pushed is what wrangler reads.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const folder = mkdtempSync(join(tmpdir(), "sortition-cli-"));
const kv = ["--local", "--persist-to", folder];
after(() => rmSync(folder, { recursive: true, force: true }));

function run(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: "utf8" });
  return { status, stdout, stderr };
}

const built = run("cargo", ["build", "--quiet", "--bin", "sortition"]);
assert.equal(built.status, 0, built.stderr);
const sortition = (...args) => run(join(target, "debug", "sortition"), [...args, ...kv]);

function wrangler(...args) {
  const script = join(root, "node_modules", "wrangler", "bin", "wrangler.js");
  return run(process.execPath, [script, "kv", ...args, "--binding", "CONFIG", ...kv]);
}

/** The values of keys, in one start of wrangler. */
function read(...keys) {
  const file = join(folder, "keys.json");
  writeFileSync(file, JSON.stringify(keys));
  const values = JSON.parse(wrangler("bulk", "get", file).stdout);
  return keys.map((key) => values[key].value && JSON.parse(values[key].value));
}

const DEMO = join(root, "fixtures", "demo", "experiments.json");

// Each start of wrangler takes seconds, so this is one way through. What the tool refuses, what it does where wrangler
// fails and the rest of its commands are in push.test.mjs, `--env` in ci.test.mjs, the end of a kill in rehearse.test.mjs.
test("a document goes live, is killed and rolled back, and history tells the story", () => {
  const pushed = sortition("push", DEMO, "--revision", "r1");
  assert.equal(pushed.status, 0, pushed.stderr);
  const killed = sortition("kill", "hero");
  assert.equal(killed.status, 0, killed.stderr);
  const [{ name }] = JSON.parse(wrangler("key", "list", "--prefix", "audit:").stdout);
  assert.match(name, /^audit:\d{4}-\d\d-\d\dT[\d:.]+Z:r1$/);
  const [live, copy, audit, kill] = read("config", "config:r1", name, "kill");
  assert.equal(live.revision, "r1");
  assert.deepEqual(copy, live);
  assert.equal(audit.action, "push");
  assert.deepEqual(kill, { experiments: ["hero"] });

  const ramped = sortition("ramp", "hero", "12.5");
  assert.equal(ramped.status, 0, ramped.stderr);
  const back = sortition("rollback", "r1", "--json");
  assert.equal(back.status, 0, back.stderr);
  assert.match(JSON.stringify(JSON.parse(back.stdout).diff.changes), /traffic/);
  const { history } = JSON.parse(sortition("history", "--json", "--limit", "20").stdout);
  const actions = history.map(({ action }) => action);
  assert.deepEqual(actions, ["rollback", "ramp", "kill", "push"]);
  assert.deepEqual(read("config"), [live]);
});
