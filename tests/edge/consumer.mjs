// Starts unreliable.mjs on wrangler's local platform as a process of its own, which may be killed at any moment and
// started again on what it had stored by then.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { unstable_readConfig as readConfig, unstable_splitSqlQuery as splitSqlQuery } from "wrangler";
import { until } from "./client.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The record's tables, as statements. */
export const migrations = (from = "", to = "~") =>
  readdirSync(join(root, "migrations"))
    .filter((name) => name >= from && name < to)
    .sort()
    .flatMap((name) => splitSqlQuery(readFileSync(join(root, "migrations", name), "utf8")));

/** Records and archives by their `places`, the records as they were `before` a migration. `ask(route, question)` asks the worker; see unreliable.mjs. */
export async function startConsumer(places, { before } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "sortition-consumer-"));
  const { compatibility_date } = readConfig({ config: join(root, "wrangler.toml") }, { hideWarnings: true });
  const config = join(folder, "wrangler.json");
  writeFileSync(
    config,
    JSON.stringify({
      name: "unreliable",
      main: join(root, "tests", "edge", "unreliable.mjs"),
      compatibility_date,
      kv_namespaces: [{ binding: "LETTERS", id: "letters" }],
      queues: { producers: [{ binding: "DEAD_LETTERS", queue: "letters" }] },
      d1_databases: places.map((place) => ({
        binding: `LEDGER_${place}`,
        database_name: place.toLowerCase(),
        database_id: place.toLowerCase(),
      })),
      r2_buckets: places.map((place) => ({
        binding: `ARCHIVE_${place}`,
        bucket_name: place.toLowerCase().replaceAll("_", "-"),
      })),
    }),
  );
  const port = await freePort();
  let group;
  let log = "";

  const ask = async (route, question = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}/${route}`, { method: "POST", body: JSON.stringify(question) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${route}: ${answer.status} ${text.slice(0, 500)}`);
    return JSON.parse(text);
  };
  const start = async () => {
    const wrangler = join(root, "node_modules", "wrangler", "bin", "wrangler.js");
    const options = ["--config", config, "--persist-to", join(folder, "state"), "--ip", "127.0.0.1"];
    const quiet = ["--show-interactive-dev-session=false", "--log-level", "error", "--inspector-port", "0"];
    // why: in a group of its own, wrangler and workerd can be killed at once
    group = spawn(process.execPath, [wrangler, "dev", ...options, "--port", String(port), ...quiet], {
      cwd: folder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false", CI: "1" },
    });
    const ended = new Promise((resolve) => group.once("exit", resolve));
    for (const stream of [group.stdout, group.stderr])
      stream.on("data", (chunk) => {
        log = (log + chunk).slice(-20_000);
      });
    group.ended = ended;
    const answers = () =>
      ask("record", { place: places[0], sql: "SELECT 1" }).then(
        () => true,
        () => false,
      );
    await until(answers, () => `the consumer to start:\n${log}`, 60_000);
  };
  const kill = async () => {
    try {
      process.kill(-group.pid, "SIGKILL");
    } catch {}
    await group.ended;
  };
  process.once("exit", () => {
    try {
      if (group) process.kill(-group.pid, "SIGKILL");
    } catch {}
  });
  // why: a test runner that gives up ends this process by a signal, and `exit` is not told of that
  process.once("SIGTERM", () => process.exit(143));

  try {
    await start();
    for (const place of places) await ask("migrate", { place, statements: migrations("", before) });
  } catch (error) {
    await kill();
    throw error;
  }
  return {
    ask,
    /** Where it keeps what it stores, as wrangler's --persist-to. */
    state: join(folder, "state"),
    kill,
    start,
    log: () => log,
    async close() {
      await kill();
      group = undefined;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A port that nobody listens on. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
