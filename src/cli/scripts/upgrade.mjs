// `sortition upgrade`: the ledger's migrations, and what the configuration lacks. Run by script.rs; prints one JSON line.

import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { unstable_readConfig as readConfig } from "wrangler";

const { config: file, local, persistTo, apply } = JSON.parse(process.env.SORTITION_SCRIPT);
const steps = [];
const step = (done, said) => steps.push({ done, said });
const config = readConfig({ config: file }, { hideWarnings: true });
const resolver = createRequire(join(process.cwd(), "x.js"));
const script = join(dirname(resolver.resolve("wrangler/package.json")), "bin", "wrangler.js");
const where = [local ? "--local" : "--remote", ...(persistTo ? ["--persist-to", persistTo] : [])];
const env = { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1", CI: "1" };
const migrations = (verb, binding) => {
  const args = [script, "d1", "migrations", verb, binding, ...where];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}`);
    process.exit(1);
  }
  return [...new Set([...stdout.matchAll(/\d{4}_[\w-]+\.sql/g)].map(([name]) => name))];
};

const ledgers = config.d1_databases.map(({ binding }) => binding).filter((name) => /^LEDGER(_\d+)?$/.test(name));
if (!ledgers.includes("LEDGER")) step(true, "migrations: there is no database LEDGER");
for (const binding of ledgers) {
  const of = binding === "LEDGER" ? "migrations" : `migrations of ${binding}`;
  const waiting = migrations("list", binding);
  if (waiting.length === 0) step(true, `${of}: all applied`);
  else if (apply) step(true, `${of}: applied ${migrations("apply", binding).join(", ")}`);
  else step(false, `${of}: ${waiting.join(", ")}`);
}
process.stdout.write(`@sortition ${JSON.stringify(steps)}\n`);
