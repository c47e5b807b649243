// The rollback drill: as people run it, on a worker that it starts and ends itself; and against a stand-in for a worker
// that runs already, which may do wrong.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { stubbed, tool } from "./stubbed.mjs";

const DEMO = at("fixtures", "demo", "experiments.json");
const stub = stubbed();
after(stub.remove);

/** The order of what happened, and that the numbers go with it. */
function isSound(told) {
  const when = Object.fromEntries(told.timeline.map(({ what, at_ms }) => [what, at_ms]));
  const order = [
    ["load started", "first answer with the experiment", "kill entered", "kill pushed", "end of the kill entered"],
    ["kill entered", "first answer with the control", "end of the kill entered"],
    ["end of the kill entered", "end of the kill pushed", "load ended"],
    ["end of the kill entered", "first answer with the experiment again", "load ended"],
    ["first answer with the experiment", "last answer with the experiment", "end of the kill entered"],
  ];
  for (const list of order) {
    const times = list.map((what) => when[what]);
    assert.ok(times.every(Number.isFinite), JSON.stringify(told));
    const sorted = times.toSorted((a, b) => a - b);
    assert.deepEqual(times, sorted, list.join());
  }
  const [last, entered] = [when["last answer with the experiment"], when["kill entered"]];
  assert.ok(Math.abs(told.entered_to_control_ms - Math.max(0, last - entered)) <= 1, JSON.stringify(told));
  assert.ok(told.answers > 50);
}

test("on a worker of its own, of which nothing is left", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sortition-rehearse-"));
  try {
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn(tool, ["rehearse", DEMO, "badge", "--ttl", "1", "--json"], { cwd: at(), env });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) {
      child[name].on("data", (chunk) => {
        said[name] += chunk;
      });
    }
    const status = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(status, 0, said.stderr);
    const told = JSON.parse(said.stdout);
    isSound(told);
    assert.equal(told.failed, 0);
    assert.ok(told.visitors > 10 && told.visitors_with_the_same_variant === told.visitors, said.stdout);
    assert.match(told.url, /^http:\/\/127\.0\.0\.1:\d+\/p\/x$/);
    await assert.rejects(fetch(told.url), "the worker must be gone");
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith("sortition-")),
      [],
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Stands in for a worker that reads the stub's KV; `wrong` changes what it does while nothing is killed. */
async function startWorker(file, wrong = () => {}) {
  let kills = 0;
  let killed = false;
  const server = http.createServer((request, response) => {
    const id = request.headers.cookie.match(/sortition_id=([^;]+)/)[1];
    let kill;
    try {
      kill = JSON.parse(readFileSync(file, "utf8")).keys.kill;
    } catch {
      // why: the stub is just writing it
      kill = killed ? "{}" : undefined;
    }
    if (kill && !killed) kills++;
    killed = Boolean(kill);
    const answer = { status: 200, variant: id < "8" ? "control" : "bold" };
    wrong(answer, kills);
    response.writeHead(answer.status, killed ? {} : { "Sortition-Variants": `price=a, hero=${answer.variant}` });
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

async function rehearseOn(wrong) {
  const file = stub.kv({ config: readFileSync(DEMO, "utf8") });
  const worker = await startWorker(file, wrong);
  try {
    const ran = await stub.start(file, {}, "rehearse", DEMO, "hero", "--url", worker.url, "--json");
    return { ...ran, told: JSON.parse(ran.stdout), ...stub.state(file) };
  } finally {
    worker.close();
  }
}

describe("on a worker that runs already", { concurrency: 3 }, () => {
  test("which is left as it was found", async () => {
    const { status, told, keys, stderr } = await rehearseOn();
    assert.equal(status, 0, stderr);
    isSound(told);
    assert.deepEqual([keys.config, keys.kill], [readFileSync(DEMO, "utf8"), undefined]);
  });

  test("which gives visitors another variant afterwards", async () => {
    const { status, told, stderr } = await rehearseOn((answer, kills) => {
      if (kills > 0) answer.variant = "bold";
    });
    assert.deepEqual([status, told.ok], [1, false]);
    assert.match(stderr, /^error rehearsal: \d+ visitors came back with another variant/m);
  });

  test("which fails now and then", async () => {
    let requests = 0;
    const { status, told, stderr } = await rehearseOn((answer) => {
      if (++requests % 10 === 0) answer.status = 503;
    });
    assert.deepEqual([status, told.ok], [1, false]);
    assert.match(stderr, /^error rehearsal: \d+ of \d+ requests failed/m);
  });
});

test("what cannot be rehearsed is said at once", async () => {
  const variants = [
    { id: "a", weight: 1 },
    { id: "b", weight: 1 },
  ];
  const draft = join(stub.folder, "draft.json");
  writeFileSync(draft, JSON.stringify({ version: 1, project: "shop", experiments: [{ id: "hero", variants }] }));
  const cases = [
    [[DEMO, "hero", "--page", "/elsewhere"], 2, /`hero` is not on --page `\/elsewhere`/],
    [[DEMO, "hero", "--url", "https://shop.example/"], 2, /must be one on this machine/],
    [[DEMO, "hero", "--rate", "100000"], 2, /1\.\.=1000/],
    [[draft, "hero"], 2, /--assume-running/],
    [[DEMO, "hero"], 1, /run this in the project's folder, after `npm run build`/],
  ];
  for (const [args, code, message] of cases) {
    const { status, stderr, calls } = await stub.run({}, {}, "rehearse", ...args);
    assert.deepEqual([status, calls], [code, []], stderr);
    assert.match(stderr, message);
  }
});
