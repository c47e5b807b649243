// workerd, started plainly: no inspector, no dev proxy, one configuration of the kind that production has.

import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { unstable_readConfig as readConfig } from "wrangler";

const require = createRequire(import.meta.url);

/** The program itself: the one in `.bin` may be a wrapper with another process id. */
function program() {
  const wrangler = createRequire(require.resolve("wrangler/package.json"));
  const workerd = createRequire(wrangler.resolve("workerd/package.json"));
  const os = { linux: "linux", darwin: "darwin", win32: "windows" }[process.platform];
  const architecture = process.arch === "arm64" ? "arm64" : "64";
  return workerd.resolve(`@cloudflare/workerd-${os}-${architecture}/bin/workerd`);
}

export const workerd = program();

/** Writes a configuration into `folder`; `modules` maps file names to contents, the first is the entry. */
export function configure(folder, { modules, store, ports, compatibility, vars = {}, v8Flags = [] }) {
  mkdirSync(folder, { recursive: true });
  const embed = Object.entries(modules).map(([name, content]) => {
    writeFileSync(join(folder, name), content);
    return `(name = "${name}", ${name.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${name}")`;
  });
  const text = Object.entries({ ORIGIN_URL: "", CONFIG_TTL_SECONDS: "30", ...vars });
  const bindings = [
    '(name = "CONFIG", kvNamespace = "kv")',
    '(name = "EVENTS", queue = "queue")',
    ...text.map(([name, value]) => `(name = "${name}", text = "${value}")`),
  ];
  const external = (name, port) => `(name = "${name}", external = (address = "127.0.0.1:${port}", http = ()))`;
  writeFileSync(
    join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [${embed.join(", ")}],
      compatibilityDate = "${compatibility.date}",
      compatibilityFlags = [${compatibility.flags.map((flag) => `"${flag}"`).join(", ")}],
      bindings = [${bindings.join(", ")}],
      cacheApiOutbound = "cache",
      globalOutbound = "origin")),
    ${external("origin", ports.shop)},
    ${external("kv", ports.stores[store])},
    ${external("queue", ports.queue)},
    ${external("cache", ports.cache)}],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
  v8Flags = [${v8Flags.map((flag) => `"${flag}"`).join(", ")}]);
`,
  );
  return join(folder, "config.capnp");
}

/** Starts it; resolves when it listens. */
export function start(config) {
  const child = spawn(workerd, ["serve", "--control-fd=3", config], {
    cwd: dirname(config),
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  // why: a benchmark that is interrupted or fails leaves nothing running
  const end = () => child.kill("SIGKILL");
  process.setMaxListeners(0);
  process.once("exit", end);
  child.once("exit", () => process.off("exit", end));
  let log = "";
  child.stdout.on("data", (data) => {
    log += data;
  });
  child.stderr.on("data", (data) => {
    log += data;
  });
  const listening = new Promise((resolve, reject) => {
    child.stdio[3].on("data", (data) => {
      const port = /"event":"listen"[^}]*"port":(\d+)/.exec(data)?.[1];
      if (port) resolve(Number(port));
    });
    child.once("exit", (code) => reject(new Error(`workerd ended with ${code}: ${log}`)));
  });
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
  });
  return listening.then((port) => ({
    port,
    pid: child.pid,
    log: () => log,
    stop: () => {
      child.kill("SIGKILL");
      return ended;
    },
  }));
}

/** The compatibility date and flags that are deployed with. */
export function deployed(wranglerToml) {
  const { compatibility_date: date, compatibility_flags: flags } = readConfig(
    { config: wranglerToml },
    { hideWarnings: true },
  );
  return { date, flags };
}

/**
 * CPU seconds that a process has used, in user and kernel mode, all threads: to the nanosecond where the kernel keeps
 * that (`schedstat`), else in hundredths. No thread of workerd ends while it serves.
 */
export function cpuSeconds(pid) {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanos = threads.map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
    );
    return nanos.reduce((sum, value) => sum + value, 0) / 1e9;
  } catch {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }
}
