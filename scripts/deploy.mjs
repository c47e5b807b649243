// Builds, applies the ledger's migrations and deploys.

import { build } from "./build.mjs";
import { at, installed, run } from "./setup.mjs";

build();
const wrangler = (...args) => run(installed("node"), [at("node_modules", "wrangler", "bin", "wrangler.js"), ...args]);
wrangler("d1", "migrations", "apply", "LEDGER", "--remote");
wrangler("deploy", ...process.argv.slice(2));
