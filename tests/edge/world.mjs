// The built worker in workerd itself, with nothing between it and the test: an origin behind it and stand-ins for the
// platform's services beside it. wrangler's test harness sends what a worker fetches through Node's `fetch`, which
// decodes bodies, changes headers and knows no upgrade, so bytes can only be looked at here.

import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import workerd from "workerd";
import { unstable_readConfig as readConfig } from "wrangler";
import { ask, until } from "./client.mjs";
import { startOrigin } from "./origin.mjs";
import { startPlatform } from "./platform.mjs";

export * from "./client.mjs";
export * from "./documents.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { compatibility_date: compatibilityDate, compatibility_flags: compatibilityFlags } = readConfig(
  { config: join(root, "wrangler.toml") },
  { hideWarnings: true },
);

/** What makes `/health` say everything. */
const ADMIN = { Authorization: "Bearer test-admin-token" };

/**
 * Starts a world.
 *
 * @param {object} [options]
 * @param {object | string} [options.document] What KV holds under `config`; a string goes in as it is.
 * @param {string} [options.kill] What KV holds under `kill`.
 * @param {number} [options.kvDelay] How long KV takes from the start on, in milliseconds.
 * @param {string} [options.kvBehaviour] How KV behaves from the start on; see `startPlatform`.
 * @param {string[]} [options.unreadable] Keys that KV fails to give from the start on.
 * @param {Record<string, string>} [options.vars] Variables and secrets. The plan is refreshed on every request unless
 *   `CONFIG_TTL_SECONDS` says otherwise.
 * @param {string[]} [options.without] Bindings that are left out, of `CONFIG`, `EVENTS`, `ARCHIVE`; and the wasm `services`.
 * @param {Map} [options.cache] What the data centre's cache holds, of another world's `platform.cache`; without one there
 *   is none.
 * @param {string} [options.build] The folder of the built worker.
 * @param {boolean} [options.probed] Whether `probe.js` stands around the worker, with a D1 behind it.
 * @param {boolean} [options.people] Whether there are Durable Objects of users, with `people.js` around the worker.
 */
export async function startWorld({
  document,
  kill,
  kvDelay = 0,
  kvBehaviour = "ok",
  unreadable = [],
  vars = {},
  without = [],
  cache,
  build = join(root, "build"),
  probed,
  people,
} = {}) {
  const [origin, platform] = await Promise.all([startOrigin(), startPlatform()]);
  const setKey = (key, value) =>
    value === undefined
      ? platform.kv.delete(key)
      : platform.kv.set(key, typeof value === "string" ? value : JSON.stringify(value));
  setKey("config", document);
  setKey("kill", kill);
  platform.delay.kv = kvDelay;
  platform.behaviour.kv = kvBehaviour;
  for (const [url, copy] of cache ?? []) platform.cache.set(url, copy);
  for (const key of unreadable) platform.unreadable.add(key);

  const folder = mkdtempSync(join(tmpdir(), "sortition-"));
  const built = readdirSync(build).filter((file) => /\.(?:js|wasm)$/.test(file) && !/^readout/.test(file));
  for (const file of built) copyFileSync(join(build, file), join(folder, file));
  const around = probed ? "probe.js" : people ? "people.js" : undefined;
  if (around) copyFileSync(join(root, "tests", "edge", around), join(folder, around));
  const texts = { ADMIN_TOKEN: "test-admin-token", ORIGIN_URL: origin.url, CONFIG_TTL_SECONDS: "0", ...vars };
  writeFileSync(
    join(folder, "config.capnp"),
    configuration(platform.address, texts, { without, around, cache, folder, built }),
  );
  const child = spawn(workerd.default, ["serve", "--experimental", "--control-fd=3", join(folder, "config.capnp")], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      log += chunk;
    });
  }
  const url = new URL(`http://127.0.0.1:${await listening(child, () => log)}`);

  let revisions = 1;
  const world = {
    origin,
    platform,
    url,
    setKey,
    /** Asks the worker; see `ask`. */
    ask: (path, options) => ask(url, path, options),
    /** What `/health` says. */
    health: async () => JSON.parse((await ask(url, "/_sortition/health", { headers: ADMIN })).text),
    /** Puts a document into KV and waits until the worker uses it; its revision is new each time. */
    async publish(next) {
      const revision = `r${++revisions}`;
      setKey("config", { ...next, revision });
      await world.settled((health) => health.config_revision === revision, "the new document to be used");
      return revision;
    },
    /** Waits until `/health` is as wanted, and returns it. */
    async settled(wanted, what = "/health to be as wanted") {
      let health;
      const look = async () => {
        health = await world.health();
        return wanted(health);
      };
      await until(look, () => `${what}; it says ${JSON.stringify(health)}`);
      return health;
    },
    /** The messages that the queue took since `forget`, once every message that the worker made has arrived. */
    async sent() {
      const arrived = async () => platform.taken === (await world.health()).messages;
      await until(arrived, "every message to arrive");
      return platform.messages;
    },
    /** Lets requests and messages of before come in, and forgets them. */
    async forget() {
      await world.sent();
      platform.messages.length = 0;
      platform.bodies.length = 0;
      origin.forget();
    },
    /** The visits that wait in R2. */
    spilled: () =>
      [...platform.objects]
        .filter(([key]) => key.startsWith("spill/"))
        .flatMap(([, text]) => {
          const value = JSON.parse(text);
          return (value.body ?? value).visits;
        }),
    /** Turns the worker's clock ahead, or back; needs `probed`. */
    turnClock: (milliseconds) => ask(url, "/test/clock", { method: "POST", body: String(milliseconds) }),
    /** Runs the schedule, and returns how what it left behind the answer ended; needs `probed`. */
    schedule: async () => JSON.parse((await ask(url, "/test/schedule")).text),
    /** Delivers messages to the queue's consumer, and returns `ack` or `retry` of each; needs `probed`. */
    deliver: async (messages) =>
      JSON.parse((await ask(url, "/test/deliver", { method: "POST", body: JSON.stringify(messages) })).text),
    /** What the worker wrote to its log. */
    log: () => log,
    async close() {
      child.kill("SIGKILL");
      await Promise.all([origin.close(), platform.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return world;
}

function configuration(platform, texts, { without, around, cache, folder, built }) {
  const text = (value) => JSON.stringify(value);
  const services = { CONFIG: ["kvNamespace", "kv"], EVENTS: ["queue", "queue"], ARCHIVE: ["r2Bucket", "r2"] };
  const bindings = [
    ...Object.entries(texts).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ...Object.entries(services)
      .filter(([name]) => !without.includes(name))
      .map(([name, [kind, service]]) => `(name = ${text(name)}, ${kind} = ${text(service)})`),
  ];
  if (around === "people.js") bindings.push(`(name = "PEOPLE", durableObjectNamespace = "Person")`);
  if (around === "probe.js") {
    bindings.push(
      `(name = "LEDGER", wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [(name = "fetcher", service = "d1")]))`,
    );
  }
  const isThere = (file) => file !== "index.js" && !(without.includes("services") && file.startsWith("services"));
  const modules = ["index.js", ...built.filter(isThere)].map(
    (file) => `(name = ${text(file)}, ${file.endsWith(".wasm") ? "wasm" : "esModule"} = embed ${text(file)})`,
  );
  const standIns = [...Object.values(services).map(([, name]) => name), "d1", "cache"].map(
    (name) =>
      `(name = ${text(name)}, external = (address = ${text(platform)}, http = (injectRequestHeaders = [(name = "test-service", value = ${text(name)})])))`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
    ${standIns.join(",\n    ")},
    (name = "people", disk = (path = ${text(folder)}, writable = true)),
  ],
  sockets = [(
    name = "http", address = "127.0.0.1:0", service = "main",
    http = (cfBlobHeader = "test-cf", forwardedProtoHeader = "x-forwarded-proto"),
  )],
);
const worker :Workerd.Worker = (
  modules = [
    ${around ? `(name = "${around}", esModule = embed "${around}"),` : ""}
    ${modules.join(",\n    ")}
  ],
  compatibilityDate = ${text(compatibilityDate)},
  compatibilityFlags = [${compatibilityFlags.map(text).join(", ")}],
  globalOutbound = "internet",
  ${cache ? 'cacheApiOutbound = "cache",' : ""}
  durableObjectNamespaces = [${around === "people.js" ? '(className = "Person", uniqueKey = "person", enableSql = true)' : ""}],
  ${around === "people.js" ? 'durableObjectStorage = (localDisk = "people"),' : ""}
  bindings = [
    ${bindings.join(",\n    ")},
  ],
);
`;
}

/** The port on which workerd listens, as it says on its control descriptor. */
function listening(child, log) {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stdio[3].on("data", (chunk) => {
      said += chunk;
      for (const line of said.split("\n").slice(0, -1)) {
        const message = JSON.parse(line);
        if (message.event === "listen" && message.socket === "http") resolve(message.port);
      }
    });
    child.on("exit", (code) => reject(new Error(`workerd ended with ${code}:\n${log()}`)));
  });
}
