// A large archive, made by SQL, and what a readout of one of its experiments takes in DuckDB: compacted, or as the consumer
// writes it. Beside it a query by hand for the same numbers without our rules.

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { at, target } from "../scripts/setup.mjs";
import { documentOf } from "../tests/edge/documents.mjs";

const DAYS = 14;
const FIRST = "2026-10-01";
const NOW = "2026-10-29T00:00:00Z";
const EXPERIMENTS = 5;

const half = [
  { id: "control", weight: 50 },
  { id: "bold", weight: 50 },
];
const measured = (number) => ({
  id: `test-${number}`,
  status: "running",
  pages: ["/"],
  variants: half,
  metrics: { primary: "revenue", secondary: ["buyers", "orders", "capped", "soon"] },
});
/** A document of so many experiments. */
const documentWith = (experiments) =>
  documentOf(
    Array.from({ length: experiments }, (_, number) => measured(number)),
    {
      metrics: {
        revenue: { event: "purchase", kind: "mean", cuped: { days: 14 } },
        buyers: { event: "purchase", kind: "proportion" },
        orders: { event: "purchase", kind: "count" },
        capped: { event: "purchase", kind: "mean", cap_percentile: 99 },
        soon: { event: "purchase", kind: "proportion", window_hours: 24 },
      },
    },
  );

// why: a multiplication spreads the numbers; what is added keeps the kinds of them apart
const hash = (text) => `md5(${text})`;
const visitor = (number) => {
  const digits = hash(`'v' || ${number}`);
  const piece = (from, length) => `substr(${digits}, ${from}, ${length})`;
  return `${piece(1, 8)} || '-' || ${piece(9, 4)} || '-' || ${piece(13, 4)} || '-' || ${piece(17, 4)} || '-' || ${piece(21, 12)}`;
};
const time = (day, second) =>
  `strftime(TIMESTAMP '${FIRST}' + INTERVAL ${day} DAY + INTERVAL (${second}) SECOND, '%Y-%m-%dT%H:%M:%S.000Z')`;

/** The exposures of a day: of every visitor of it one to each experiment, a quarter of them told twice, in a hundredth of all with another variant. */
function exposures(day, visitors) {
  const each = Math.ceil(visitors / DAYS);
  return `SELECT 'experiment_exposed' AS type, ${hash("x || ' ' || i")} AS id, 'acme-shop' AS project, 'r1' AS config_revision,
    ${time(day, "(i * 7919 + x) % 43200")} AS seen_at, ${visitor("i")} AS anonymous_id,
    CASE WHEN i % 20 = 0 THEN 'user-' || i END AS user_id, CAST(NULL AS VARCHAR) AS session_id, 'test-' || x AS experiment_id,
    CAST(1 AS INTEGER) AS iteration, CASE WHEN (i * 31 + x + CASE WHEN twice = 1 AND i % 25 = 0 THEN 1 ELSE 0 END) % 2 = 0 THEN 'control' ELSE 'bold' END AS variant,
    'visitor' AS unit, 'split' AS reason, ${time(day, "(i * 7919 + x) % 43200 + twice * 600")} AS exposed_at,
    CASE WHEN i % 3 = 0 THEN 'mobile' ELSE 'desktop' END AS device, ['DE', 'AT', 'CH', 'FR'][1 + i % 4] AS country,
    CAST(NULL AS VARCHAR) AS region, ['chrome', 'safari', 'firefox'][1 + i % 3] AS browser, CAST(NULL AS VARCHAR) AS referrer_host,
    CASE WHEN i % 5 = 0 THEN 'returning' ELSE 'new' END AS visitor_type, CASE WHEN i % 20 = 0 THEN 'true' ELSE 'false' END AS logged_in,
    CAST(NULL AS VARCHAR) AS fallback, CAST(NULL AS VARCHAR) AS versions
    FROM (SELECT range AS i FROM range(${day * each}, ${(day + 1) * each})) v CROSS JOIN (SELECT range AS x FROM range(${EXPERIMENTS})) e
    CROSS JOIN (SELECT range AS twice FROM range(2)) t WHERE twice = 0 OR i % 4 = 0`;
}

/** The outcomes of a day, of visitors of any day. */
function outcomes(day, visitors, count) {
  const each = Math.ceil(count / DAYS);
  const of = `(j * 2654435761) % ${visitors}`;
  return `SELECT 'experiment_converted' AS type, ${hash("'c' || j")} AS id, 'acme-shop' AS project, 'r1' AS config_revision,
    ${time(day, "43200 + j % 43200")} AS seen_at, ${visitor(of)} AS anonymous_id,
    CASE WHEN ${of} % 20 = 0 THEN 'user-' || ${of} END AS user_id, CAST(NULL AS VARCHAR) AS session_id, 'purchase' AS conversion_event,
    CAST(500 + (j * 48271) % 20000 AS BIGINT) AS value, 'EUR' AS currency, 'order-' || j AS transaction_id,
    CASE WHEN j % 50 = 0 AND j > 0 THEN 'order-' || (j - 1) END AS refund_of, ${time(day, "43200 + j % 43200")} AS converted_at,
    CASE WHEN j % 3 = 0 THEN 'page' ELSE 'server' END AS channel, CAST(NULL AS VARCHAR) AS properties
    FROM (SELECT range AS j FROM range(${day * each}, ${(day + 1) * each})) o`;
}

const name = (day) => new Date(Date.parse(`${FIRST}T00:00:00Z`) + day * 86_400_000).toISOString().slice(0, 10);

/** Lines as the consumer writes them. */
const line = `json_merge_patch(json_object('type', type, 'id', id, 'project', project, 'config_revision', config_revision, 'at', seen_at,
  'anonymous_id', anonymous_id, 'user_id', user_id), `;
const EXPOSED = `${line} json_object('experiment_id', experiment_id, 'iteration', iteration, 'variant', variant, 'reason', reason, 'exposed_at', exposed_at,
  'request', json_object('host', 'shop.example', 'path', '/', 'method', 'GET', 'device', device, 'country', country, 'browser', browser,
  'visitor_type', visitor_type, 'logged_in', logged_in = 'true')))`;
const CONVERTED = `${line} json_object('conversion_event', conversion_event, 'value', value / 100, 'currency', currency, 'transaction_id', transaction_id,
  'refund_of', refund_of, 'converted_at', converted_at, 'channel', channel))`;

/** Makes the archive; `raw`: as objects of lines. */
async function make(folder, { exposed, raw }) {
  rmSync(folder, { recursive: true, force: true });
  const scratch = join(folder, "scratch");
  mkdirSync(scratch, { recursive: true });
  const instance = await DuckDBInstance.create(":memory:");
  const database = await instance.connect();
  await database.run(
    `SET temp_directory = '${scratch}'; SET memory_limit = '6GB'; SET preserve_insertion_order = false`,
  );
  const visitors = Math.ceil(exposed / EXPERIMENTS / 1.25);
  const count = Math.ceil(exposed / 5);
  const days = {};
  for (let day = 0; day < DAYS; day++) {
    const dt = name(day);
    const parts = [];
    for (const [type, select, order, json] of [
      ["experiment_exposed", exposures(day, visitors), "experiment_id, exposed_at", EXPOSED],
      ["experiment_converted", outcomes(day, visitors, count), "conversion_event, converted_at", CONVERTED],
    ]) {
      const path = raw ? `events/dt=${dt}/hour=12/${type}.ndjson` : `tables/${type}/dt=${dt}/part-0-0.parquet`;
      mkdirSync(join(folder, path, ".."), { recursive: true });
      const to = `TO '${join(folder, path)}'`;
      await database.run(
        raw
          ? `COPY (SELECT ${json} AS line FROM (${select}) s) ${to} (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\\x01')`
          : `COPY (SELECT * FROM (${select}) s ORDER BY ${order}) ${to} (FORMAT parquet, COMPRESSION zstd, KV_METADATA {sortition_schema: '1'})`,
      );
      parts.push(path);
    }
    const sent = { source: "isolate-1", seq: day };
    mkdirSync(join(folder, `messages/dt=${dt}/hour=12`), { recursive: true });
    writeFileSync(join(folder, `messages/dt=${dt}/hour=12/a.ndjson`), `${JSON.stringify(sent)}\n`);
    days[dt] = { objects: [], parts, rows: 0, duplicates: 0, generation: 0 };
  }
  if (!raw) writeFileSync(join(folder, "tables/manifest.json"), JSON.stringify({ schema: 1, days }));
  database.closeSync();
  instance.closeSync();
  rmSync(scratch, { recursive: true, force: true });
}

/** What one would write without our rules: who met what, and what they bought. */
const BY_HAND = `WITH met AS (SELECT anonymous_id, min(variant) AS variant FROM exposed WHERE experiment_id = 'test-0' GROUP BY 1),
bought AS (SELECT anonymous_id, count(*) AS n, sum(value) AS y FROM converted WHERE conversion_event = 'purchase' GROUP BY 1)
SELECT variant, count(*), count(y), sum(y), sum(CAST(y AS HUGEINT) * y), sum(n) FROM met LEFT JOIN bought USING (anonymous_id) GROUP BY 1`;

async function byHand(folder) {
  const instance = await DuckDBInstance.create(":memory:");
  const database = await instance.connect();
  for (const [view, type] of [
    ["exposed", "experiment_exposed"],
    ["converted", "experiment_converted"],
  ])
    await database.run(`CREATE VIEW ${view} AS SELECT * FROM read_parquet('${folder}/tables/${type}/*/*.parquet')`);
  const began = performance.now();
  await database.runAndReadAll(BY_HAND);
  const seconds = (performance.now() - began) / 1000;
  database.closeSync();
  instance.closeSync();
  return seconds;
}

/** What DuckDB may have: most of a machine with 8 GB. */
const MEMORY = { SORTITION_DUCKDB_MEMORY: "6GB" };

/** Runs a command; its seconds, those of its processors, and the most memory that one of its processes had. */
function timed(command, args) {
  const script = `import resource, subprocess, sys, time
began = time.time()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
sys.stdout.buffer.write(done.stdout)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"\\n{time.time() - began:.1f} {used.ru_utime + used.ru_stime:.1f} {used.ru_maxrss / 2**20:.2f} {done.returncode}")`;
  const { stdout, stderr } = spawnSync("python3", ["-c", script, command, ...args], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: { ...process.env, ...MEMORY },
  });
  const [seconds, cpu, gigabytes, status] = stdout.trimEnd().split("\n").at(-1).split(" ").map(Number);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return { seconds, cpu, gigabytes, text: stdout.slice(0, stdout.trimEnd().lastIndexOf("\n")) };
}

/** Measures one archive of so many exposures; a line for people, and the same as data. */
export async function archive({ exposed, raw, all, binary }) {
  const folder = join(target, "tmp", "archive");
  try {
    const began = performance.now();
    await make(folder, { exposed, raw });
    const made = (performance.now() - began) / 1000;
    const document = join(folder, "experiments.json");
    writeFileSync(document, JSON.stringify(documentWith(all ? EXPERIMENTS : 1)));
    const asked = ["readout", document, "test-0", "--from", `duckdb:${folder}`, "--at", NOW, "--json"];
    const { seconds, cpu, gigabytes, text } = timed(binary ?? at("target/release/sortition"), asked);
    const { units, contaminated, gates } = JSON.parse(text);
    const hand = raw ? undefined : await byHand(folder);
    const beside = hand === undefined ? "" : `; by hand, without our rules, ${hand.toFixed(1)} s`;
    const record = gates.find(({ name }) => name === "record");
    return {
      data: { exposed, raw, made, seconds, cpu, gigabytes, hand, units, contaminated, record },
      text: `${exposed.toLocaleString("en-US")} exposures and ${Math.ceil(exposed / 5).toLocaleString("en-US")} outcomes ${raw ? "as objects of lines" : "compacted"} (made in ${made.toFixed(0)} s): a readout with 5 metrics in ${seconds.toFixed(1)} s (${cpu.toFixed(1)} s of its processors) and ${gigabytes.toFixed(1)} GB${beside}. ${units} units, ${contaminated} contaminated; ${record?.level}`,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
