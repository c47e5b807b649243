// `sortition deploy`: makes what the configuration names and Cloudflare lacks, applies the ledger's migrations, deploys.
// Every binding but CONFIG may be left out. Run by script.rs, and by scripts/deploy.mjs.

import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const { args = [], config: file } = JSON.parse(process.env.SORTITION_SCRIPT ?? "{}");
const resolver = createRequire(join(process.cwd(), "x.js"));
const script = join(dirname(resolver.resolve("wrangler/package.json")), "bin", "wrangler.js");
const at = (name) => {
  const place = args.findIndex((word) => word === name || word.startsWith(`${name}=`));
  if (place < 0) return undefined;
  return args[place].includes("=") ? args[place].slice(name.length + 1) : args[place + 1];
};
const [environment, configured] = [at("--env") ?? at("-e"), at("--config") ?? at("-c") ?? file];
const dry = args.includes("--dry-run");
const shared = [...(environment ? ["--env", environment] : []), ...(configured ? ["--config", configured] : [])];
const fail = (message) => {
  console.error(`error: ${message}`);
  process.exit(1);
};
const config = await configurationOf({ env: environment, config: configured }).catch(({ message }) => fail(message));

/** Runs wrangler; what it says is shown, and given back where it is asked for. */
function wrangler(words, { quiet = false } = {}) {
  const stdio = quiet ? ["inherit", "pipe", "pipe"] : "inherit";
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...words], { stdio, encoding: "utf8" });
  return { status, said: `${stdout ?? ""}${stderr ?? ""}` };
}

const placeholder = (id) => /^[0-]+$/.test(id ?? "");
const kv = config.kv_namespaces.find(({ binding }) => binding === "CONFIG");
if (!kv) fail("the configuration binds no KV namespace CONFIG: add it, without an id, and the deployment makes it");
if (placeholder(kv.id))
  fail("the id of CONFIG is all zeros: leave `id` out, and the deployment makes the namespace, or write the real one");
let ledgers = [];
try {
  ledgers = ledgersOf(config.d1_databases).map((name) => config.d1_databases.find(({ binding }) => binding === name));
} catch (error) {
  fail(error.message);
}
for (const { binding, database_id } of ledgers)
  if (placeholder(database_id))
    fail(`the id of ${binding} is all zeros: leave \`database_id\` out, and the deployment makes the database`);

const queues = new Set([
  ...(config.queues.producers ?? []).map(({ queue }) => queue),
  ...(config.queues.consumers ?? []).flatMap(({ queue, dead_letter_queue: dead }) => (dead ? [queue, dead] : [queue])),
]);
for (const queue of dry ? [] : queues) {
  const { status, said } = wrangler(["queues", "create", queue, ...shared], { quiet: true });
  if (status === 0) console.log(`made the queue ${queue}`);
  else if (!/already (?:exists|taken)|11009/i.test(said)) {
    fail(
      `the queue ${queue} could not be made; without queues (a plan may have none) leave \`queues\` out of the configuration:\n${said.trim()}`,
    );
  }
}
const migrate = (isDue) => {
  for (const { binding } of dry ? [] : ledgers.filter(isDue)) {
    const { status } = wrangler(["d1", "migrations", "apply", binding, "--remote", ...shared]);
    if (status !== 0)
      fail(`the migrations of ${binding} could not be applied: see above; run this again, it is safe to repeat`);
  }
};
// why: tables come before the code that needs them; a database that is yet to be made can only follow
migrate(({ database_id: id }) => id);
const { status } = wrangler([
  "deploy",
  ...args,
  ...(configured && !at("--config") && !at("-c") ? ["--config", configured] : []),
]);
if (status !== 0) process.exit(status ?? 1);
migrate(({ database_id: id }) => !id);
