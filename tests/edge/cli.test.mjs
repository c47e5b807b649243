// The tool against wrangler's local KV, in a folder of its own: what is pushed is what wrangler reads.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  return run(process.execPath, [script, "kv", "key", ...args, "--binding", "CONFIG", ...kv]);
}

const read = (key) => JSON.parse(wrangler("get", key, "--text").stdout);

function document(change = () => {}) {
  const value = JSON.parse(readFileSync(join(root, "fixtures", "demo", "experiments.json"), "utf8"));
  change(value);
  const path = join(folder, `document-${Math.random().toString(36).slice(2)}.json`);
  writeFileSync(path, JSON.stringify(value));
  return path;
}

test("a document goes live, is refused, ramped, killed and rolled back", async (t) => {
  await t.test("push writes the document, its copy and the audit", () => {
    const pushed = sortition("push", document(), "--revision", "r1");
    assert.equal(pushed.status, 0, pushed.stderr);
    assert.equal(read("config").revision, "r1");
    assert.deepEqual(read("config:r1"), read("config"));
    const [{ name }] = JSON.parse(wrangler("list", "--prefix", "audit:").stdout);
    assert.match(name, /^audit:\d{4}-\d\d-\d\dT[\d:.]+Z:r1$/);
    assert.equal(read(name).action, "push");
  });

  await t.test("a document with an error, or with a dangerous change, leaves the live one alone", () => {
    const broken = sortition(
      "push",
      document((d) => (d.experiments[0].variants[0].weight = -1)),
    );
    assert.equal(broken.status, 1);
    assert.match(broken.stderr, /^error experiments\[0\]\.variants\[0\]\.weight: /m);
    const salted = document((d) => (d.salt = "other"));
    const dangerous = sortition("push", salted, "--revision", "r2");
    assert.equal(dangerous.status, 1);
    assert.match(dangerous.stderr, /^error salt: .*--allow salt/m);
    const reused = sortition(
      "push",
      document((d) => (d.experiments[0].traffic = 9)),
      "--revision",
      "r1",
    );
    assert.equal(reused.status, 1);
    assert.match(reused.stderr, /^error revision: /m);
    const dry = sortition("push", salted, "--allow", "salt", "--dry-run", "--json");
    assert.equal(dry.status, 0, dry.stderr);
    assert.equal(JSON.parse(dry.stdout).written, false);
    assert.equal(read("config").revision, "r1");
  });

  await t.test("push --env merges the environment's changes", () => {
    const staged = document((d) => (d.experiments[0].env = { staging: { traffic: 7 } }));
    const pushed = sortition("push", staged, "--env", "staging", "--revision", "r3");
    assert.equal(pushed.status, 0, pushed.stderr);
    assert.equal(read("config").experiments[0].traffic, 7);
    assert.equal(read("config").experiments[0].env, undefined);
  });

  await t.test("ramp changes the traffic of the live document", () => {
    const ramped = sortition("ramp", "hero", "12.5");
    assert.equal(ramped.status, 0, ramped.stderr);
    assert.equal(read("config").experiments[0].traffic, 12.5);
    assert.notEqual(read("config").revision, "r3");
    assert.equal(sortition("ramp", "nobody", "5").status, 1);
    assert.equal(sortition("ramp", "hero", "101").status, 2);
  });

  await t.test("kill writes the switch and takes it away", () => {
    assert.equal(sortition("kill", "nobody").status, 1);
    const killed = sortition("kill", "hero");
    assert.equal(killed.status, 0, killed.stderr);
    assert.deepEqual(read("kill"), { experiments: ["hero"] });
    assert.equal(sortition("kill").status, 0);
    assert.deepEqual(read("kill"), { all: true, experiments: ["hero"] });
    assert.equal(sortition("kill", "--off").status, 0);
    assert.match(wrangler("get", "kill", "--text").stdout, /Value not found/);
  });

  await t.test("rollback puts a revision back, and history tells the story", () => {
    const back = sortition("rollback", "r1");
    assert.equal(back.status, 0, back.stderr);
    assert.deepEqual(read("config"), read("config:r1"));
    assert.equal(sortition("rollback", "nope").status, 1);
    const { history } = JSON.parse(sortition("history", "--json", "--limit", "20").stdout);
    const actions = history.map(({ action }) => action);
    assert.deepEqual(actions, ["rollback", "kill", "kill", "kill", "ramp", "push", "push"]);
  });
});
