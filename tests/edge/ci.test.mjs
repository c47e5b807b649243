// The pipeline of .github/workflows/experiments.yml in a scratch repository: a document with a mistake is refused with
// its annotations, one that moves visitors with its reason, and a good one is live in a running worker within its TTL.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { at, target } from "../../scripts/setup.mjs";
import { ask, until } from "./client.mjs";
import { startDev } from "./dev.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startOrigin } from "./origin.mjs";
import { workflow } from "./workflow.mjs";

const TTL_SECONDS = 1;
/** What a busy machine may add. */
const MARGIN_SECONDS = 15;

const folder = mkdtempSync(join(tmpdir(), "sortition-ci-"));
const [remote, clone, bin, kv] = ["remote.git", "clone", "bin", "kv"].map((name) => join(folder, name));
const jobs = workflow(at(".github", "workflows", "experiments.yml"));
const built = spawnSync("cargo", ["build", "--quiet", "--bin", "sortition"], { cwd: at(), encoding: "utf8" });
assert.equal(built.status, 0, built.stderr);

function git(...args) {
  const who = ["-c", "user.name=Robin", "-c", "user.email=robin@shop.example", "-c", "init.defaultBranch=main"];
  const { status, stdout, stderr } = spawnSync("git", [...who, ...args], { cwd: clone, encoding: "utf8" });
  assert.equal(status, 0, `git ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** A program that the jobs find. */
function program(name, script) {
  writeFileSync(join(bin, name), `#!/usr/bin/env bash\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

const HERO = experiment({
  owner: "storefront",
  hypothesis: "It sells.",
  ends_at: "2999-01-01T00:00:00Z",
  env: { production: { traffic: 100 } },
  traffic: 5,
});

/** Commits a document on a branch, as a pull request or as its merge. */
function commit(branch, document) {
  const onMain = branch === "main" && existsSync(join(clone, ".git", "refs", "heads", "main"));
  git("checkout", "--quiet", ...(onMain ? ["main"] : ["-B", branch, ...(branch === "main" ? [] : ["main"])]));
  writeFileSync(join(clone, "experiments.json"), `${JSON.stringify(document, null, 2)}\n`);
  git("add", "experiments.json");
  git("commit", "--quiet", "--message", `Change the experiments on ${branch}`);
  if (branch === "main") git("push", "--quiet", "origin", "main");
  git("fetch", "--quiet", "origin");
}

function run(job, event) {
  const context = {
    "github.event_name": event,
    "github.base_ref": "main",
    "github.repository": "shop/shop",
    "github.event.pull_request.head.repo.full_name": "shop/shop",
    "github.event.pull_request.number": "17",
    "github.token": "token",
    "secrets.CLOUDFLARE_API_TOKEN": "none",
    "secrets.CLOUDFLARE_ACCOUNT_ID": "none",
  };
  const environment = { PATH: [bin, process.env.PATH].join(delimiter), GITHUB_ACTOR: "robin" };
  const nothing = () => ({});
  return jobs.run(job, {
    cwd: clone,
    context,
    environment,
    instead: { "Build the tool": nothing, "Install wrangler": nothing },
  });
}

let origin;
let worker;
before(async () => {
  for (const path of [clone, bin]) mkdirSync(path);
  // why: what is pushed goes into a local KV here; everything else is the job's own
  program(
    "sortition",
    `tool=${join(target, "debug", "sortition")}
case "$1" in push) exec "$tool" "$@" --local --persist-to ${kv} ;; *) exec "$tool" "$@" ;; esac`,
  );
  program("gh", `[ "$1 $2 $3" = "pr comment 17" ] && cp comment.md ${join(folder, "comment.md")}`);
  spawnSync("git", ["init", "--quiet", "--bare", "--initial-branch=main", remote]);
  git("init", "--quiet");
  git("remote", "add", "origin", remote);
  cpSync(at("wrangler.toml"), join(clone, "wrangler.toml"));
  symlinkSync(at("node_modules"), join(clone, "node_modules"));
  writeFileSync(join(clone, ".git", "info", "exclude"), "node_modules\n*.txt\n*.md\nbefore.json\n");
  origin = await startOrigin();
  commit("main", documentOf([HERO], { revision: undefined }));
  const pushed = run("push", "push");
  assert.equal(pushed.status, 0, JSON.stringify(pushed.ran));
  worker = await startDev({ folder: kv, origin: origin.url, ttlSeconds: TTL_SECONDS });
});
after(async () => {
  await worker?.close();
  await origin?.close();
  rmSync(folder, { recursive: true, force: true });
});

const revision = async () => (await worker.health())?.config_revision;
const variants = async () => (await ask(worker.url, "/")).headers["sortition-variants"];
const comment = () => readFileSync(join(folder, "comment.md"), "utf8");

test("the first merge is live, merged for its environment", async () => {
  await until(async () => (await revision()) === git("rev-parse", "--short", "main"), "the first document");
  assert.equal(await variants(), "hero=bold");
});

test("a document with a mistake is refused, with an annotation at its line", async () => {
  const live = await revision();
  const broken = structuredClone(HERO);
  broken.variants[1].weight = -1;
  commit("mistake", documentOf([broken], { revision: undefined }));
  const { ran, status } = run("check", "pull_request");
  assert.equal(status, 1);
  const [check] = ran;
  assert.equal(check.name, "Check");
  assert.equal(ran.length, 1, "nothing comes after what fails");
  const lines = readFileSync(join(clone, "experiments.json"), "utf8").split("\n");
  const line = 1 + lines.findIndex((text) => text.includes('"weight": -1'));
  assert.match(check.stdout, new RegExp(`^::error file=experiments\\.json,line=${line},`, "m"));
  assert.match(check.stderr, /^error experiments\[0\]\.variants\[1\]\.weight: /m);
  assert.equal(existsSync(join(folder, "comment.md")), false);
  assert.equal(await revision(), live);
});

test("a document that moves visitors is refused, and the comment says why", () => {
  commit("salted", documentOf([HERO], { revision: undefined, salt: "other" }));
  const { ran, status } = run("check", "pull_request");
  assert.equal(status, 1);
  assert.deepEqual(
    ran.map(({ name, status }) => [name, status]),
    [
      ["Check", 0],
      ["Compare with the base branch", 0],
      ["Comment", 0],
      ["Refuse what moves visitors", 1],
    ],
  );
  assert.match(
    comment(),
    /^### What this changes for visitors\n~~~~text\nsalt .*\n[\s\S]*error salt: .*--allow salt\n~~~~\n$/,
  );
});

test("a good document passes, and its merge is live within the TTL", async () => {
  const price = { ...HERO, id: "price" };
  const good = documentOf([HERO, price], { revision: undefined });
  commit("good", good);
  const checked = run("check", "pull_request");
  assert.equal(checked.status, 0, JSON.stringify(checked.ran));
  assert.match(comment(), /price/);
  assert.doesNotMatch(comment(), /error/);

  commit("main", good);
  const pushed = run("push", "push");
  const merged = Date.now();
  assert.equal(pushed.status, 0, JSON.stringify(pushed.ran));
  const wanted = async () => (await variants()) === "hero=bold, price=bold";
  await until(wanted, "the merged document to be live", (TTL_SECONDS + MARGIN_SECONDS) * 1000);
  assert.ok(Date.now() - merged < (TTL_SECONDS + MARGIN_SECONDS) * 1000);
  assert.equal(await revision(), git("rev-parse", "--short", "main"));
});
