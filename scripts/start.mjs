// The demo: the shop behind the worker, everything local. `PORT` changes the worker's port.

import { spawn } from "node:child_process";
import { startShop } from "../demo/shop.mjs";
import { build } from "./build.mjs";
import { at, installed, run } from "./setup.mjs";

const port = Number(process.env.PORT ?? 8787);
if (!Number.isInteger(port) || port < 1 || port > 65535) {
  console.error(`PORT=${process.env.PORT} is no port: use a number from 1 to 65535.`);
  process.exit(2);
}

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
console.log("Seeding the local KV with fixtures/demo/experiments.json and applying the ledger's migrations …");
tool("kv", "key", "put", "--local", "--binding", "CONFIG", "config", "--path", "fixtures/demo/experiments.json");
tool("d1", "migrations", "apply", "LEDGER", "--local");

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
if (!stopping) {
  console.log(`
The demo shop runs behind the worker. Open ${url}/ — reload as often as you like, the headline stays;
delete the cookies, and you may be assigned anew. The shop without the worker: ${shop.url}/

Try (a plain curl counts as a crawler, so the first one says it is a browser):
  curl -si --compressed -A 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' ${url}/ | grep -iE 'sortition|<h1'
  curl -si --compressed -A Googlebot ${url}/ | grep -iE 'sortition|<h1'
  curl -s ${url}/_sortition/health

Ctrl-C stops everything.`);
}
