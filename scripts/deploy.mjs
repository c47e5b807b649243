// Builds, makes what is missing, applies the ledger's migrations and deploys: `npm run deploy -- --dry-run`.

import { readFileSync } from "node:fs";
import { build } from "./build.mjs";
import { at, installed, run } from "./setup.mjs";

build();
const script = ["configuration.mjs", "ledgers.mjs", "deploy.mjs"].map((name) =>
  readFileSync(at("src", "cli", "scripts", name), "utf8"),
);
run(installed("node"), ["--input-type=module", "--eval", script.join("")], {
  env: { ...process.env, SORTITION_SCRIPT: JSON.stringify({ args: process.argv.slice(2) }) },
});
