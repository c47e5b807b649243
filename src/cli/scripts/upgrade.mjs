// `sortition upgrade`: the ledger's migrations, and what the configuration lacks. Run by script.rs; prints one JSON line.

import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const { config: file, local, persistTo, apply, wranglerEnv } = JSON.parse(process.env.SORTITION_SCRIPT);
const steps = [];
const step = (done, said) => steps.push({ done, said });
const resolver = createRequire(join(process.cwd(), "x.js"));
const script = join(dirname(resolver.resolve("wrangler/package.json")), "bin", "wrangler.js");
const where = [
  local ? "--local" : "--remote",
  ...(persistTo ? ["--persist-to", persistTo] : []),
  ...(wranglerEnv ? ["--env", wranglerEnv] : []),
];
const env = { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1", CI: "1" };
const fail = (text) => {
  process.stderr.write(`${text}\n`);
  process.exit(1);
};
const config = await configurationOf({ config: file, env: wranglerEnv }).catch(({ message }) => fail(message));
const migrations = (verb, binding) => {
  const args = [script, "d1", "migrations", verb, binding, ...where];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  if (status !== 0) fail(`${stdout}${stderr}\nThe migrations of ${binding} failed; this is safe to repeat.`);
  return [...new Set([...stdout.matchAll(/\d{4}_[\w-]+\.sql/g)].map(([name]) => name))];
};

let ledgers = [];
try {
  ledgers = ledgersOf(config.d1_databases);
} catch (error) {
  fail(error.message);
}
if (ledgers.length === 0) step(true, "migrations: there is no database LEDGER");
for (const binding of ledgers) {
  const of = binding === "LEDGER" ? "migrations" : `migrations of ${binding}`;
  const names = migrations(apply ? "apply" : "list", binding);
  if (names.length === 0) step(true, `${of}: all applied`);
  else step(apply, `${of}: ${apply ? "applied " : ""}${names.join(", ")}`);
}
process.stdout.write(`@sortition ${JSON.stringify(steps)}\n`);
