// The project's benchmarks: CPU time of workerd per request, ours beside the floor and a hand-written worker.
//
//   npm run bench                      every row; a table, and target/bench.json
//   npm run bench -- --rows rewrite    rows whose name contains this
//   npm run bench -- --before build    what a change costs: beside an earlier build of ours, of a folder
//   npm run bench -- --latency         latency at a constant rate, beside the rows
//   npm run bench -- --warm 3          so many seconds of load before each measurement: isolates that serve for a while
//   npm run bench -- native            the parts, natively (cargo bench)
//   npm run bench -- cost              a day of a shop, counted as Cloudflare bills it
//   npm run bench -- archive           a readout of 10 million exposures in DuckDB; --exposures N, --raw, --all
//
// docs/performance.md says what is measured and why so.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at, installed, packages, root, run, systemProgram, target } from "./setup.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "9" },
    processes: { type: "string", default: "3" },
    seconds: { type: "string", default: "1" },
    rows: { type: "string", default: "" },
    built: { type: "string" },
    before: { type: "string" },
    starts: { type: "string", default: "7" },
    latency: { type: "boolean", default: false },
    warm: { type: "string", default: "0" },
    visitors: { type: "string", default: "2000" },
    exposures: { type: "string", default: "10000000" },
    raw: { type: "boolean", default: false },
    all: { type: "boolean", default: false },
  },
});

if (positionals.includes("native")) {
  run("cargo", ["bench", "--benches"]);
  process.exit(0);
}
if (positionals.includes("archive")) {
  packages();
  run("cargo", ["build", "--release", "--quiet", "--bin", "sortition"]);
  const { archive } = await import("../bench/archive.mjs");
  console.log((await archive({ exposed: Number(options.exposures), raw: options.raw, all: options.all })).text);
  process.exit(0);
}
if (process.platform !== "linux") {
  console.error(
    "The benchmark reads CPU times from /proc: it runs on Linux. `npm run bench -- native` runs everywhere.",
  );
  process.exit(1);
}
packages();
// why: two SDKs that others evaluate flags with are measured beside ours, and are tested there already
packages(at("tests", "takeover"));
if (Number(process.versions.node.split(".")[0]) < 22) {
  // why: the machine's Node may be older than the one of the project's packages
  run(installed("node"), [at("scripts/bench.mjs"), ...process.argv.slice(2)]);
  process.exit(0);
}
const { build } = await import("./build.mjs");
const { configureAll, load, starts, surround } = await import("../bench/run.mjs");
const { deployed } = await import("../bench/workerd.mjs");
const { latencies, latencyText } = await import("../bench/latency.mjs");
const { loadTable, startTable } = await import("../bench/table.mjs");
const { throughput } = await import("../bench/consumer.mjs");

const built = options.built ?? build();
if (positionals.includes("cost")) {
  const { cost } = await import("../bench/cost.mjs");
  const { text, data } = await cost({ visitors: Number(options.visitors) });
  writeFileSync(join(target, "cost.json"), `${JSON.stringify(data, null, 2)}\n`);
  console.log(text);
  process.exit(0);
}
const program = systemProgram(["wrk"], "wrk");
const seconds = Math.min(4, Number(options.seconds));
const warm = Math.min(10, Number(options.warm));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
const surroundings = await surround(join(target, "bindings"), built);
try {
  const compatibility = deployed(join(root, "wrangler.toml"));
  const { before } = options;
  const folder = join(target, "bench");
  const configs = configureAll({ built, before, folder, ports: surroundings.ports, compatibility });
  const only = (name) => name.includes(options.rows);
  const [rounds, processes] = [Number(options.rounds), Number(options.processes)];
  const measured = await load({ configs, surroundings, program, rounds, processes, seconds, warm, only });
  const table = loadTable(measured);
  console.log(table.text);
  const started =
    Number(options.starts) > 0 ? startTable(await starts({ configs, rounds: Number(options.starts) })) : undefined;
  if (started) console.log(started.text);
  const latency = options.latency ? await latencies({ configs, program, only }) : undefined;
  if (latency) console.log(latencyText(latency));
  const consumer = only("consumer") ? await throughput({ seconds: 2 * seconds }) : undefined;
  if (consumer) console.log(`\n${consumer.text}`);
  mkdirSync(at("target"), { recursive: true });
  const result = {
    at: new Date().toISOString(),
    rounds,
    processes,
    seconds,
    warm,
    rows: table.data,
    starts: started?.data,
    latency,
    consumer: consumer?.data,
  };
  writeFileSync(at("target", "bench.json"), `${JSON.stringify(result, null, 2)}\n`);
} finally {
  surroundings.stop();
}
