// The demo of a takeover: the shop with GrowthBook's SDK is the old stack. What it decides for 5,000 visitors in two
// experiments is recorded; its payload is imported and compared; then the worker takes its place, and visitors with
// cookies keep their page. `npm run takeover -- VISITORS` takes another number.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createServer as createSocket } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { open, sdk } from "../clients/record/growthbook.js";
import { record } from "../clients/record/record.js";
import { startShop } from "../demo/shop.mjs";
import { ledgersOf } from "../src/cli/scripts/ledgers.mjs";
import { build } from "./build.mjs";
import { at, installed, packages, run, target } from "./setup.mjs";

const visitors = Number(process.argv[2] ?? 5_000);
if (!Number.isInteger(visitors) || visitors < 10 || visitors > 1_000_000) {
  console.error(`npm run takeover -- ${process.argv[2]}: give a number of visitors from 10 to 1,000,000.`);
  process.exit(2);
}
const LOOKED_AT = Math.min(100, visitors);
const BROWSER = {
  "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  accept: "text/html",
};

// What GrowthBook's SDK gets: an experiment of its visual editor on the home page, and a feature with a split for some.
const PAYLOAD = {
  status: 200,
  features: {
    "free-shipping": {
      defaultValue: "from 100",
      rules: [
        {
          key: "shipping-threshold",
          condition: { country: { $in: ["DE", "AT", "CH"] } },
          variations: ["from 100", "from 60", "always"],
          weights: [0.34, 0.33, 0.33],
          coverage: 0.9,
          hashVersion: 2,
          seed: "shipping-2026",
          meta: [{ key: "control" }, { key: "sixty" }, { key: "always" }],
        },
      ],
    },
  },
  experiments: [
    {
      key: "hero-headline",
      name: "Headline of the home page",
      status: "running",
      hashAttribute: "id",
      hashVersion: 1,
      namespace: ["home", 0, 0.8],
      weights: [0.5, 0.5],
      coverage: 1,
      meta: [{ key: "control" }, { key: "wind" }],
      urlPatterns: [{ include: true, type: "simple", pattern: "/" }],
      variations: [
        {},
        { domMutations: [{ selector: "#hero-title", attribute: "html", action: "set", value: "Tents for any wind" }] },
      ],
    },
  ],
};

packages();
packages(at("tests", "takeover"));
build();
const binary = process.env.SORTITION_BIN ?? join(target, "release", "sortition");
if (!process.env.SORTITION_BIN) run("cargo", ["build", "--quiet", "--release", "--bin", "sortition"]);
const folder = join(target, "takeover");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const file = (name, text) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const tool = (...args) => {
  console.log(`$ sortition ${args.join(" ").replaceAll(`${folder}/`, "")}`);
  run(binary, args);
};

const inside = createRequire(at("tests", "takeover", "package.json"));
const loaded = await import(pathToFileURL(inside.resolve(sdk)));
const growthbook = { ...loaded.default, ...loaded };

/** The page as the old stack serves it: the shop's, changed by what the SDK decides for the visitor. */
async function oldPage(id, shop) {
  const { GrowthBook } = growthbook;
  const gb = new GrowthBook({ attributes: { id }, url: "https://shop.example/" });
  const [experiment] = PAYLOAD.experiments;
  const { value, inExperiment } = gb.run(experiment);
  const page = await (await fetch(`${shop.url}/`, { headers: BROWSER })).text();
  const [change] = (inExperiment && value.domMutations) || [];
  return change ? page.replace(/(<h1 id="hero-title">)[^<]*/, `$1${change.value}`) : page;
}

const shop = await startShop({ port: 0 });
const old = createServer(async (request, response) => {
  const known = /(?:^|; )gbuuid=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
  const id = known ?? crypto.randomUUID();
  if (!known) response.setHeader("set-cookie", `gbuuid=${id}; Path=/; Max-Age=31536000`);
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end(await oldPage(id, shop));
}).listen(0, "127.0.0.1");
await once(old, "listening");
const oldUrl = `http://127.0.0.1:${old.address().port}`;
let worker;
try {
  console.log(`The old stack, the shop with GrowthBook's SDK: ${oldUrl}/\n`);

  const payload = file("growthbook.json", JSON.stringify(PAYLOAD, null, 2));
  const map = file("map.json", JSON.stringify({ id: "visitor_id", country: "country" }));
  const countries = ["DE", "AT", "FR", "US", undefined];
  const people = Array.from({ length: visitors }, (_, number) => {
    const country = countries[number % countries.length];
    return JSON.stringify({ id: crypto.randomUUID(), attributes: country ? { country } : {} });
  });
  const lines = [];
  for await (const line of record(open(growthbook, PAYLOAD), Readable.from(people))) lines.push(line);
  const decisions = file("decisions.jsonl", `${lines.join("\n")}\n`);
  console.log(`Recorded ${visitors * 2} decisions of the SDK, in decisions.jsonl.\n`);

  const document = join(folder, "experiments.json");
  tool("import", "growthbook", payload, "--into", document, "--attributes", map, "--project", "acme-shop");
  tool("compare", document, decisions, "--attributes", map);

  const imported = JSON.parse(readFileSync(document, "utf8"));
  imported.visitor = { cookie: "gbuuid" };
  writeFileSync(document, JSON.stringify(imported, null, 2));
  const newUrl = await switchOver(document);
  console.log(`\nSwitched: the worker stands before the same shop, without the SDK: ${newUrl}/`);

  const headline = (page) => /<h1 id="hero-title">([^<]*)/.exec(page)?.[1];
  const seen = new Map();
  let kept = 0;
  for (const { id } of people.slice(0, LOOKED_AT).map((person) => JSON.parse(person))) {
    const headers = { ...BROWSER, cookie: `gbuuid=${id}` };
    const [before, after] = await Promise.all(
      [oldUrl, newUrl].map(async (url) => headline(await (await fetch(`${url}/`, { headers })).text())),
    );
    seen.set(after, (seen.get(after) ?? 0) + 1);
    if (before === after) kept += 1;
    else console.log(`visitor ${id}: "${before}" became "${after}"`);
  }
  for (const [text, count] of seen) console.log(`  ${count} see "${text}"`);
  console.log(`${kept} of ${LOOKED_AT} visitors with cookies keep their page.`);
  if (kept !== LOOKED_AT || seen.size < 2) process.exitCode = 1;
} finally {
  worker?.kill("SIGTERM");
  old.closeAllConnections();
  old.close();
  await shop.close();
}

/** Starts the worker with the document before the shop; its URL. */
async function switchOver(document) {
  const wrangler = at("node_modules", "wrangler", "bin", "wrangler.js");
  const state = ["--persist-to", join(folder, "state")];
  const env = {
    ...process.env,
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_LOG: "error",
    CI: "1",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
  const tool = (...args) =>
    run(installed("node"), [wrangler, ...args, "--local", ...state], { env, stdio: ["ignore", "ignore", "inherit"] });
  tool("kv", "key", "put", "--binding", "CONFIG", "config", "--path", document);
  const { unstable_readConfig: readConfig } = await import("wrangler");
  for (const binding of ledgersOf(readConfig({ config: at("wrangler.toml") }, { hideWarnings: true }).d1_databases))
    tool("d1", "migrations", "apply", binding);
  const port = await freePort();
  const args = ["dev", "--port", String(port), "--ip", "127.0.0.1", "--var", `ORIGIN_URL:${shop.url}`, ...state];
  worker = spawn(installed("node"), [wrangler, ...args, "--show-interactive-dev-session=false"], {
    cwd: at(),
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 300; tries++) {
    try {
      const { status } = await (await fetch(`${url}/_sortition/health`)).json();
      if (status === "ok") return url;
    } catch {}
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("the worker did not start within a minute");
}

async function freePort() {
  const socket = createSocket().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}
