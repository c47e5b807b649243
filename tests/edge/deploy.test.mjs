// `npm run deploy` with each optional binding left out, in the order of its steps, on a wrangler that notes what it is
// asked; and the snippets of docs/deploy.md, each where the page says that it belongs.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { unstable_readConfig as readConfig } from "wrangler";
import { at } from "../../scripts/setup.mjs";

const folder = mkdtempSync(join(tmpdir(), "sortition-deploy-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const script = ["configuration.mjs", "ledgers.mjs", "deploy.mjs"]
  .map((name) => readFileSync(at("src/cli/scripts", name), "utf8"))
  .join("");
const toml = readFileSync(at("wrangler.toml"), "utf8");

// A wrangler whose configuration is read by the real one, and whose command notes its arguments.
const modules = join(folder, "node_modules");
mkdirSync(join(modules, "wrangler", "bin"), { recursive: true });
writeFileSync(
  join(modules, "wrangler", "package.json"),
  JSON.stringify({
    name: "wrangler",
    version: "4.90.0",
    exports: { ".": "./index.cjs", "./package.json": "./package.json" },
  }),
);
writeFileSync(
  join(modules, "wrangler", "index.cjs"),
  `module.exports = require(${JSON.stringify(at("node_modules/wrangler"))});\n`,
);
writeFileSync(
  join(modules, "wrangler", "bin", "wrangler.js"),
  `const { appendFileSync } = require("node:fs");
const words = process.argv.slice(2).join(" ");
appendFileSync(${JSON.stringify(join(folder, "calls"))}, words + "\\n");
if (words.startsWith(process.env.STUB_FAIL ?? "-")) {
  console.error(process.env.STUB_SAYS ?? "✘ [ERROR] no");
  process.exit(1);
}
`,
);

/** Deploys a configuration, and tells what wrangler was asked. */
function deploy(text, { args = [], env = {} } = {}) {
  writeFileSync(join(folder, "wrangler.toml"), text);
  writeFileSync(join(folder, "calls"), "");
  const settings = { args, config: "wrangler.toml" };
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: folder,
    env: { ...process.env, ...env, SORTITION_SCRIPT: JSON.stringify(settings) },
    encoding: "utf8",
  });
  const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n").filter(Boolean);
  return {
    status,
    said: `${stdout}${stderr}`,
    calls: calls.map((call) => call.replace(" --config wrangler.toml", "")),
  };
}

/** The configuration without the blocks of a table. */
const without = (...tables) =>
  toml
    .split(/\n(?=(?:#[^\n]*\n)*\[)/)
    .filter((block) => !tables.some((table) => new RegExp(`^\\[+${table.replace(".", "\\.")}\\]+`, "m").test(block)))
    .join("\n");

const QUEUES = ["queues create sortition-events", "queues create sortition-events-dlq"];
const MIGRATIONS = "d1 migrations apply LEDGER --remote";

test("the first deployment makes the queues, deploys, and then migrates what it made", () => {
  const { status, calls, said } = deploy(toml);
  assert.equal(status, 0, said);
  assert.deepEqual(calls, [...QUEUES, "deploy", MIGRATIONS]);
});

test("later ones migrate first, and take a queue that is there for made", () => {
  const known = toml.replace('database_name = "sortition-ledger"', '$&\ndatabase_id = "8f1a"');
  const env = {
    STUB_FAIL: "queues create",
    STUB_SAYS: "✘ [ERROR] Queue name 'sortition-events' is already taken. [code: 11009]",
  };
  const { status, calls, said } = deploy(known, { env });
  assert.equal(status, 0, said);
  assert.deepEqual(calls, [...QUEUES, MIGRATIONS, "deploy"]);
});

for (const [name, tables, expected] of [
  ["queues", ["queues.producers", "queues.consumers"], ["deploy", MIGRATIONS]],
  ["a database", ["d1_databases"], [...QUEUES, "deploy"]],
  ["a bucket", ["r2_buckets"], [...QUEUES, "deploy", MIGRATIONS]],
  ["a schedule", ["triggers"], [...QUEUES, "deploy", MIGRATIONS]],
  ["all of them", ["queues.producers", "queues.consumers", "d1_databases", "r2_buckets", "triggers"], ["deploy"]],
]) {
  test(`it works without ${name}`, () => {
    const { status, calls, said } = deploy(without(...tables));
    assert.equal(status, 0, said);
    assert.deepEqual(calls, expected);
  });
}

/** The configuration with a database more for each number. */
const more = (...numbers) =>
  [
    toml,
    ...numbers.map((number) => `[[d1_databases]]\nbinding = "LEDGER_${number}"\ndatabase_name = "l${number}"`),
  ].join("\n");

test("several databases are migrated in their order, those that are yet to be made after the deployment", () => {
  const known = more(2, 1).replace('database_name = "l1"', '$&\ndatabase_id = "8f1b"');
  const { status, calls, said } = deploy(known);
  assert.equal(status, 0, said);
  const migrate = (name) => `d1 migrations apply ${name} --remote`;
  assert.deepEqual(calls, [...QUEUES, migrate("LEDGER_1"), "deploy", migrate("LEDGER"), migrate("LEDGER_2")]);
  const failed = deploy(known, { env: { STUB_FAIL: migrate("LEDGER_2") } });
  assert.equal(failed.status, 1);
  assert.match(failed.said, /^error: the migrations of LEDGER_2 could not be applied/m);
});

test("a database behind a gap, or one too many, is refused before anything is done", () => {
  for (const [numbers, said] of [
    [[2], /^error: LEDGER_2 is bound, and LEDGER_1 is not: nothing is recorded with a gap/m],
    [[1, 16], /^error: LEDGER_16 is none of the record's databases/m],
  ]) {
    const refused = deploy(more(...numbers));
    assert.deepEqual([refused.status, refused.calls], [1, []]);
    assert.match(refused.said, said);
  }
});

test("what cannot go well says what to do, and deploys nothing", () => {
  const zeros = deploy(toml.replace('binding = "CONFIG"', '$&\nid = "00000000000000000000000000000000"'));
  assert.deepEqual([zeros.status, zeros.calls], [1, []]);
  assert.match(zeros.said, /^error: the id of CONFIG is all zeros: leave `id` out/m);
  const none = deploy(without("kv_namespaces"));
  assert.match(none.said, /^error: the configuration binds no KV namespace CONFIG/m);
  const plan = deploy(toml, { env: { STUB_FAIL: "queues create", STUB_SAYS: "✘ [ERROR] your plan has no queues" } });
  assert.deepEqual([plan.status, plan.calls.length], [1, 1]);
  assert.match(plan.said, /leave `queues` out/);
  const failed = deploy(toml, { env: { STUB_FAIL: "deploy" } });
  assert.deepEqual([failed.status, failed.calls.at(-1)], [1, "deploy"]);
});

test("a dry run makes nothing, and other arguments are wrangler's", () => {
  assert.deepEqual(deploy(toml, { args: ["--dry-run"] }).calls, ["deploy --dry-run"]);
  const staged = `${toml}\n[env.staging]\nkv_namespaces = [{ binding = "CONFIG" }]\n`;
  assert.deepEqual(deploy(staged, { args: ["--env", "staging"] }).calls, ["deploy --env staging"]);
});

/** The TOML blocks of the page: where it says that they belong, and their text. */
function snippets() {
  const page = readFileSync(at("docs/deploy.md"), "utf8");
  return [...page.matchAll(/^( *)```toml (\w+)\n([\s\S]*?)^ *```$/gm)].map(([, indent, place, text]) => ({
    place,
    text: text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  }));
}

test("every snippet of docs/deploy.md means what it says in the place that is named", () => {
  const found = snippets();
  assert.equal(found.length, 6);
  for (const { place, text } of found) {
    const placed = {
      top: () => toml.replace(/^compatibility_date.*$/m, (line) => `${line}\n${text}`),
      vars: () => toml.replace('ORIGIN_URL = ""\n', text),
      end: () => `${toml}\n${text}`,
    }[place]();
    const file = join(folder, "snippet.toml");
    writeFileSync(file, placed);
    const environment = text.includes("[env.staging]") ? "staging" : undefined;
    const config = readConfig({ config: file, env: environment }, { hideWarnings: true });
    const meant = {
      routes: () => config.routes?.[0].pattern === "shop.example/*",
      services: () => config.services?.[0].binding === "ORIGIN",
      ORIGIN_URL: () => config.vars.ORIGIN_URL === "https://origin.shop.example",
      queues: () => {
        const [first, another] = config.queues.consumers;
        const producer = config.queues.producers.find(({ binding }) => binding === "EVENTS_1");
        assert.deepEqual({ ...another }, { ...first, queue: producer.queue }, "its consumer is the first one's");
        return deploy(placed).calls.includes(`queues create ${producer.queue}`);
      },
      d1_databases: () => {
        const [first, another] = config.d1_databases;
        assert.equal(another.binding, "LEDGER_1");
        assert.equal(another.migrations_dir, first.migrations_dir);
        return deploy(placed).calls.some((call) => call.startsWith("d1 migrations apply LEDGER_1"));
      },
      env: () =>
        config.name === "sortition-staging" &&
        config.kv_namespaces[0].binding === "CONFIG" &&
        config.vars.ORIGIN_URL === "https://staging.shop.example",
    };
    const name = Object.keys(meant).find((key) => text.match(new RegExp(`^\\[{0,2}${key}\\b`, "m")));
    assert.ok(name && meant[name](), `${place}: ${text}`);
  }
  // what the page warns of: below a table the same line belongs to that
  const file = join(folder, "below.toml");
  writeFileSync(file, `${toml}\n${found[0].text}`);
  assert.equal(readConfig({ config: file }, { hideWarnings: true }).routes, undefined);
});

test("the real wrangler builds the worker without what is optional", () => {
  const bare = without("queues.producers", "queues.consumers", "d1_databases", "r2_buckets", "triggers");
  const file = join(folder, "bare.toml");
  writeFileSync(file, bare.replace("build/index.js", at("build/index.js")));
  symlinkSync(at("migrations"), join(folder, "migrations"));
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1" };
  const args = [
    at("node_modules/wrangler/bin/wrangler.js"),
    "deploy",
    "--dry-run",
    "--config",
    file,
    "--outdir",
    join(folder, "out"),
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /env\.CONFIG/);
  assert.doesNotMatch(stdout, /env\.(?:EVENTS|LEDGER|ARCHIVE) /);
});
