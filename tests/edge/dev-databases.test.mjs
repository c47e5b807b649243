// `sortition dev` as a shop's repository has it: with the compatibility date and flags of its configuration, and on a record that
// got more databases after it was written to.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { unstable_readConfig as readConfig } from "wrangler";
import { startShop } from "../../demo/shop.mjs";
import { at } from "../../scripts/setup.mjs";
import { until } from "./client.mjs";
import { startTool } from "./dev.mjs";
import { buildTool, tool } from "./stubbed.mjs";

const folder = mkdtempSync(join(tmpdir(), "sortition-dev-"));
const configuration = join(folder, "wrangler.jsonc");
const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false" };
const BROWSER = {
  "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  accept: "text/html",
};

let shop;
let dev;
before(async () => {
  buildTool();
  shop = await startShop({ port: 0 });
  const args = ["init", ".", "--origin", shop.url, "--project", "shop"];
  const made = spawnSync(tool, args, { cwd: folder, env, encoding: "utf8", input: "" });
  assert.equal(made.status, 0, made.stderr);
  const modules = join(folder, "node_modules");
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

const startDev = () => startTool({ tool, cwd: folder, env, origin: shop.url });

/** The configuration that wrangler runs. */
const ran = () => JSON.parse(readFileSync(join(folder, ".wrangler", "sortition", "wrangler.json"), "utf8"));

async function visit(from, to) {
  for (let number = from; number < to; number++) {
    const cookie = `sortition_id=visitor-${10_000 + number}`;
    await (await fetch(dev.url, { headers: { ...BROWSER, cookie } })).arrayBuffer();
  }
}

/** The readout, once it knows so many units and nothing of the record is missing. */
async function complete(units) {
  let told;
  await until(
    async () => {
      told = await (await fetch(`${dev.url}/_sortition/experiments/headline.json`)).json();
      return told.units === units && told.gates.every(({ name, level }) => name !== "record" || level !== "red");
    },
    () =>
      `${units} units, all of them: ${told?.units}, ${JSON.stringify(told?.gates?.find(({ name }) => name === "record"))}`,
    90_000,
  );
}

test("a route needs no zone, which nobody could tell of `www.shop.co.uk`", () => {
  const elsewhere = join(folder, "elsewhere");
  const args = ["init", elsewhere, "--origin", "https://www.shop.co.uk", "--route", "www.shop.co.uk/*"];
  const made = spawnSync(tool, args, { cwd: folder, env, encoding: "utf8", input: "" });
  assert.equal(made.status, 0, made.stderr);
  const { routes } = readConfig({ config: join(elsewhere, "wrangler.jsonc") }, { hideWarnings: true });
  assert.deepEqual(routes, ["www.shop.co.uk/*"]);
});

test("the date and the flags are those of the project", async () => {
  const text = readFileSync(configuration, "utf8");
  writeFileSync(
    configuration,
    text
      .replace(/"compatibility_date": "[^"]*"/, '"compatibility_date": "2026-11-18"')
      .replace(/"compatibility_flags": \[/, '$&"global_fetch_strictly_public", '),
  );
  dev = await startDev();
  const { compatibility_date, compatibility_flags } = ran();
  assert.equal(compatibility_date, "2026-11-18");
  assert.deepEqual(compatibility_flags, ["global_fetch_strictly_public", "no_nodejs_compat", "no_nodejs_compat_v2"]);
  assert.deepEqual(
    ran().d1_databases.map(({ binding }) => binding),
    ["LEDGER"],
  );
  await visit(0, 60);
  await complete(60);
  await dev.close();
});

test("databases that come later share the record: it is divided, and nobody counts twice", async () => {
  const text = readFileSync(configuration, "utf8");
  const [ledger] = text.match(/\{ "binding": "LEDGER".*\}/);
  const more = [1, 2].map((n) => ledger.replace('"LEDGER"', `"LEDGER_${n}"`).replace("-ledger", `-ledger-${n}`));
  writeFileSync(configuration, text.replace(ledger, [ledger, ...more].join(",\n    ")));
  dev = await startDev();
  const health = await (await fetch(`${dev.url}/_sortition/health`)).json();
  assert.deepEqual(health.record, { databases: 3 });
  // who was here comes again, and others
  await visit(30, 120);
  await complete(120);
  for (const args of [
    ["doctor", `${dev.url}/`, "--local"],
    ["events", "forget", "visitor-10001", "--local", "--dry-run"],
  ]) {
    const said = await new Promise((done) => {
      const child = spawn(tool, args, { cwd: folder, env });
      let text = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk) => {
          text += chunk;
        });
      }
      child.on("close", (code) => done({ code, text }));
    });
    assert.equal(said.code, 0, said.text);
  }
  await dev.close();
});

test("without a configuration they are those that the worker is tested with", async () => {
  renameSync(configuration, `${configuration}.kept`);
  dev = await startDev();
  const own = readConfig({ config: at("wrangler.toml") }, { hideWarnings: true });
  const { compatibility_date, compatibility_flags } = ran();
  assert.deepEqual(
    [compatibility_date, compatibility_flags],
    [own.compatibility_date, own.compatibility_flags],
    "and those of wrangler.toml",
  );
  await visit(0, 1);
  await dev.close();
});
