// One measurement: prove the work, warm up, load, let it drain, read the CPU time, prove the work again.

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { cpuSeconds } from "./workerd.mjs";

const CONNECTIONS = 8;
// Enough for the optimising compiler of JavaScript, and not for that of wasm; counted in requests, since a busy machine is
// slow.
const WARM_UP = 300;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** One request as wrk sends it; with a body it is a POST. */
export function get(port, path, headers, body, agent = false) {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const call = request({ host: "127.0.0.1", port, path, headers, method, agent }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        let body = Buffer.concat(parts);
        const encoding = response.headers["content-encoding"];
        if (encoding === "gzip") body = gunzipSync(body);
        resolve({ status: response.statusCode, headers: response.headers, body: body.toString("latin1"), encoding });
      });
    });
    call.on("error", reject);
    call.end(body);
  });
}

/** The `Cookie` header of a browser that got this answer. */
export const cookiesOf = (answer) => (answer.headers["set-cookie"] ?? []).map((line) => line.split(";")[0]).join("; ");

const of = (value, worker) => (typeof value === "object" ? value[worker] : value);

/** Throws where an answer does not show the work. */
function prove(row, worker, answer) {
  const fail = (what) => {
    throw new Error(`${row.name}, ${worker}: ${what}\n${answer.status} ${JSON.stringify(answer.headers)}`);
  };
  const { shows } = row;
  if (answer.status !== (shows.status ?? 200)) fail(`status ${answer.status}`);
  if (shows.header && answer.headers[shows.header[0]] !== shows.header[1]) fail(`another ${shows.header[0]}`);
  if (shows.text && !answer.body.includes(shows.text)) fail(`${shows.text} is not in the page`);
  const headline = of(shows.headline, worker);
  if (headline !== undefined && !answer.body.includes(`<h1 id="headline">${headline}</h1>`)) fail("another headline");
  if (headline !== undefined && answer.body.length < 50_000) fail(`a page of ${answer.body.length} bytes`);
  if (shows.gzip && answer.encoding !== "gzip") fail(`content-encoding is ${answer.encoding}`);
  if (shows.cookies !== undefined && (answer.headers["set-cookie"] ?? []).length !== shows.cookies)
    fail("other cookies");
  const variant = of(shows.variant, worker);
  if (variant !== undefined) {
    const told = (answer.headers["sortition-variants"] ?? answer.headers["x-variant"]) !== undefined;
    if (told !== variant) fail(`the client is ${told ? "" : "not "}told the variant`);
    const isPrivate = /\bprivate\b/.test(answer.headers["cache-control"] ?? "");
    if (variant && !isPrivate) fail(`cache-control is ${answer.headers["cache-control"]}`);
  }
}

function wrk(program, port, path, headers, seconds, body) {
  const script = join(tmpdir(), `sortition-bench-${process.pid}.lua`);
  if (body !== undefined) writeFileSync(script, `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body)}\n`);
  const heads = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const args = [
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    "--timeout",
    "10s",
    ...(body === undefined ? [] : ["-s", script]),
    ...heads,
    `http://127.0.0.1:${port}${path}`,
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (data) => {
      text += data;
    });
    child.on("error", reject);
    child.on("exit", () => {
      const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
      if (!requests || /Non-2xx|Socket errors/.test(text)) reject(new Error(`wrk: ${text}`));
      else resolve(requests);
    });
  });
}

/** How many requests a second a worker bears. */
export async function saturation(program, port, path, headers) {
  const seconds = 2;
  return (await wrk(program, port, path, headers, seconds)) / seconds;
}

/** Waits until requests and messages under way have come to their end. */
async function drained(server, surroundings) {
  // why: an idle runtime still looks after its timers now and then
  const state = async () => `${cpuSeconds(server.pid).toFixed(2)} ${(await surroundings.messages()).messages}`;
  for (let before = await state(), tries = 0; tries < 50; tries++) {
    await pause(80);
    const after = await state();
    if (after === before) return;
    before = after;
  }
  throw new Error("the worker did not come to rest");
}

/** Requests one after another on one connection, `pace` milliseconds apart; resolves to how many. */
async function paced(port, { path, pace, body }, headers, seconds) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const requests = Math.ceil((seconds * 3000) / pace);
  const began = performance.now();
  for (let sent = 0; sent < requests; sent++) {
    await pause(Math.max(0, began + sent * pace - performance.now()));
    await get(port, path, headers, body, agent);
  }
  agent.destroy();
  return requests;
}

/** CPU microseconds per request of one worker in one row, after so many seconds of load that make it `warm`. */
export async function measure({ row, worker, server, surroundings, program, seconds, warm = 0 }) {
  const headers = { ...row.headers };
  const once = () => get(server.port, row.path, headers, row.body);
  if (row.returning) headers.cookie = cookiesOf(await once());
  // why: the first answers from a copy are not compressed yet where that is done behind them
  const settle = async () => {
    for (let n = 0; row.shows.settled && n < 5; n++) await once();
  };
  await settle();
  prove(row, worker, await once());
  for (let sent = 0; sent < WARM_UP; sent += CONNECTIONS) {
    await Promise.all(Array.from({ length: CONNECTIONS }, once));
  }
  if (warm > 0 && !row.pace) await wrk(program, server.port, row.path, headers, warm, row.body);
  await drained(server, surroundings);
  const [cpu, { messages, pages }] = [cpuSeconds(server.pid), await surroundings.messages()];
  const requests = row.pace
    ? await paced(server.port, row, headers, seconds)
    : await wrk(program, server.port, row.path, headers, seconds, row.body);
  await drained(server, surroundings);
  const spent = cpuSeconds(server.pid) - cpu;
  const afterwards = await surroundings.messages();
  const arrived = afterwards.messages - messages;
  const expected = of(row.shows.messages, worker) * requests;
  // why: what was in flight when wrk stopped is answered, and not counted by it
  if (arrived < expected || arrived > expected + (expected && CONNECTIONS)) {
    throw new Error(`${row.name}, ${worker}: ${arrived} messages arrived of ${expected}`);
  }
  // why: a copy lives for a minute, and then the shop is asked again
  if (row.shows.asks === 0 && afterwards.pages - pages > CONNECTIONS) {
    throw new Error(`${row.name}, ${worker}: the shop was asked ${afterwards.pages - pages} times`);
  }
  await settle();
  prove(row, worker, await once());
  return { micros: (spent * 1e6) / requests, requests };
}
