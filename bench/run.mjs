// All rows, interleaved: each round measures every worker in every row once, so that a change of the machine's mood meets
// all of them. Ratios are taken within a round.

import { fork } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { documents, workers } from "./documents.mjs";
import { get, measure } from "./load.mjs";
import { withPlans } from "./plans.mjs";
import { rows as all } from "./rows.mjs";
import { configure, cpuSeconds, start } from "./workerd.mjs";

/** Starts the shop, the stores and the queue. */
export async function surround(bindings, built) {
  const stores = await withPlans(documents, bindings, built);
  const child = fork(fileURLToPath(new URL("origin.mjs", import.meta.url)));
  const ask = (message) =>
    new Promise((resolve) => {
      child.once("message", resolve);
      child.send(message);
    });
  const ports = await ask({ ask: "start", documents: stores });
  return { ports, messages: () => ask({ ask: "messages", documents: {} }), stop: () => child.disconnect() };
}

/** A server per worker, as `configs` by name. */
export function configureAll({ built, before, folder, ports, compatibility, v8Flags }) {
  const configs = {};
  for (const [name, worker] of Object.entries(workers({ built, before }))) {
    configs[name] = configure(join(folder, name), { ...worker, ports, compatibility, v8Flags });
  }
  return configs;
}

/** What a change may cost of what it was before. */
const MOST_OF_BEFORE = 1.03;

/** A row in which an earlier build is measured too, where ours is. */
const besideBefore = (row) =>
  row.workers.includes("ours")
    ? { ...row, workers: [...row.workers, "before"], targets: [...row.targets, ["ours", "before", MOST_OF_BEFORE]] }
    : row;

/** Measures all rows; returns per row and worker the microseconds of every round. */
export async function load({ configs, surroundings, program, rounds, processes, seconds, warm, only = () => true }) {
  const wanted = all.filter((row) => only(row.name));
  const chosen = configs.before ? wanted.map(besideBefore) : wanted;
  const times = chosen.map((row) => Object.fromEntries(row.workers.map((worker) => [worker, []])));
  // why: where code and data of a process came to lie makes a difference of up to 5 %, in every round of that process
  const each = Math.ceil(rounds / processes);
  for (let first = 0; first < rounds; first += each) {
    const last = Math.min(rounds, first + each);
    await loadProcesses({ chosen, times, first, last, rounds, configs, surroundings, program, seconds, warm });
  }
  return chosen.map((row, index) => ({ row, times: times[index] }));
}

/** Rounds `first` to `last` on processes of their own. */
async function loadProcesses({ chosen, times, first, last, rounds, configs, surroundings, program, seconds, warm }) {
  const servers = {};
  try {
    for (const name of new Set(chosen.flatMap((row) => row.workers))) servers[name] = await start(configs[name]);
    for (let round = first; round < last; round++) {
      for (const [index, row] of chosen.entries()) {
        // why: who comes first may meet a colder machine
        const order = round % 2 ? row.workers.toReversed() : row.workers;
        for (const worker of order) {
          const server = servers[worker];
          const { micros } = await measure({ row, worker, server, surroundings, program, seconds, warm });
          times[index][worker].push(micros);
        }
      }
      console.error(`round ${round + 1} of ${rounds}`);
    }
  } finally {
    for (const [name, server] of Object.entries(servers)) {
      if (server.log().trim()) console.error(`${name} logged:\n${server.log()}`);
    }
    await Promise.all(Object.values(servers).map((server) => server.stop()));
  }
}

/** From process start to the first answered request: milliseconds on the clock and of CPU, every round. */
export async function starts({ configs, rounds }) {
  const names = ["floor", "handwritten", "ours", "ours-1000", "ours-10000", "ours-json", "ours-1000-json"];
  const times = Object.fromEntries(names.map((name) => [name, []]));
  const row = all.find(({ name }) => name === "rewrite, first visit");
  for (let round = 0; round < rounds; round++) {
    for (const [name, list] of Object.entries(times)) {
      const began = performance.now();
      const server = await start(configs[name]);
      try {
        const answer = await get(server.port, row.path, row.headers);
        const clock = performance.now() - began;
        const changed = answer.body.includes(row.shows.headline);
        if (answer.status !== 200 || changed !== (name !== "floor"))
          throw new Error(`${name}: the first answer is wrong`);
        list.push({ clock, cpu: cpuSeconds(server.pid) * 1000 });
      } finally {
        await server.stop();
      }
    }
  }
  return times;
}
