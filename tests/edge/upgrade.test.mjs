// A deployment of the first edition, with its KV, its record and its ids, upgraded by `sortition upgrade`: what was there
// stays, what the new version needs is there, and running it again changes nothing.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { buildTool, tool } from "./stubbed.mjs";

/** The migrations that the first edition had. */
const FIRST = ["0001_exposures.sql", "0002_outcomes.sql", "0003_origin_health.sql", "0004_readout.sql"];
const folder = mkdtempSync(join(tmpdir(), "sortition-upgrade-"));
const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1", NO_COLOR: "1" };
const wrangler = (...args) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [at("node_modules/wrangler/bin/wrangler.js"), ...args],
    {
      cwd: folder,
      env,
      encoding: "utf8",
    },
  );
  assert.equal(status, 0, `${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
};
const rows = (sql) => {
  const text = wrangler("d1", "execute", "LEDGER", "--local", "--json", "--command", sql);
  return JSON.parse(text.slice(text.indexOf("[")))[0].results;
};
const upgrade = (...args) => {
  const { status, stdout, stderr } = spawnSync(tool, ["upgrade", "--local", "--json", ...args], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout).steps.map(({ done, said }) => `${done ? "done" : "to do"}: ${said}`);
};

before(() => {
  buildTool();
  mkdirSync(join(folder, "migrations"));
  for (const name of FIRST) cpSync(at("migrations", name), join(folder, "migrations", name));
  symlinkSync(at("node_modules"), join(folder, "node_modules"));
  writeFileSync(
    join(folder, "wrangler.toml"),
    `name = "sortition"
compatibility_date = "2026-11-01"
[[kv_namespaces]]
binding = "CONFIG"
id = "6ca6f5a0f5a54ab1a3a1b6e1d8a6b7c8"
[[d1_databases]]
binding = "LEDGER"
database_name = "sortition-ledger"
database_id = "8f1a2b3c-0000-4000-8000-000000000001"
migrations_dir = "migrations"
`,
  );
  cpSync(at("fixtures/demo/experiments.json"), join(folder, "experiments.json"));
  const manifest = { name: "shop", dependencies: { sortition: "^0.1.0" } };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, "\t")}\n`);
  wrangler("d1", "migrations", "apply", "LEDGER", "--local");
  wrangler("kv", "key", "put", "--local", "--binding", "CONFIG", "config", "--path", "experiments.json");
  wrangler(
    "d1",
    "execute",
    "LEDGER",
    "--local",
    "--command",
    "INSERT INTO conversions (id, project, conversion_event, value_minor, currency, transaction_id, anonymous_id, converted_at, channel, config_revision, properties, precedence) VALUES ('a', 'shop', 'purchase', 4990, 'EUR', 'order-1', 'visitor-0001', '2026-11-01T00:00:00.000Z', 'server', 'r1', '{}', '1')",
  );
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("it says first, then does it, and the data of before is still there", () => {
  const later = readdirSync(at("migrations")).filter((name) => name.endsWith(".sql") && !FIRST.includes(name));
  for (const name of later) cpSync(at("migrations", name), join(folder, "migrations", name));
  const said = upgrade("--dry-run");
  assert.match(said[0], /^done: experiments\.json: version .* reads it, \d+ experiments/);
  assert.match(said[1], /^to do: package\.json: sortition \^0\.1\.0 → /);
  for (const name of later) assert.ok(said.at(-1).includes(name), `${name} in ${said}`);
  assert.match(readFileSync(join(folder, "package.json"), "utf8"), /\^0\.1\.0/);
  const done = upgrade();
  assert.ok(
    done.every((line) => line.startsWith("done: ")),
    done.join("\n"),
  );
  const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
  const manifest = readFileSync(join(folder, "package.json"), "utf8");
  assert.equal(manifest, `{\n\t"name": "shop",\n\t"dependencies": {\n\t\t"sortition": "${version}"\n\t}\n}\n`);
  assert.deepEqual(rows("SELECT id, value_minor, transaction_id FROM conversions"), [
    { id: "a", value_minor: 4990, transaction_id: "order-1" },
  ]);
  const again = upgrade();
  assert.ok(again.at(-1).endsWith("migrations: all applied"), again.join("\n"));
});

test("the document of before is live as it was", () => {
  const kept = wrangler("kv", "key", "get", "--local", "--binding", "CONFIG", "config", "--text");
  assert.deepEqual(JSON.parse(kept), JSON.parse(readFileSync(at("fixtures/demo/experiments.json"), "utf8")));
});
