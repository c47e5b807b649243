// Latency at a constant rate: requests leave by the clock whether or not those before them were answered, and a request's
// time counts from when it should have left, so that a server that stalls cannot hide it (Gil Tene's "coordinated
// omission"). The rate is half of what the slowest worker of a row bears; all of them get the same.

import { Agent, request } from "node:http";
import { cookiesOf, get, saturation } from "./load.mjs";
import { rows } from "./rows.mjs";
import { start } from "./workerd.mjs";

const WARM_UP = 300;
const SECONDS = 3;
const SLICES = 3;

/** Rows whose latency is measured: what waits for nothing of ours, what is rewritten, what is shared. */
const MEASURED = [
  "nothing applies, page",
  "header only, first visit",
  "rewrite, first visit",
  "rewrite, returning visitor",
  "rewrite from a shared copy, first visit",
];

/** One request; resolves to when its first and its last byte came, in milliseconds after `due`. */
function timed({ port, path, headers, agent, due }) {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, path, headers, agent }, (response) => {
      const first = performance.now() - due;
      response.resume();
      response.on("error", reject);
      response.on("end", () => resolve({ first, last: performance.now() - due }));
    });
    call.on("error", reject);
    call.end();
  });
}

async function atRate(rate, seconds, target) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const began = performance.now();
  const under = [];
  for (let sent = 0; sent < rate * seconds; ) {
    const now = performance.now();
    for (; sent < rate * seconds && began + (sent * 1000) / rate <= now; sent++) {
      under.push(timed({ ...target, agent, due: began + (sent * 1000) / rate }));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const all = await Promise.all(under);
  agent.destroy();
  return all;
}

function quantile(list, share) {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** By row and worker p50 and p99 of first and last byte, in milliseconds, and the rate. */
export async function latencies({ configs, program, only = () => true }) {
  const measured = [];
  for (const row of rows.filter(({ name }) => MEASURED.includes(name) && only(name))) {
    const workers = row.workers.filter((worker) => !/ours-10*$/.test(worker));
    if (!workers.includes("floor")) workers.unshift("floor");
    const servers = {};
    const times = Object.fromEntries(workers.map((worker) => [worker, []]));
    try {
      for (const worker of workers) servers[worker] = await start(configs[worker]);
      const targets = {};
      const rates = [];
      for (const worker of workers) {
        const { port } = servers[worker];
        const headers = { ...row.headers };
        if (row.returning && worker !== "floor") headers.cookie = cookiesOf(await get(port, row.path, headers));
        targets[worker] = { port, path: row.path, headers };
        for (let sent = 0; sent < WARM_UP; sent += 8) {
          await Promise.all(Array.from({ length: 8 }, () => get(port, row.path, headers)));
        }
        rates.push(await saturation(program, port, row.path, headers));
      }
      const rate = Math.floor(Math.min(...rates) / 2);
      // why: in slices by turns, so that a change of the machine's mood meets all of them
      for (let slice = 0; slice < SLICES; slice++) {
        for (const worker of workers) times[worker].push(...(await atRate(rate, SECONDS, targets[worker])));
      }
      measured.push({ row: row.name, rate, workers: summary(times) });
    } finally {
      await Promise.all(Object.values(servers).map((server) => server.stop()));
    }
  }
  return measured;
}

const summary = (times) =>
  Object.fromEntries(
    Object.entries(times).map(([worker, list]) => {
      const of = (what, share) =>
        quantile(
          list.map((one) => one[what]),
          share,
        );
      const value = { first: [of("first", 0.5), of("first", 0.99)], last: [of("last", 0.5), of("last", 0.99)] };
      return [worker, { requests: list.length, ...value }];
    }),
  );

/** The added time of each worker over the floor, for people. */
export function latencyText(measured) {
  const lines = [];
  for (const { row, rate, workers } of measured) {
    const floor = workers.floor;
    lines.push(
      `${row}, ${rate} requests a second (floor: first byte ${shown(floor.first)}, last ${shown(floor.last)} ms)`,
    );
    for (const [worker, { first, last }] of Object.entries(workers)) {
      if (worker === "floor") continue;
      const added = (mine, its) => mine.map((value, at) => value - its[at]);
      lines.push(
        `  ${worker}: first byte +${shown(added(first, floor.first))}, last +${shown(added(last, floor.last))} ms`,
      );
    }
  }
  return `\nlatency, p50 / p99\n${lines.join("\n")}\n`;
}

const shown = ([p50, p99]) => `${p50.toFixed(2)} / ${p99.toFixed(2)}`;
