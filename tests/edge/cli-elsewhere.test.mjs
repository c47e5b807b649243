// Every command of the tool where it is not meant to run: in an empty folder, in one without wrangler's configuration, in one
// whose configuration is broken or binds nothing. Each says what to do, and nothing of what is inside Node and wrangler.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { buildTool, tool } from "./stubbed.mjs";

const root = mkdtempSync(join(tmpdir(), "sortition-elsewhere-"));
const PLACES = {
  "an empty folder": () => {},
  "a folder without a configuration": (folder) => symlinkSync(at("node_modules"), join(folder, "node_modules")),
  "a folder with a broken configuration": (folder) => {
    symlinkSync(at("node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "wrangler.toml"), 'name = "half\n');
  },
  "a folder whose configuration binds nothing": (folder) => {
    symlinkSync(at("node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "wrangler.toml"), 'name = "none"\ncompatibility_date = "2026-11-17"\n');
  },
};
const ORIGIN = ["--origin", "http://127.0.0.1:9"];
const WHY = ["--why", "Enough."];
const PAGE = ["--url", "http://127.0.0.1:9/"];

/** What each command is asked: what needs a project, and what makes no sense. */
const ASKED = {
  init: [[], ["--origin", "x y"], [...ORIGIN, "--route", "nope"]],
  dev: [[], ORIGIN, [...ORIGIN, "--port", "0"], [...ORIGIN, "--document", "nothing.json"]],
  doctor: [[], ["x"], ["--wrangler-env", "nope"]],
  deploy: [["--", "--dry-run"], ["--", "--dry-run", "--env", "nope"], ["--nope"]],
  upgrade: [
    ["--local", "--document", "nothing.json"],
    ["--local", "--wrangler-env", "nope"],
  ],
  check: [[], ["nothing.json"], ["."]],
  analyze: [["nothing"], ["."]],
  explain: [
    ["nothing.json", ...PAGE],
    ["experiments.json", "--url", "nope"],
  ],
  simulate: [["nothing.json"], ["experiments.json", "--visitors", "many"]],
  diff: [["nothing.json", "experiments.json"], ["experiments.json"]],
  plan: [["experiments.json", "nobody", "--baseline", "0.1", "--daily", "10"]],
  list: [["nothing.json"], []],
  import: [
    ["growthbook", "nothing.json", "--into", "other.json"],
    ["nobody", "x", "--into", "y"],
  ],
  compare: [
    ["experiments.json", "nothing"],
    ["nothing.json", "x"],
  ],
  new: [[], ["Bad Id"], ["hero", "--into", "no/such/folder.json"]],
  push: [[], ["nothing.json"], ["experiments.json", "--local"]],
  rollback: [["r1", "--local"], []],
  history: [["--local"], ["--limit", "x"]],
  kill: [["hero", "--local"], [], ["hero", "--local", "--wrangler-env", "nope"]],
  ramp: [
    ["hero", "50", "--local"],
    ["hero", "2000"],
  ],
  readout: [
    ["experiments.json"],
    ["experiments.json", "hero", "--from", "duckdb:nothing"],
    ["experiments.json", "hero", "--from", "clickhouse:http://127.0.0.1:1/"],
    ["experiments.json", "hero", "--from", "nobody:x"],
  ],
  decide: [
    ["hero", "keep", ...WHY, "--local"],
    ["hero", "maybe", ...WHY],
  ],
  end: [["hero", ...WHY, "--local"], ["hero"]],
  events: [
    [],
    ["compact"],
    ["compact", "--local"],
    ["compact", "--local", "--wrangler-env", "nope"],
    ["compact", "--in", "nothing"],
    ["compact", "--until", "yesterday"],
    ["replay", "--local"],
    ["forget", "user-1", "--local"],
    ["drop", "hero", "1", "--export", "hero.ndjson", "--local"],
    ["drop", "hero", "first", "--export", "hero.ndjson"],
  ],
  preview: [["hero"], []],
  verify: [
    ["hero", ...PAGE, "--local"],
    ["hero", "--url", "nope"],
  ],
  shots: [
    ["hero", ...PAGE, "--local"],
    ["hero", "--url", "nope"],
  ],
  rehearse: [
    ["experiments.json", "nobody"],
    ["nothing.json", "hero"],
    ["experiments.json", "hero"],
  ],
  completions: [["klingon"], []],
};

// Of those that ask wrangler alike one is enough where its configuration is there and no good: a start of it takes a second.
const IN_ALL = ["dev", "doctor", "deploy", "upgrade", "events"];

/** What is inside Node and wrangler, or is no sentence of ours. */
const INTERNAL =
  /^\s+at |node:internal|file:\/\/|ERR_[A-Z_]+|"path" argument|Cannot find package|namespace-id|undefined|panicked/m;

before(() => {
  buildTool();
  for (const [name, make] of Object.entries(PLACES)) {
    const folder = join(root, name.replaceAll(" ", "-"));
    mkdirSync(folder);
    cpSync(at("fixtures/demo/experiments.json"), join(folder, "experiments.json"));
    make(folder);
  }
});
after(() => rmSync(root, { recursive: true, force: true }));

test("every command is asked", () => {
  const { stdout } = spawnSync(tool, ["--help"], { encoding: "utf8" });
  const [, listed] = stdout.split("Commands:\n");
  const names = [...listed.split("\n\n")[0].matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(Object.keys(ASKED).sort(), names.filter((name) => name !== "help").sort());
});

for (const name of Object.keys(PLACES)) {
  describe(name, () => {
    const cwd = join(root, name.replaceAll(" ", "-"));
    const env = {
      ...process.env,
      WRANGLER_SEND_METRICS: "false",
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      CHROMIUM: "none",
    };
    const isGood = !/whose|broken/.test(name);
    for (const [command, all] of Object.entries(ASKED).filter(([command]) => isGood || IN_ALL.includes(command))) {
      test(command, async () => {
        // why: ten of wrangler at once need ten times as long, and on a slow machine too long
        for (const args of all) {
          const line = `sortition ${command} ${args.join(" ")}`;
          const { code, stdout, stderr } = await new Promise((done) => {
            execFile(tool, [command, ...args], { cwd, env, timeout: 100_000 }, (error, stdout, stderr) =>
              done({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr }),
            ).stdin.end();
          });
          const said = `${line} → ${code}\n${stdout}${stderr}`;
          assert.ok(code === 1 || code === 2, said);
          assert.doesNotMatch(said, INTERNAL, said);
          assert.match(stderr, /^(?:error|Usage)[: ]/m, said);
        }
      });
    }
  });
}
