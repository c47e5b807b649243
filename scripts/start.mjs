// The demo: the shop behind the worker, everything local. `PORT` changes the worker's port; `--with-data` sends a crowd
// through it first, so that there is something to read.

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { SPREAD, sendCrowd, withCrowd } from "../demo/crowd.mjs";
import { startShop } from "../demo/shop.mjs";
import { ledgersOf } from "../src/cli/scripts/ledgers.mjs";
import { build } from "./build.mjs";
import { at, installed, run } from "./setup.mjs";

const port = Number(process.env.PORT ?? 8787);
if (!Number.isInteger(port) || port < 1 || port > 65535) {
  console.error(`PORT=${process.env.PORT} is no port: use a number from 1 to 65535.`);
  process.exit(2);
}

const VISITORS = 20_000;
const PAGE_VIEW_SECONDS = 15;
const DRAIN_SECONDS = 120;
const SECRETS = { ADMIN_TOKEN: "demo", INGEST_SECRET: "demo-ingest", SORTITION_SECRET: "demo-signing" };

const [flag, ...others] = process.argv.slice(2);
if (others.length > 0 || (flag !== undefined && flag !== "--with-data")) {
  console.error(`npm start -- ${process.argv.slice(2).join(" ")}: there is only --with-data.`);
  process.exit(2);
}
const withData = flag === "--with-data";
const FILLED = `  URL/interactions  two experiments that act on each other
  URL/express       a ramp that waits, and for what
  URL/programme     what was decided, and what it brought
The schedule ran once: its guard ended a discount that costs too much, and the results of what was decided are kept.`;

build();
const quiet = {
  env: {
    ...process.env,
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_LOG: "warn",
    CI: "1",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  },
};
const node = installed("node");
const wrangler = at("node_modules", "wrangler", "bin", "wrangler.js");
const tool = (...args) => run(node, [wrangler, ...args], { ...quiet, stdio: ["ignore", "ignore", "inherit"] });
let seed = "fixtures/demo/experiments.json";
if (withData) {
  const document = withCrowd(JSON.parse(readFileSync(at(seed), "utf8")));
  mkdirSync(at("target"), { recursive: true });
  seed = at("target", "demo-with-data.json");
  writeFileSync(seed, JSON.stringify(document));
  // why: a crowd that comes twice would be found contaminated wherever the server split it
  rmSync(at(".wrangler", "state", "v3", "d1"), { recursive: true, force: true });
}
console.log(`Seeding the local KV with ${seed} and applying the ledger's migrations …`);
// why: what the guard stopped on another day is not stopped today
if (withData) tool("kv", "key", "delete", "--local", "--binding", "CONFIG", "kill");
tool("kv", "key", "put", "--local", "--binding", "CONFIG", "config", "--path", seed);
// why: in a fresh clone it is there once the worker is built
const { unstable_readConfig: readConfig } = await import("wrangler");
const { d1_databases: databases } = readConfig({ config: at("wrangler.toml") }, { hideWarnings: true });
const bound = ledgersOf(databases);
for (const binding of bound) tool("d1", "migrations", "apply", binding, "--local");

const shop = await startShop({ port: 0 });
const worker = spawn(
  node,
  [
    wrangler,
    "dev",
    "--port",
    String(port),
    "--ip",
    "127.0.0.1",
    "--var",
    `ORIGIN_URL:${shop.url}`,
    "--var",
    "CONFIG_TTL_SECONDS:2",
    "--show-interactive-dev-session=false",
    ...Object.entries(SECRETS).flatMap(([name, value]) => ["--var", `${name}:${value}`]),
  ],
  { cwd: at(), stdio: ["ignore", "inherit", "inherit"], env: { ...quiet.env, WRANGLER_LOG: "error" } },
);

let stopping = false;
async function stop(code) {
  if (stopping) return;
  stopping = true;
  worker.kill("SIGTERM");
  await shop.close();
  process.exitCode = code;
}
process.on("SIGINT", () => stop(0));
process.on("SIGTERM", () => stop(0));
worker.on("exit", (code) => stop(stopping ? 0 : (code ?? 1)));

const url = `http://127.0.0.1:${port}`;
for (let tries = 0; tries < 150 && !stopping; tries++) {
  try {
    await fetch(`${url}/_sortition/health`);
    break;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
if (!stopping && withData) await fill();
if (!stopping) {
  console.log(`
The demo shop runs behind the worker. Open ${url}/ — reload as often as you like, the headline stays;
delete the cookies, and you may be assigned anew. The shop without the worker: ${shop.url}/

Try (a plain curl counts as a crawler, so the first one says it is a browser):
  curl -si --compressed -A 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' ${url}/ | grep -iE 'sortition|<h1'
  curl -si --compressed -A Googlebot ${url}/ | grep -iE 'sortition|<h1'
  curl -s ${url}/_sortition/health

The readout, with any user name and the password ${SECRETS.ADMIN_TOKEN}: ${url}/_sortition/experiments
${withData ? FILLED.replaceAll("URL", `${url}/_sortition/experiments`) : "It is empty: `npm start -- --with-data` sends 20,000 visitors first."}

Ctrl-C stops everything.`);
}

/** A crowd, and the time that its record takes. */
async function fill() {
  console.log(`Sending ${VISITORS} visitors through the worker …`);
  const crowd = await sendCrowd({
    url: new URL(url),
    secret: SECRETS.INGEST_SECRET,
    visitors: VISITORS,
    seconds: PAGE_VIEW_SECONDS,
  });
  const report = `${crowd.byPage} came by page views, the others by the server's reports`;
  console.log(`${report}; ${crowd.orders} bought. Waiting for the record …`);
  const readout = new URL("/_sortition/experiments/same.json", url);
  const headers = { Authorization: `Bearer ${SECRETS.ADMIN_TOKEN}` };
  for (let tries = 0; tries < DRAIN_SECONDS && !stopping; tries++) {
    const { units } = await (await fetch(readout, { headers })).json();
    if (units >= VISITORS) break;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  if (stopping) return;
  for (const binding of bound) tool("d1", "execute", binding, "--local", "--command", SPREAD.join(";"));
  await fetch(`${url}/cdn-cgi/handler/scheduled`);
}
