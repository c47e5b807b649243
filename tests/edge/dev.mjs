// The built worker in `wrangler dev`, as `npm start` runs it, on a local KV that the tool writes to.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { at } from "../../scripts/setup.mjs";
import { until } from "./client.mjs";

export const wranglerScript = at("node_modules", "wrangler", "bin", "wrangler.js");

/** A port that is free now. */
export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/**
 * Starts the worker on the local KV in `folder`, with an origin behind it, and further variables and secrets; of another
 * configuration than wrangler.toml where `config` names one.
 */
export async function startDev({ folder, origin, ttlSeconds, more = {}, config }) {
  const port = await freePort();
  const vars = { ORIGIN_URL: origin, CONFIG_TTL_SECONDS: ttlSeconds, ...more };
  const flags = ["--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0", "--persist-to", folder];
  if (config) flags.push("--config", config);
  for (const [name, value] of Object.entries(vars)) flags.push("--var", `${name}:${value}`);
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1", CLOUDFLARE_CF_FETCH_ENABLED: "false" };
  const child = spawn(process.execPath, [wranglerScript, "dev", ...flags, "--show-interactive-dev-session=false"], {
    cwd: at(),
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      log += chunk;
    });
  }
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const url = new URL(`http://127.0.0.1:${port}`);
  const health = () =>
    fetch(`${url}_sortition/health`).then(
      (answer) => answer.json(),
      () => undefined,
    );
  const started = () => child.exitCode === null && health();
  await until(started, () => `the worker to start:\n${log}`, 60_000);
  return {
    url,
    health,
    log: () => log,
    async close() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Runs `sortition dev` by a `tool` in a project's folder, in front of an origin. */
export async function startTool({ tool, cwd, env, origin }) {
  const port = await freePort();
  const child = spawn(tool, ["dev", "--origin", origin, "--port", String(port), "--tied"], { cwd, env });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      log += chunk;
    });
  }
  const ended = new Promise((resolve) => child.on("exit", resolve));
  await until(
    () => log.includes("Ctrl-C") || child.exitCode !== null,
    () => `dev to start:\n${log}`,
    180_000,
  );
  assert.equal(child.exitCode, null, log);
  return {
    url: `http://localhost:${port}`,
    log: () => log,
    async close() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
