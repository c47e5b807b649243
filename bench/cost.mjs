// A day of a shop through the built worker and its consumer, on wrangler's local platform, counted as Cloudflare bills it;
// and what that comes to by the price list.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { at, target } from "../scripts/setup.mjs";
import { documentOf } from "../tests/edge/documents.mjs";
import { startHarness } from "../tests/edge/harness.mjs";
import { startOrigin } from "../tests/edge/origin.mjs";

const PRICES = JSON.parse(readFileSync(new URL("../src/cli/sizing/prices.json", import.meta.url), "utf8"));
const BROWSER =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

/** The pages that a visitor looks at, one after the other. */
const WAY = ["/", "/c/tents", "/p/4711", "/", "/cart"];
const half = (change) => [
  { id: "control", weight: 50 },
  { id: "treatment", weight: 50, ...change },
];
const text = (value) => ({ rewrite: [{ select: "h1", do: "set_text", value }] });
const on = (id, page, rest = {}) => ({ id, status: "running", pages: [page], variants: half(text(id)), ...rest });
/** Five experiments, of which a visitor of the whole way meets all. */
const EXPERIMENTS = [
  on("hero", "/"),
  on("lead", "/", { variants: half({ rewrite: [{ select: "#lead", do: "set_text", value: "Made to be mended." }] }) }),
  on("list", "/c/*"),
  on("product", "/p/*"),
  on("cart", "/cart"),
];

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

function ask(url, path, { cookie, method = "GET", body } = {}) {
  return new Promise((resolve, reject) => {
    const headers = { "user-agent": BROWSER, accept: "text/html,*/*;q=0.8", "sec-fetch-dest": "document" };
    if (cookie) headers.cookie = cookie;
    if (body) headers["content-length"] = Buffer.byteLength(body);
    const request = http.request(new URL(path, url), { method, headers, agent }, (response) => {
      response.resume();
      response.on("end", () => resolve(response));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** One visitor's way through the shop; every 33rd buys. */
async function visit(url, number) {
  const jar = new Map();
  const take = (response) => {
    for (const line of response.headers["set-cookie"] ?? []) {
      const [pair] = line.split(";");
      jar.set(pair.slice(0, pair.indexOf("=")), pair);
    }
  };
  const cookie = () => [...jar.values()].join("; ");
  for (const path of WAY) {
    const response = await ask(url, path, { cookie: cookie() });
    if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`);
    take(response);
  }
  if (number % 33 !== 0) return;
  const bought = { type: "experiment_converted", conversion_event: "purchase", value: 49.9, currency: "EUR" };
  const body = JSON.stringify({ events: [bought] });
  const response = await ask(url, "/_sortition/events", { cookie: cookie(), method: "POST", body });
  if (response.statusCode >= 300) throw new Error(`a purchase: ${response.statusCode}`);
}

/** The CPU time of the workerd that this process started, in milliseconds. Its stand-ins for KV, queue, D1 and R2 run there, too. */
function cpuMilliseconds() {
  const HERTZ = 100;
  let ticks = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [name, rest] = [
        stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")),
        stat.slice(stat.lastIndexOf(")")),
      ];
      const fields = rest.split(" ");
      if (name === "workerd" && Number(fields[2]) === process.pid) ticks += Number(fields[12]) + Number(fields[13]);
    } catch {
      // why: it has ended meanwhile
    }
  }
  return (ticks * 1000) / HERTZ;
}

/** The built worker with its counting around it, in a folder of its own. */
function countedWorker() {
  const folder = mkdtempSync(join(target, "cost-"));
  cpSync(at("build"), folder, { recursive: true });
  cpSync(at("bench", "counted.mjs"), join(folder, "counted.js"));
  return folder;
}

/** Counts a day of `visitors`, with or without a record. `wait`: for how many seconds the consumer waits for a batch. */
async function day({ visitors, record, wait }) {
  const origin = await startOrigin();
  const folder = countedWorker();
  const platform = await startHarness({
    origin: origin.url,
    document: documentOf(EXPERIMENTS),
    change(config) {
      config.main = join(folder, "counted.js");
      config.vars.CONFIG_TTL_SECONDS = "30";
      // why: as it is deployed
      for (const consumer of config.queues.consumers) consumer.max_batch_timeout = wait;
      if (!record) delete config.d1_databases;
    },
  });
  try {
    const counted = async () => (await fetch(new URL("/counted", platform.url))).json();
    const [began, cpu] = [performance.now(), cpuMilliseconds()];
    let number = 0;
    const walk = async () => {
      while (number < visitors) await visit(platform.url, number++);
    };
    await Promise.all(Array.from({ length: 24 }, walk));
    const seconds = (performance.now() - began) / 1000;
    // the last batches: the consumer waits for them, and the queue may be behind
    for (let before; ; ) {
      await new Promise((resolve) => setTimeout(resolve, (wait + 3) * 1000));
      const now = JSON.stringify(await counted());
      if (now === before) break;
      before = now;
    }
    const counts = { ...(await counted()), cpu_ms: cpuMilliseconds() - cpu };
    return { seconds, views: visitors * WAY.length, exposures: visitors * EXPERIMENTS.length, counts };
  } finally {
    await platform.close();
    await origin.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const NAMES = {
  requests: "requests",
  cpu_ms: "CPU ms, at most",
  kv_reads: "KV reads",
  kv_writes: "KV writes",
  queue_operations: "queue operations",
  r2_class_a: "R2 writes (class A)",
  r2_class_b: "R2 reads (class B)",
  d1_rows_read: "D1 rows read",
  d1_rows_written: "D1 rows written",
  durable_object_requests: "Durable Object requests",
};

/** What a million page views take, and cost, by kind. */
function perMillion({ views, counts }) {
  return Object.entries(NAMES).map(([kind, name]) => {
    const count = (counts[kind] / views) * 1e6;
    return { kind, name, count, cost: (count / 1e6) * PRICES.per_million[kind] };
  });
}

const thousands = (number) => Math.round(number).toLocaleString("en-US");

/** Runs both days; a text for people, and the same as data. */
export async function cost({ visitors, wait = 5 }) {
  const days = {};
  for (const [name, record] of Object.entries({ with: true, without: false }))
    days[name] = await day({ visitors, record, wait });
  const tables = { with: perMillion(days.with), without: perMillion(days.without) };
  const lines = ["| of a million page views | | USD | without D1 | USD |", "|---|---:|---:|---:|---:|"];
  for (const [at, { name, count, cost }] of tables.with.entries()) {
    const other = tables.without[at];
    lines.push(
      `| ${name} | ${thousands(count)} | ${cost.toFixed(2)} | ${thousands(other.count)} | ${other.cost.toFixed(2)} |`,
    );
  }
  const sum = (table) => table.reduce((total, { cost }) => total + cost, 0).toFixed(2);
  lines.push(`| together | | ${sum(tables.with)} | | ${sum(tables.without)} |`);
  const { counts, views, seconds } = days.with;
  const bytes = (name) => thousands((counts[name] / views) * 1e6);
  lines.push(
    "",
    `${thousands(views)} page views of ${thousands(visitors)} visitors at ${(views / seconds).toFixed(0)} a second, ` +
      `${thousands(counts.messages)} messages, ${thousands(counts.invocations)} runs of the consumer. ` +
      `A million take ${bytes("r2_bytes")} bytes of R2; the database has ${thousands(counts.d1_bytes)} bytes.`,
  );
  return { data: { prices: PRICES.read_on, days, tables }, text: lines.join("\n") };
}
