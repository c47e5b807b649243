// `sortition doctor`: what is not in order, and what to do. Run by script.rs; SORTITION_SCRIPT says what is asked.
// Prints one JSON line: a list of {name, state, said, advice}; state: ok, warning, failure, skipped.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";

const settings = JSON.parse(process.env.SORTITION_SCRIPT);
const project = process.cwd();
const findings = [];
const found = (state) => (name, said, advice) => findings.push({ name, state, said, ...(advice && { advice }) });
const [ok, warning, failure, skipped] = ["ok", "warning", "failure", "skipped"].map(found);
const placeholder = (id) => /^[0-9]*$/.test(id ?? "x") && /^[0-]+$/.test(id ?? "");
// From this compatibility date on the runtime compiles a module when it is imported first.
const LAZY_MODULES = "2026-11-17";
const day = (date) => Math.round((Date.now() - Date.parse(date)) / 86_400_000);

const BROWSER = {
  "user-agent":
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
  accept: "text/html",
  "sec-fetch-dest": "document",
  "sec-fetch-mode": "navigate",
};

const resolver = createRequire(join(project, "x.js"));
let wranglerFolder;
try {
  wranglerFolder = dirname(resolver.resolve("wrangler/package.json"));
} catch {}

/** Answers of wrangler, which knows the account; undefined where it cannot be asked. */
function wrangler(...args) {
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1", WRANGLER_LOG: "log", CI: "1" };
  const script = join(wranglerFolder, "bin", "wrangler.js");
  const shared = settings.wranglerEnv ? ["--env", settings.wranglerEnv] : [];
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args, ...shared], {
    env,
    encoding: "utf8",
    timeout: 60_000,
  });
  return { fine: status === 0, stdout: stdout ?? "", said: `${stdout ?? ""}${stderr ?? ""}`.trim() };
}

async function ask(url, options = {}) {
  const started = Date.now();
  const answer = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(15_000), ...options });
  const text = await answer.text();
  return { answer, text, milliseconds: Date.now() - started };
}

versions();
const config = await configuration();
const document = readDocument();
if (config) {
  bindings(config);
  coverage(config, document);
  if (settings.local || settings.account) account(config);
  else
    skipped(
      "secrets, migrations and what is live",
      "only with --account, since wrangler asks Cloudflare for them, or with --local",
    );
}
if (settings.url) await live(new URL(settings.url), document);
else skipped("the running worker", "name its address to look at it: sortition doctor https://shop.example/");
process.stdout.write(`@sortition ${JSON.stringify(findings)}\n`);

function versions() {
  const [major] = process.versions.node.split(".");
  if (Number(major) >= 22) ok("Node", process.versions.node);
  else
    failure("Node", `${process.versions.node} is too old for wrangler`, "install Node 22 or newer: https://nodejs.org");
  if (!wranglerFolder) return failure("wrangler", "it is not installed here", "npm install --save-dev wrangler");
  const { version } = JSON.parse(readFileSync(join(wranglerFolder, "package.json"), "utf8"));
  const [of, minor] = version.split(".").map(Number);
  if (of > 4 || (of === 4 && minor >= 45)) ok("wrangler", version);
  else warning("wrangler", `${version} does not make resources by itself`, "npm install --save-dev wrangler@latest");
  ok("sortition", settings.version);
}

async function configuration() {
  const names = ["wrangler.jsonc", "wrangler.json", "wrangler.toml"];
  const name = names.find((one) => existsSync(join(project, one)));
  if (!name || !wranglerFolder) {
    const advice = "run this in the folder of the project, or make one with `sortition init`";
    return void (settings.url
      ? skipped("configuration", "there is none in this folder")
      : failure("configuration", "there is none in this folder", advice));
  }
  try {
    const config = await configurationOf({ env: settings.wranglerEnv });
    ok("configuration", name);
    return config;
  } catch (error) {
    failure("configuration", error.message, "correct it there");
  }
}

function readDocument() {
  const file = settings.document;
  if (!existsSync(file))
    return void warning("document", `there is no ${file}`, "name it with --document, or write one: sortition new");
  try {
    execFileSync(settings.tool, ["check", file, "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch (error) {
    const { errors, problems } = JSON.parse(error.stdout || "{}");
    const first = problems?.find(({ severity }) => severity === "error");
    failure(
      "document",
      `${file}: ${errors ?? "some"} errors${first ? `, the first: ${first.path}: ${first.message}` : ""}`,
      `sortition check ${file}`,
    );
    return;
  }
  const document = JSON.parse(readFileSync(file, "utf8"));
  const { length: number } = document.experiments;
  ok("document", `${file}: ${number} ${number === 1 ? "experiment" : "experiments"}`);
  return document;
}

function bindings({
  configPath,
  kv_namespaces: kv,
  queues,
  d1_databases: d1,
  r2_buckets: r2,
  triggers,
  compatibility_date: date,
  main,
}) {
  if (main && existsSync(main)) ok("worker", main);
  else failure("worker", `${main ?? "`main`"} is not there`, "npm install, or `npm run build` in a clone");
  const named = (list, name) => (list ?? []).find(({ binding }) => binding === name);
  const config = named(kv, "CONFIG");
  if (!config) failure("CONFIG", "no KV namespace is bound", 'add { "binding": "CONFIG" } to kv_namespaces');
  else if (placeholder(config.id))
    failure("CONFIG", "its id is all zeros", "leave `id` out, and the deployment makes it, or write the real one");
  else ok("CONFIG", config.id ?? "made by the deployment");
  const events = named(queues.producers, "EVENTS");
  if (!events)
    warning(
      "EVENTS",
      "no queue is bound, so nothing is recorded",
      "add a producer EVENTS and a consumer of the same queue",
    );
  else {
    const consumer = (queues.consumers ?? []).find(({ queue }) => queue === events.queue);
    if (!consumer)
      failure(
        "EVENTS",
        `nothing consumes the queue ${events.queue}`,
        "add a consumer of that queue to the configuration",
      );
    else if (!consumer.dead_letter_queue)
      warning("EVENTS", "what cannot be recorded is dropped after its retries", "name a dead_letter_queue");
    else ok("EVENTS", `${events.queue}, dead letters to ${consumer.dead_letter_queue}`);
  }
  const ledgers = (d1 ?? []).filter(({ binding }) => /^LEDGER(_\d+)?$/.test(binding));
  if (ledgers.length === 0)
    warning("LEDGER", "no D1 database is bound, so there are no results", "add a database LEDGER");
  else databases(ledgers, dirname(configPath));
  if (named(r2, "ARCHIVE")) ok("ARCHIVE", "bound");
  else
    warning(
      "ARCHIVE",
      "no bucket is bound: no archive, and events that the queue refuses are lost",
      "add a bucket ARCHIVE",
    );
  if (triggers?.crons?.length) ok("schedule", triggers.crons.join(", "));
  else
    warning(
      "schedule",
      "nothing runs on a schedule: no guard, and nothing brings lost messages back",
      'add "triggers": { "crons": ["*/5 * * * *"] }',
    );
  if (date < LAZY_MODULES)
    warning(
      "compatibility date",
      `with ${date} each start compiles what pages never ask for, endpoints and readout`,
      `write "compatibility_date": "${LAZY_MODULES}"`,
    );
  else if (date > newestDate())
    warning(
      "compatibility date",
      `${date} is newer than what the runtime of this wrangler knows (${newestDate()}), so dev runs with that`,
      "npm install --save-dev wrangler@latest",
    );
  else if (day(date) > 730)
    warning("compatibility date", `${date} is ${day(date)} days old`, `take a newer one, and try it with dev`);
  else ok("compatibility date", date);
}

/** The newest compatibility date of the runtime that comes with this wrangler: its version is 1.YYYYMMDD.n. */
function newestDate() {
  try {
    const file = createRequire(join(wranglerFolder, "package.json")).resolve("workerd/package.json");
    const [, year, month, date] = /^1\.(\d{4})(\d\d)(\d\d)\./.exec(JSON.parse(readFileSync(file, "utf8")).version);
    return `${year}-${month}-${date}`;
  } catch {
    return "9999";
  }
}

/** What is bound as the record's databases, one by one and together. */
function databases(ledgers, folder) {
  for (const { binding, database_id: id, migrations_dir: migrations = "migrations", database_name: name } of ledgers) {
    if (placeholder(id)) failure(binding, "its id is all zeros", "leave `database_id` out, or write the real one");
    else if (!existsSync(resolve(folder, migrations))) {
      const advice = 'write "migrations_dir": "node_modules/sortition/migrations"';
      failure(binding, `there are no migrations in ${migrations}`, advice);
    } else ok(binding, name ?? "bound");
  }
  try {
    ledgersOf(ledgers);
  } catch (error) {
    failure("LEDGER", error.message, "bind LEDGER, LEDGER_1 and so on, each where it was");
  }
}

/** Whether a route takes a host and path: `*` is any run of characters, at the start of the host and the end of the path. */
function takes(pattern, host, path) {
  const [name, ...rest] = pattern.replace(/^https?:\/\//, "").split("/");
  const glob = (text) =>
    new RegExp(
      `^${text
        .split("*")
        .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"))
        .join(".*")}$`,
    );
  return glob(name).test(host) && glob(`/${rest.join("/")}`).test(path);
}

function coverage({ routes, route, workers_dev: dev }, document) {
  const patterns = [...(routes ?? []), ...(route ? [route] : [])].map((one) =>
    typeof one === "string" ? { pattern: one } : one,
  );
  if (patterns.length === 0)
    return warning(
      "routes",
      `there are none${dev ? ", only workers.dev" : ""}`,
      'add "routes" before shoppers are to meet it',
    );
  if (patterns.some(({ custom_domain: whole }) => whole))
    return ok("routes", "a custom domain, which covers everything");
  const hosts = new Set(
    patterns.map(({ pattern }) =>
      pattern
        .replace(/^https?:\/\//, "")
        .split("/")[0]
        .replace(/^\*\.?/, ""),
    ),
  );
  const covered = (path) => [...hosts].some((host) => patterns.some(({ pattern }) => takes(pattern, host, path)));
  if (!covered("/_sortition/health"))
    failure("routes", "none covers /_sortition/*", "add a route for it: the page's events and the results are there");
  const pages = (document?.experiments ?? []).flatMap(({ id, pages: list }) =>
    (list ?? []).map((page) => ({ id, page })),
  );
  const missed = pages.filter(({ page }) => typeof page === "string" && !covered(page.replaceAll(/[*?]+/g, "x")));
  for (const { id, page } of missed)
    failure("routes", `no route covers ${page} of the experiment ${id}`, "add a route for it, or it never runs there");
  if (missed.length === 0 && covered("/_sortition/health"))
    ok("routes", patterns.map(({ pattern }) => pattern).join(", "));
}

function account({ d1_databases: d1 }) {
  const where = settings.local ? "--local" : "--remote";
  if (!settings.local) {
    const listed = wrangler("secret", "list", "--format", "json");
    if (!listed.fine)
      return skipped(
        "the account",
        `wrangler cannot be asked: ${listed.said.split("\n").find((line) => line.includes("ERROR")) ?? "is it signed in?"}`,
      );
    const names = JSON.parse(listed.stdout.slice(listed.stdout.indexOf("["))).map(({ name }) => name);
    for (const [name, use] of [
      ["SORTITION_SECRET", "signed cookies and preview links"],
      ["INGEST_SECRET", "conversions of servers"],
      ["ADMIN_TOKEN", "the pages of results"],
    ]) {
      if (names.includes(name)) ok(name, "set");
      else warning(name, `it is not set: no ${use}`, `npx wrangler secret put ${name}`);
    }
  } else {
    const file = join(project, ".dev.vars");
    if (existsSync(file)) ok("secrets", ".dev.vars");
    else warning("secrets", "there is no .dev.vars", "write SORTITION_SECRET, INGEST_SECRET and ADMIN_TOKEN into it");
  }
  for (const { binding } of d1 ?? []) if (/^LEDGER(_\d+)?$/.test(binding)) migrations(binding, where);
}

function migrations(binding, where) {
  const name = binding === "LEDGER" ? "migrations" : `migrations of ${binding}`;
  const listed = wrangler("d1", "migrations", "list", binding, where);
  if (!listed.fine)
    return warning(
      name,
      listed.said.split("\n").find((line) => line.includes("ERROR")) ?? "they cannot be listed",
      `npx wrangler d1 migrations list ${binding} --remote`,
    );
  const waiting = [...listed.said.matchAll(/\d{4}_[\w-]+\.sql/g)].map(([name]) => name);
  if (waiting.length)
    failure(name, `not applied: ${waiting.join(", ")}`, `npx wrangler d1 migrations apply ${binding} ${where}`);
  else ok(name, "all applied");
}

async function live(url, document) {
  const under = (path) => new URL(`/_sortition/${path}`, url);
  const admin = settings.token ? { authorization: `Bearer ${settings.token}` } : {};
  let health;
  try {
    const { answer, text, milliseconds } = await ask(under("health"), { headers: admin });
    if (answer.status !== 200) throw new Error(`it answers ${answer.status}`);
    health = JSON.parse(text);
    ok("reached", `${under("health")} in ${milliseconds} ms`);
    const date = Date.parse(answer.headers.get("date") ?? "");
    const off = Math.abs(Date.now() - date) / 1000;
    if (off > 120)
      warning(
        "clock",
        `this machine and the worker are ${Math.round(off)} s apart`,
        "set this machine's clock: signatures hold five minutes",
      );
    else if (date) ok("clock", `${off.toFixed(0)} s apart`);
  } catch (error) {
    return failure(
      "reached",
      `${under("health")}: ${error.cause?.message ?? error.message}`,
      "is the worker deployed, and does a route cover /_sortition/*?",
    );
  }
  if (health.version === undefined || health.version === settings.version)
    ok("version", `the worker is ${health.version ?? settings.version}`);
  else
    warning(
      "version",
      `the worker is ${health.version}, this tool ${settings.version}`,
      "deploy: the tool says what its own version does",
    );
  const wrong = health.record?.problems ?? [];
  const isOfRecord = health.status === "degraded" && !health.config_error && wrong.length > 0;
  if (health.status === "ok" || isOfRecord)
    ok("document live", `${health.config_revision}, read ${Math.round(health.config_age_seconds ?? 0)} s ago`);
  else if (health.status === "unconfigured")
    failure("document live", "there is none", "sortition push experiments.json");
  else
    failure(
      "document live",
      health.config_error ?? `the worker says ${health.status}`,
      "sortition push a document that passes `sortition check`",
    );
  for (const problem of wrong)
    failure(
      "record",
      problem,
      /no such (?:table|column)|apply the migrations/.test(problem)
        ? "sortition upgrade applies the migrations to every database"
        : "bind each database under the name that it had: docs/deploy.md says more",
    );
  if (health.record && wrong.length === 0) ok("record", `in ${health.record.databases} databases`);
  if ((health.config_age_seconds ?? 0) > 600)
    warning(
      "document age",
      `it was read ${Math.round(health.config_age_seconds)} s ago`,
      "KV cannot be read: see the worker's log",
    );
  const killed = health.killed ?? [];
  const count = Array.isArray(killed) ? killed.length : Number(killed);
  if (count > 0)
    warning(
      "kill",
      `stopped: ${Array.isArray(killed) ? killed.join(", ") : count}`,
      "sortition history says by whom; sortition kill NAME --off lifts it",
    );
  else ok("kill", "nothing is stopped");
  if (health.queue === false) warning("recording", "the worker has no queue: nothing is recorded", "bind EVENTS");
  await page(url, under, document);
  if (settings.token) await results(under, admin, document, health);
  else skipped("results and conversions", "name the password: --token, or ADMIN_TOKEN in the environment");
}

async function page(url, under, document) {
  try {
    const script = await ask(under("client.js"));
    if (script.answer.status === 200) ok("client script", `${script.text.length} bytes`);
    else
      failure(
        "client script",
        `/_sortition/client.js answers ${script.answer.status}`,
        "a route must cover /_sortition/*",
      );
    const { answer, text } = await ask(url, { headers: BROWSER });
    if (text.includes("/_sortition/client.js")) ok("script tag", `${url.pathname} loads it`);
    else
      warning(
        "script tag",
        `${url.pathname} does not load /_sortition/client.js`,
        '<script src="/_sortition/client.js" async></script>, where the page reports conversions',
      );
    const variants = answer.headers.get("sortition-variants");
    const applies = (document?.experiments ?? []).some(
      ({ status, pages }) =>
        status === "running" &&
        (pages ?? ["/"]).some((one) => typeof one === "string" && takes(`x${one}`, "x", url.pathname)),
    );
    if (variants) ok("page", `${url.pathname}: ${variants}`);
    else if (applies)
      warning(
        "page",
        `${url.pathname} came without Sortition-Variants`,
        `sortition explain ${settings.document} --url ${url} says why`,
      );
    else ok("page", `${url.pathname}: no experiment applies`);
  } catch (error) {
    failure("page", `${url}: ${error.cause?.message ?? error.message}`, "does the origin answer?");
  }
}

async function results(under, admin, document, health) {
  const list = await ask(under("experiments.json"), { headers: admin });
  if (list.answer.status !== 200)
    return failure(
      "results",
      `they answer ${list.answer.status}`,
      "ADMIN_TOKEN must be the worker's: npx wrangler secret put ADMIN_TOKEN",
    );
  ok("results", `${under("experiments")}`);
  const missed = selectors(health).filter(({ hits }) => hits === 0);
  for (const { experiment, select } of missed)
    warning("selectors", `${experiment}: ${select} was met on no page`, "does the page still have it?");
  for (const { id, status, metrics } of document?.experiments ?? []) {
    if (status !== "running" || !metrics) continue;
    const { answer, text } = await ask(under(`experiments/${id}.json`), { headers: admin });
    if (answer.status !== 200) continue;
    const names = [
      metrics.primary,
      ...(metrics.secondary ?? []),
      ...(metrics.guardrails ?? []).map(({ metric }) => metric),
    ];
    for (const name of new Set(names.filter(Boolean))) {
      const event = document.metrics?.[name]?.event;
      if (!event) continue;
      const arrived = arriving(JSON.parse(text), name);
      if (arrived === undefined) continue;
      if (arrived) ok("conversions", `${id}: ${event} arrives for ${name}`);
      else
        warning(
          "conversions",
          `${id}: no ${event} has arrived for ${name}`,
          `does the shop report it? sortition.trackConversion(${JSON.stringify(event)})`,
        );
    }
  }
}

/** What `/health` says of the steps of one isolate: which selector was met how often. */
function selectors({ rewrites }) {
  const shown = Array.isArray(rewrites) ? rewrites.filter(({ pages }) => pages > 0) : [];
  return shown.flatMap(({ variant, steps }) =>
    steps.map(({ select, hits }) => ({ experiment: variant, select, hits })),
  );
}

/** Whether outcomes of a metric arrive: some variant has a mean above zero. Undefined where nobody was met yet. */
function arriving(result, name) {
  const means = (result.metrics ?? []).find(({ id }) => id === name)?.means?.filter(Number.isFinite) ?? [];
  return means.length ? means.some((mean) => mean !== 0) : undefined;
}
