// `sortition dev`: the worker before one's own site, on this machine. Run by script.rs; SORTITION_SCRIPT says what to do.

import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, watch, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { basename, dirname, join, resolve } from "node:path";

const settings = JSON.parse(process.env.SORTITION_SCRIPT);
const { serve } = await import(`data:text/javascript;base64,${Buffer.from(settings.localize).toString("base64")}`);
const origin = new URL(settings.origin);
const project = process.cwd();
const folder = join(project, ".wrangler", "sortition");
const state = resolve(settings.persistTo ?? join(project, ".wrangler", "state"));
const document = resolve(settings.document);
const key = randomBytes(16).toString("hex");
const resolver = createRequire(join(project, "x.js"));
const wrangler = join(dirname(resolver.resolve("wrangler/package.json")), "bin", "wrangler.js");
const env = {
  ...process.env,
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_LOG: "error",
  CI: "1",
  NO_COLOR: "1",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};
const say = (text) => process.stdout.write(`${text}\n`);
const fail = (text) => {
  process.stderr.write(`error: ${text}\n`);
  process.exit(1);
};

// How often the record is divided anew, where it lies in several databases.
const TENDED_EVERY_MS = 10_000;

/** A port that is free now. */
const freePort = () =>
  new Promise((done, refused) => {
    const server = createServer();
    server.on("error", refused);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

/** `.dev.vars`, as wrangler reads it. */
function secrets() {
  const file = join(project, ".dev.vars");
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  const pairs = lines.map((line) => line.match(/^\s*([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/)).filter(Boolean);
  return Object.fromEntries(pairs.map(([, name, value]) => [name, value.replace(/^(["'])(.*)\1$/, "$2")]));
}

/** The record's databases of the configuration. */
function bound(databases) {
  try {
    return ledgersOf(databases);
  } catch (error) {
    return fail(error.message);
  }
}

/** The date and the flags of the project, as it is deployed; without a configuration those that the worker is tested with. */
function compatibility({ compatibility_date: date, compatibility_flags: flags }) {
  if (!settings.config) [date, flags] = [settings.compatibility.date, settings.compatibility.flags];
  else if (!date) fail(`${settings.config} has no compatibility_date: write ${settings.compatibility.date}`);
  return { compatibility_date: date, compatibility_flags: flags ?? [] };
}

/** The worker as it runs here: the project's bindings where it has a configuration, else all of them. */
async function configure() {
  const read = () => configurationOf({ config: settings.config }).catch(({ message }) => fail(message));
  const own = settings.config ? await read() : {};
  const named = (list, binding, fallback) => {
    const found = (list ?? []).filter((one) => one.binding === binding);
    return found.length || settings.config ? found : [fallback];
  };
  const queues = own.queues ?? {
    producers: [
      { binding: "EVENTS", queue: "sortition-events" },
      { binding: "DEAD_LETTERS", queue: "sortition-events-dlq" },
    ],
    consumers: [{ queue: "sortition-events", dead_letter_queue: "sortition-events-dlq", max_batch_size: 100 }],
  };
  const databases = settings.config
    ? (own.d1_databases ?? []).filter(({ binding }) => bound(own.d1_databases).includes(binding))
    : [{ binding: "LEDGER", database_name: "sortition-ledger" }];
  const given = secrets();
  const vars = {
    ...own.vars,
    ADMIN_TOKEN: randomBytes(12).toString("hex"),
    INGEST_SECRET: randomBytes(12).toString("hex"),
    ...given,
    ORIGIN_URL: origin.href.replace(/\/$/, ""),
    CONFIG_TTL_SECONDS: "0",
  };
  const config = {
    name: own.name ?? "sortition-dev",
    main: join(folder, "entry.mjs"),
    ...compatibility(own),
    vars,
    kv_namespaces: named(own.kv_namespaces, "CONFIG", { binding: "CONFIG" }),
    queues: { ...queues, consumers: queues.consumers?.map((one) => ({ ...one, max_batch_timeout: 1 })) },
    d1_databases: databases.map((one) => ({ ...one, migrations_dir: settings.migrations })),
    r2_buckets: named(own.r2_buckets, "ARCHIVE", { binding: "ARCHIVE", bucket_name: "sortition-archive" }),
    ...(own.durable_objects?.bindings?.length && { durable_objects: own.durable_objects, migrations: own.migrations }),
    triggers: own.triggers,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "wrangler.json"), JSON.stringify(config, null, 2), { mode: 0o600 });
  // why: a document that was saved must be live at once, and a start of wrangler takes seconds
  writeFileSync(
    join(folder, "entry.mjs"),
    `import worker from ${JSON.stringify(settings.worker)};
export * from ${JSON.stringify(settings.worker)};
export default {
  ...worker,
  async fetch(request, env, context) {
    if (request.headers.get("x-sortition-dev") !== ${JSON.stringify(key)}) return worker.fetch(request, env, context);
    if (request.headers.has("x-sortition-dev-tend")) {
      const { tend } = await import(${JSON.stringify(join(dirname(settings.worker), "readout.js"))});
      await tend(env);
      return new Response("tended\\n");
    }
    await env.CONFIG.put("config", await request.text());
    return new Response("taken up\\n");
  },
};
`,
  );
  return {
    token: vars.ADMIN_TOKEN,
    databases: config.d1_databases.map(({ binding }) => binding),
    drafted: Object.keys(given),
  };
}

const children = [];
function run(args, options = {}) {
  const child = spawn(process.execPath, [wrangler, ...args], { cwd: project, env, ...options });
  children.push(child);
  return child;
}

function finished(child) {
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (log += chunk));
  return new Promise((done) => child.on("close", (code) => done({ code, log })));
}

let stopping = false;
function stop(code = 0) {
  if (stopping) return;
  stopping = true;
  for (const child of children) if (child.exitCode === null) child.kill("SIGTERM");
  setTimeout(() => process.exit(code), 3000).unref();
  Promise.all(
    children.map((child) => (child.exitCode === null ? new Promise((done) => child.on("exit", done)) : 0)),
  ).then(() => process.exit(code));
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop());
// why: whoever started this and is gone would leave a worker behind
if (settings.tied) process.stdin.resume().on("end", () => stop());

const { token, databases } = await configure();
const config = ["--config", join(folder, "wrangler.json")];
for (const binding of databases) {
  const migrated = await finished(
    run(["d1", "migrations", "apply", binding, "--local", "--persist-to", state, ...config]),
  );
  if (migrated.code !== 0) fail(`the migrations could not be applied:\n${migrated.log}`);
}

let port = await freePort();
// why: the port of the page is free, too, until it is listened on
while (port === settings.port) port = await freePort();
const worker = run([
  "dev",
  ...config,
  "--ip=127.0.0.1",
  `--port=${port}`,
  "--inspector-port=0",
  `--persist-to=${state}`,
  `--local-upstream=${origin.host}`,
  `--upstream-protocol=${origin.protocol.slice(0, -1)}`,
  "--show-interactive-dev-session=false",
]);
let log = "";
for (const stream of [worker.stdout, worker.stderr]) {
  stream.on("data", (chunk) => {
    log += chunk;
    if (started) process.stderr.write(chunk);
  });
}
worker.on("exit", (code) => {
  if (!stopping) fail(`the worker ended with ${code}:\n${log}`);
});
let started = false;
const direct = `http://127.0.0.1:${port}`;
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const health = async () => (await fetch(`${direct}/_sortition/health`)).json();
for (let tries = 0; ; tries++) {
  try {
    await health();
    break;
  } catch {
    if (tries > 300) fail(`the worker does not start:\n${log}`);
    await pause(200);
  }
}
started = true;

/** The tool's own answer on the document. */
const checked = () =>
  new Promise((done) => {
    execFile(settings.tool, ["check", document, "--json"], { maxBuffer: 1 << 28 }, (_, stdout, stderr) => {
      try {
        done(JSON.parse(stdout));
      } catch {
        done({ ok: false, problems: [], error: stderr || stdout });
      }
    });
  });

let taken = 0;
async function takeUp() {
  const answer = await checked();
  const name = basename(document);
  for (const { severity, path, line, column, message } of answer.problems ?? []) {
    say(`${name}:${line}:${column} ${severity} ${path || "document"}: ${message}`);
  }
  if (!answer.ok) {
    const errors = (answer.problems ?? []).filter(({ severity }) => severity === "error").length;
    say(
      `${name}: refused, ${errors ? `${errors} error${errors === 1 ? "" : "s"}` : answer.error}; what was live stays`,
    );
    return;
  }
  const value = JSON.parse(readFileSync(document, "utf8"));
  value.revision = `dev.${++taken}.${key.slice(0, 6)}`;
  const drafts = value.experiments.filter(({ status }) => settings.drafts && (status ?? "draft") === "draft");
  for (const experiment of drafts) experiment.status = "running";
  const answered = await fetch(direct, {
    method: "POST",
    headers: { "x-sortition-dev": key },
    body: JSON.stringify(value),
  });
  if (!answered.ok) return say(`${name}: it could not be written: ${await answered.text()}`);
  for (let tries = 0; tries < 100; tries++) {
    if ((await health()).config_revision === value.revision) break;
    await pause(50);
  }
  const ids = value.experiments.map(({ id }) => id).join(", ");
  say(
    `${name}: live here: ${ids || "no experiments"}${drafts.length ? ` (drafts run here: ${drafts.map(({ id }) => id).join(", ")})` : ""}`,
  );
}

function reported({ path, body, status }) {
  let events = [];
  try {
    events = JSON.parse(body).events ?? [];
  } catch {}
  const told = (event) =>
    event.type === "experiment_converted"
      ? `conversion ${event.conversion_event}${event.value === undefined ? "" : ` ${event.value} ${event.currency ?? ""}`.trimEnd()}`
      : event.type === "experiment_exposed"
        ? `exposure ${event.experiment_id}`
        : event.type;
  const by = path.endsWith("/conversions") ? "by a server" : "by the page";
  if (events.length === 0) return say(`an event ${by}: refused, ${status}`);
  for (const event of events) say(`${told(event)} ${by}: ${status < 300 ? "taken" : `refused, ${status}`}`);
}

await takeUp();
try {
  await serve({ port: settings.port, worker: port, origin, token, reported });
} catch (error) {
  fail(`port ${settings.port} cannot be used: ${error.message}; choose another with --port`);
}
// why: nothing runs the schedule here, without which a record that got more databases is never divided among them. The
// guard stays out: it would end experiments, and tell the people of `notify`, by the traffic of this machine.
const tend = async () => {
  const headers = { "x-sortition-dev": key, "x-sortition-dev-tend": "1" };
  await fetch(direct, { method: "POST", headers }).catch(() => {});
  setTimeout(tend, TENDED_EVERY_MS).unref();
};
if (databases.length > 1) tend();

let waiting;
watch(dirname(document), (_, name) => {
  if (name && name !== basename(document)) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => takeUp().catch((error) => say(`${basename(document)}: ${error.message}`)), 60);
});

const here = `http://localhost:${settings.port}`;
say(`
${here}/ is ${origin.href} behind the worker. Save ${basename(document)}, and it is live here.
The results, open on this machine: ${here}/_sortition/experiments
What was pushed here is also read by \`sortition … --local\`. Ctrl-C stops everything.`);
if (settings.open) execFile(process.platform === "darwin" ? "open" : "xdg-open", [here], () => {});
