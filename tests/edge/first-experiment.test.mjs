// docs/first-experiment.md, run from top to bottom: its commands, its document, its page's and servers' reports, with the
// demo as the shop; up to a verdict.

import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { runInNewContext } from "node:vm";
import { startShop } from "../../demo/shop.mjs";
import { at, output } from "../../scripts/setup.mjs";
import { until } from "./client.mjs";
import { startTool } from "./dev.mjs";
import { buildTool, tool } from "./stubbed.mjs";

const page = readFileSync(at("docs/first-experiment.md"), "utf8");
const blocks = [...page.matchAll(/^```(\w+)(?: ([\w.]+))?\n([\s\S]*?)^```$/gm)].map(([, language, use, text]) => ({
  language,
  use,
  text,
}));
const commands = blocks.filter(({ language }) => language === "sh").flatMap(({ text }) => text.trim().split("\n"));
const folder = mkdtempSync(join(tmpdir(), "sortition-first-"));
const project = join(folder, "shop-experiments");
const BROWSER = {
  "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  accept: "text/html",
};

let shop;
let dev;
const env = {
  ...process.env,
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  SHOPIFY_WEBHOOK_SECRET: "",
};

/** Runs the installed tool in the project. */
function sortition(args, cwd = project) {
  const { status, stdout, stderr } = spawnSync(tool, args, { cwd, env, encoding: "utf8" });
  assert.equal(status, 0, `sortition ${args.join(" ")}: ${stderr}`);
  return stdout;
}

before(async () => {
  buildTool();
  shop = await startShop({ port: 0 });
  // what `npm install` puts there
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "sortition"), { recursive: true });
  symlinkSync(at("build"), join(modules, "sortition", "worker"));
  for (const name of ["migrations", "schema"]) symlinkSync(at(name), join(modules, "sortition", name));
  for (const name of ["wrangler", ".bin"]) symlinkSync(at("node_modules", name), join(modules, name));
});
after(async () => {
  await dev?.close();
  await shop?.close();
  rmSync(folder, { recursive: true, force: true });
});

const startDev = () => startTool({ tool, cwd: project, env, origin: shop.url });

test("the page names no command that this test does not know", () => {
  const known = [
    /^npm create sortition@latest /,
    /^cd shop-experiments$/,
    /^npm (?:install|run dev|run deploy|run push)$/,
    /^npx sortition (?:check|explain|simulate|doctor|plan) /,
  ];
  for (const line of commands)
    assert.ok(
      known.some((pattern) => pattern.test(line)),
      line,
    );
  assert.equal(commands.length, 11);
});

test("1 and 2: a repository, and the worker before the shop", async () => {
  const [create] = commands;
  const args = create
    .replace(/^npm create sortition@latest /, "")
    .replace(" -- ", " ")
    .replace("https://shop.example", shop.url);
  sortition(["init", ...args.split(" ")], folder);
  const { scripts } = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  assert.equal(scripts.dev, `sortition dev --origin ${shop.url} --document experiments.json`);
  assert.deepEqual([scripts.deploy, scripts.push], ["sortition deploy", "sortition push experiments.json"]);
  writeFileSync(
    join(project, ".dev.vars"),
    `${readFileSync(join(project, ".dev.vars"), "utf8")}SHOPIFY_WEBHOOK_SECRET=shopify\n`,
  );
  dev = await startDev();
  assert.match(await (await fetch(dev.url, { headers: BROWSER })).text(), /<h1[^>]*>/);
});

test("3: the experiment is live as it is saved, and the tool explains it", async () => {
  const { text } = blocks.find(({ use }) => use === "experiments.json");
  const ends = new Date(Date.now() + 28 * 86_400_000).toISOString().slice(0, 10);
  writeFileSync(join(project, "experiments.json"), text.replace("2027-01-15T00:00:00Z", `${ends}T00:00:00Z`));
  const asked = async (visitor) => {
    const answer = await fetch(dev.url, { headers: { ...BROWSER, cookie: `sortition_id=${visitor}` } });
    return { variants: answer.headers.get("sortition-variants"), text: await answer.text() };
  };
  const seen = new Set();
  await until(
    async () => {
      for (const number of [1, 2, 3, 4, 5, 6, 7, 8]) {
        const { variants, text } = await asked(`first-visitor-${number}`);
        if (variants === "headline=plain") assert.match(text, />Tents that stand<\/h1>/);
        seen.add(variants);
      }
      return seen.has("headline=plain") && seen.has("headline=control");
    },
    () => `both variants: ${[...seen]}\n${dev.log()}`,
  );
  for (const line of commands.filter((line) => /^npx sortition (?:check|explain|simulate|plan)/.test(line))) {
    const said = sortition(line.replace("npx sortition ", "").split(" "));
    assert.ok(said.length > 20, line);
  }
  assert.match(sortition(["check", "experiments.json"]), /0 errors, 0 warnings/);
});

test("4: the page's own reports are taken", async () => {
  const events = [];
  const sortitionOfPage = {
    visitorId: "first-visitor-1",
    trackConversion: (conversion_event, details) =>
      events.push({ type: "experiment_converted", ...details, conversion_event }),
    identify: (user_id, proof) => events.push({ type: "identified", user_id, proof }),
  };
  const secret = readFileSync(join(project, ".dev.vars"), "utf8").match(/^INGEST_SECRET=(.*)$/m)[1];
  const content = createHmac("sha256", secret).update("first-visitor-1.customer-1017").digest("hex");
  const scope = { sortition: sortitionOfPage, document: { querySelector: () => ({ content }) } };
  for (const { text } of blocks.filter(({ use }) => use === "page")) runInNewContext(text, scope);
  assert.equal(events.length, 2);
  for (const event of events.filter(({ type }) => type === "experiment_converted")) {
    const answer = await fetch(`${dev.url}/_sortition/events`, {
      method: "POST",
      headers: {
        ...BROWSER,
        origin: dev.url,
        "sec-fetch-site": "same-origin",
        "content-type": "text/plain",
        cookie: "sortition_id=first-visitor-1",
      },
      body: JSON.stringify({ events: [event] }),
    });
    assert.equal(answer.status, 202, await answer.text());
  }
  await until(
    () => dev.log().includes("conversion purchase 49.9 EUR by the page: taken"),
    () => dev.log(),
  );
  let cart;
  const fetched = (path, options) => {
    cart = { path, ...JSON.parse(options.body) };
  };
  runInNewContext(blocks.find(({ use }) => use === "cart").text, { ...scope, fetch: fetched });
  assert.deepEqual(cart, { path: "/cart/update.js", attributes: { sortition_id: "first-visitor-1" } });
  // what Shopify then sends
  const order = JSON.stringify({
    id: 17,
    total_price: "49.90",
    currency: "EUR",
    created_at: new Date().toISOString(),
    note_attributes: [{ name: "sortition_id", value: "first-visitor-2" }],
  });
  const tag = createHmac("sha256", "shopify").update(order).digest("base64");
  const hook = await fetch(`${dev.url}/_sortition/webhooks/shopify`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-shopify-hmac-sha256": tag, "x-shopify-topic": "orders/paid" },
    body: order,
  });
  assert.ok(hook.ok, `${hook.status} ${await hook.text()}`);
});

const INTERPRETERS = { js: ["node", "mjs"], python: ["python3", "py"], php: ["php", "php"], ruby: ["ruby", "rb"] };
for (const { language, text } of blocks.filter(({ use }) => use === "server")) {
  const [program, extension] = INTERPRETERS[language];
  const missing = output("sh", ["-c", `command -v ${program}`]) === undefined;
  test(`4: the ${language} server's signed report is taken`, {
    skip: missing && `${program} is not installed`,
  }, async () => {
    const file = join(folder, `server.${extension}`);
    writeFileSync(file, text);
    const secret = readFileSync(join(project, ".dev.vars"), "utf8").match(/^INGEST_SECRET=(.*)$/m)[1];
    const given = {
      ...env,
      SHOP: dev.url,
      INGEST_SECRET: secret,
      VISITOR: "first-visitor-3",
      ORDER: `order-${language}`,
    };
    const child = spawn(program === "node" ? process.execPath : program, [file], { env: given });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        said += chunk;
      });
    }
    await new Promise((resolve) => child.on("close", resolve));
    assert.equal(said.trim(), "202");
  });
}

test("5 and 6: pushed, bought, and a verdict", async () => {
  sortition(["push", "experiments.json", "--local", "--revision", "first"]);
  const secret = readFileSync(join(project, ".dev.vars"), "utf8").match(/^INGEST_SECRET=(.*)$/m)[1];
  const VISITORS = 600;
  const view = async (number) => {
    const visitor = `shopper-${10_000 + number}`;
    const answer = await fetch(dev.url, { headers: { ...BROWSER, cookie: `sortition_id=${visitor}` } });
    await answer.arrayBuffer();
    const share = answer.headers.get("sortition-variants") === "headline=plain" ? 2 : 20;
    if (number % share !== 0) return undefined;
    return {
      type: "experiment_converted",
      anonymous_id: visitor,
      conversion_event: "purchase",
      value: 49.9,
      currency: "EUR",
      transaction_id: `sold-${number}`,
    };
  };
  const sold = [];
  for (let number = 0; number < VISITORS; number += 10) {
    const ten = await Promise.all(Array.from({ length: 10 }, (_, next) => view(number + next)));
    sold.push(...ten.filter(Boolean));
  }
  for (let from = 0; from < sold.length; from += 50) {
    const body = JSON.stringify({ events: sold.slice(from, from + 50) });
    const time = Math.floor(Date.now() / 1000);
    const tag = createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
    const answer = await fetch(`${dev.url}/_sortition/conversions`, {
      method: "POST",
      headers: { "content-type": "application/json", "sortition-signature": `t=${time},v1=${tag}` },
      body,
    });
    assert.equal(answer.status, 202, await answer.text());
  }
  const result = async () => (await fetch(`${dev.url}/_sortition/experiments/headline.json`)).json();
  let last;
  await until(
    async () => {
      last = await result();
      return last.units >= VISITORS && last.verdict?.variant === "plain";
    },
    () => `a verdict for the plain headline: ${JSON.stringify(last?.verdict)} of ${last?.units}`,
    120_000,
  );
  const readable = await (await fetch(`${dev.url}/_sortition/experiments/headline`)).text();
  assert.ok(readable.includes("plain"), readable);
});

test("5: the doctor finds it in order", async () => {
  // why: the shop is served by this process, which must not wait for the tool
  const run = promisify(execFile);
  const { stdout } = await run(tool, ["doctor", `${dev.url}/`, "--local", "--json"], { cwd: project, env });
  const { ok, checks } = JSON.parse(stdout);
  assert.equal(ok, true, JSON.stringify(checks));
});
