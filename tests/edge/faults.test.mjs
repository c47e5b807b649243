// Faults, what the shopper got, and what told of it: the table of docs/failures.md, made by causing each of them.
//
// Each case says only how the fault comes about; what stands in the table is what was seen. `UPDATE_DOCS=1` writes it.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { target } from "../../scripts/setup.mjs";
import { documentOf, Jar, startWorld, treatment, until } from "./world.mjs";

const HELLO = [{ select: "h1", do: "set_text", value: "Hello" }];
const PAGE = `<!doctype html><html><body><h1>Welcome</h1>${"<p>filler</p>".repeat(3000)}</body></html>`;
const TREATED = PAGE.replace("Welcome", "Hello");
const HTML = ["Content-Type", "text/html; charset=utf-8", "Set-Cookie", "a=1", "Set-Cookie", "b=2"];
const HOUR = 3_600_000;
const GONE = "http://127.0.0.1:9";

const DOCUMENT = documentOf([
  treatment(HELLO),
  ...["refused", "failing", "hanging", "cut"].map((id) => ({
    ...treatment([], { id, pages: [`/${id}`] }),
    variants: [
      { id: "control", weight: 0 },
      {
        id: "bold",
        weight: 1,
        origin: id === "refused" ? { url: GONE } : { path_prefix: "/variant", timeout_ms: 300 },
      },
    ],
  })),
]);

/** An answer, or the error that came instead of one, in the words of the table. */
function shopperGot(answer) {
  if (answer instanceof Error) {
    const { received } = answer;
    assert.ok(received?.length > 0 && PAGE.replace("Welcome", "").length > received.length, String(answer));
    const text = received.toString();
    assert.ok(PAGE.startsWith(text) || TREATED.startsWith(text), "what arrived is the page's");
    return "the page so far, then a broken connection, so that nobody takes it for whole";
  }
  if (answer.status === 502 && answer.text.startsWith("Bad gateway")) return "a short page that says so (502)";
  assert.ok(
    answer.setCookies.includes("a=1") && answer.setCookies.includes("b=2"),
    `the origin's cookies are there: ${answer.setCookies}`,
  );
  const what = { [PAGE]: "the origin's page", [TREATED]: "the variant's page" }[answer.text];
  assert.ok(what, `a page that is neither: ${answer.text.slice(0, 200)}`);
  return answer.status === 200 ? what : `${what}, with its status ${answer.status}`;
}

const get = (world, path = "/", options = {}) => world.ask(path, options).catch((error) => error);

/** What the origin does with a page. */
const answers = {
  whole: (_request, response) => response.writeHead(200, HTML).end(PAGE),
  error: (_request, response) => response.writeHead(500, HTML).end(PAGE),
  late: (_request, response) => setTimeout(() => response.writeHead(200, HTML).end(PAGE), 1500),
  never: () => {},
  reset: (_request, response) => response.destroy(),
  half(_request, response) {
    response.writeHead(200, HTML);
    response.write(PAGE.slice(0, 20_000), () => setTimeout(() => response.destroy(), 100));
  },
};

/**
 * Fault → how it comes about. `cause` returns the answers that shoppers got, or nothing for an ordinary page view after
 * it; `signs` what tells of it, by a name and whether it did.
 */
const FAULTS = {
  "KV is not bound": { options: { without: ["CONFIG"] }, signs: [health("degraded", /CONFIG/)] },
  "KV throws, from an isolate's first request on": {
    cause: (world) => fail(world, "kv", "fail"),
    signs: [health("degraded", /KV did not give/), log(/KV did not give/, "the reason")],
  },
  "KV does not answer, from an isolate's first request on": {
    cause: (world) => fail(world, "kv", "hang"),
    signs: [health("degraded", /KV did not answer/)],
  },
  "KV throws later": {
    async cause(world) {
      await world.ask("/");
      fail(world, "kv", "fail");
      await world.settled((health) => health.config_error);
    },
    signs: [health("degraded", /KV did not give/), log(/KV did not give/, "the reason")],
  },
  "KV does not answer, and the document is older than a minute": {
    async cause(world) {
      await world.ask("/");
      fail(world, "kv", "hang");
      await world.turnClock(90_000);
      await world.ask("/");
    },
    signs: [["`/health`: `config_age_seconds`", async (world) => (await world.health()).config_age_seconds > 60]],
  },
  "the document does not check": {
    async cause(world) {
      await world.ask("/");
      world.setKey("config", { ...DOCUMENT, experiments: [{ id: "x", variants: [] }] });
      await world.settled((health) => health.config_error);
    },
    signs: [health("degraded", /experiments\[0\]/), log(/the document is refused/, "the place")],
  },
  "the origin answers 500": { cause: (world) => world.origin.on("/", answers.error), signs: [exposed(0)] },
  "the origin is slow": { cause: (world) => world.origin.on("/", answers.late), signs: [exposed(1)] },
  "the origin closes the connection without an answer": {
    cause: (world) => world.origin.on("/", answers.reset),
    signs: [log(/the origin did not answer/, "the reason")],
  },
  "the origin does not listen": {
    options: { vars: { ORIGIN_URL: GONE } },
    signs: [log(/the origin did not answer/, "the reason")],
  },
  "the origin breaks off in the middle of a page": { cause: (world) => world.origin.on("/", answers.half), signs: [] },
  "the rewriter gives up in the middle of a page (text elements inside `<select>`, ten thousands of open elements)": {
    cause(world) {
      const trap = PAGE.replace("</body>", "<select><xmp></xmp></select></body>");
      world.origin.on("/", (_request, response) => response.writeHead(200, HTML).end(trap));
    },
    signs: [log(/Parser error/, "the runtime's reason")],
  },
  "a variant origin does not listen": {
    cause: (world) => [get(world, "/refused")],
    signs: [fallbacks(), exposedAsFallback()],
  },
  "a variant origin answers 500": {
    async cause(world) {
      world.origin.on("/variant/failing", answers.error);
      return [get(world, "/failing")];
    },
    signs: [fallbacks(), exposedAsFallback()],
  },
  "a variant origin does not answer in its time": {
    async cause(world) {
      world.origin.on("/variant/hanging", answers.never);
      return [get(world, "/hanging")];
    },
    signs: [fallbacks(), exposedAsFallback()],
  },
  "a variant origin breaks off in the middle of a page": {
    async cause(world) {
      world.origin.on("/variant/cut", answers.half);
      return [get(world, "/cut")];
    },
    signs: [],
  },
  "the queue refuses for an hour, then works again": {
    async cause(world) {
      fail(world, "queue", "fail");
      const during = [];
      for (let view = 0; view < 6; view++) {
        during.push(await get(world));
        await world.turnClock(((view + 1) * HOUR) / 6);
      }
      await until(() => world.spilled().length === 6, "six visits under spill/");
      await world.schedule();
      assert.equal(world.spilled().length, 6, "the queue still refuses, and they still wait");
      fail(world, "queue", "ok");
      await world.schedule();
      return during;
    },
    signs: [
      ["every message waits in R2 under `spill/`", (world) => /it waits in spill\//.test(world.log())],
      [
        // why: the way into the queue is at least once; what came twice the record counts once (exactly-once.test.mjs)
        "the schedule brings each back",
        (world) => {
          const ids = world.platform.messages.flatMap((message) => message.events.map((event) => event.id));
          // of what a try that failed may have brought after all, each comes once more at the most
          return ids.length <= 12 && new Set(ids).size === 6 && world.platform.objects.size === 0;
        },
      ],
    ],
  },
  "the queue does not answer": {
    cause: (world) => fail(world, "queue", "hang"),
    signs: [
      log(/it did not answer in/, "the reason"),
      [
        "after ten seconds the message waits in R2 under `spill/`",
        (world) => [...world.platform.objects.keys()].some((key) => key.startsWith("spill/")),
      ],
    ],
  },
  "the queue refuses, and R2 too": {
    async cause(world) {
      fail(world, "queue", "fail");
      fail(world, "r2", "fail");
    },
    signs: [log(/events, 1 lost/, "how many events were lost")],
  },
  "there is neither a queue nor R2": { options: { without: ["EVENTS", "ARCHIVE"] }, signs: [exposed(0)] },
  "R2 is down behind the queue": {
    cause: (world) => delivered(world, "r2"),
    signs: [["the messages are delivered again later", (world) => world.seen === "retry, then ack"]],
  },
  "D1 is down behind the queue": {
    cause: (world) => delivered(world, "d1"),
    signs: [["the messages are delivered again later", (world) => world.seen === "retry, then ack"]],
  },
  "the clock jumps a day ahead": { cause: (world) => jump(world, 24 * HOUR), signs: [killable()] },
  "the clock jumps an hour back": { cause: (world) => jump(world, -HOUR), signs: [killable()] },
  "the isolate is thrown away between two requests of a visitor": {
    options: { build: join(target, "worker-chaos") },
    async cause(world) {
      const jar = new Jar();
      jar.take(await world.ask("/"));
      await world.ask("/other?chaos=lane");
      const second = await get(world, "/", { cookie: jar.header });
      assert.deepEqual(
        second.setCookies.filter((cookie) => cookie.startsWith("sortition")),
        [],
        "the visitor stays who it is",
      );
      return [second];
    },
    signs: [
      [
        "exposed once",
        async (world) => {
          // why: exposures are counted by the wasm, which is a new one; messages by what is around it, which stays
          const { exposures, messages } = await world.health();
          return world.platform.taken === 1 && messages === 1 && exposures === 0;
        },
      ],
      log(/chaos was asked for/, "what ended it"),
    ],
  },
  ...Object.fromEntries(
    ["lane", "begin", "reply"].map((place) => [
      `a panic in the wasm, in ${{ lane: "choosing the way", begin: "deciding", reply: "finishing" }[place]}`,
      {
        options: { build: join(target, "worker-chaos") },
        async cause(world) {
          await world.ask("/");
          return [get(world, `/?chaos=${place}`)];
        },
        signs: [log(/chaos was asked for/, "what ended it"), ["the next request starts afresh", isAlive]],
      },
    ]),
  ),
  "a panic in the wasm, the other 200 requests that are under way": {
    options: { build: join(target, "worker-chaos") },
    async cause(world) {
      await world.ask("/");
      const held = [];
      world.origin.on("/", (request, response) => {
        if (request.url === "/") held.push(response);
        else answers.whole(request, response);
      });
      const views = Array.from({ length: 200 }, () => get(world));
      await until(
        () => held.length === 200,
        () => `200 requests to be under way, not ${held.length}`,
      );
      await Promise.all(["lane", "begin", "reply"].map((place) => world.ask(`/?chaos=${place}`)));
      for (const response of held) response.writeHead(200, HTML).end(PAGE);
      world.origin.on("/", answers.whole);
      return views;
    },
    signs: [["the next request starts afresh", isAlive]],
  },
};

function fail(world, service, how) {
  world.platform.behaviour[service] = how;
}

function health(status, error) {
  const isSo = async (world) => {
    const { status: said, config_error: why } = await world.health();
    return said === status && (error === undefined || error.test(why));
  };
  return [`\`/health\`: \`${status}\`${error ? ", with the reason" : ""}`, isSo];
}

function log(pattern, what) {
  return [`the log: ${what}`, (world) => pattern.test(world.log())];
}

/** How many exposures there are for the page views of the case; for tables in words. */
function exposed(count) {
  const words = { 0: "nothing is exposed", 1: "exposed once" };
  const isSo = async (world) => {
    await world.sent();
    const exposures = world.platform.messages.flatMap((message) => message.events);
    assert.equal(exposures.length, count);
    return true;
  };
  return [words[count], isSo];
}

/** Whoever a failed variant origin met is exposed as assigned, and marked. */
function exposedAsFallback() {
  const isSo = async (world) => {
    await world.sent();
    const exposures = world.platform.messages.flatMap((message) => message.events);
    assert.deepEqual(
      exposures.map(({ fallback }) => fallback),
      [true],
    );
    return true;
  };
  return ["exposed once, marked `fallback`", isSo];
}

function fallbacks() {
  return ["`/health`: `fallbacks`", async (world) => (await world.health()).fallbacks === 1];
}

async function isAlive(world) {
  await world.settled((health) => health.status === "ok");
  return shopperGot(await get(world)) === "the variant's page";
}

/** A message to the consumer while a service is down, and again when it is back. */
async function delivered(world, service) {
  await world.ask("/");
  await until(async () => (await world.sent()).length > 0, "the message");
  const [message] = world.platform.bodies;
  fail(world, service, "fail");
  const view = await get(world);
  const [first] = await world.deliver([message]);
  fail(world, service, "ok");
  const [second] = await world.deliver([message]);
  world.seen = `${first}, then ${second}`;
  return [view];
}

async function jump(world, milliseconds) {
  await world.ask("/");
  await world.turnClock(milliseconds);
}

/** Whatever the clock did, a kill is seen at once. */
function killable() {
  return [
    "a kill is still seen in time",
    async (world) => {
      world.setKey("kill", { all: true });
      await world.settled((health) => health.killed.length > 0);
      return shopperGot(await get(world)) === "the origin's page";
    },
  ];
}

const rows = [];

describe("faults", { concurrency: 2 }, () => {
  for (const [fault, { options = {}, cause = () => {}, signs }] of Object.entries(FAULTS)) {
    test(fault, async (t) => {
      const world = await startWorld({ document: DOCUMENT, probed: true, ...options });
      t.after(() => world.close());
      world.origin.on("*", answers.whole);
      const views = await Promise.all((await cause(world)) ?? [get(world)]);
      const got = new Set(views.map(shopperGot));
      const told = [];
      for (const [sign, isSeen] of signs) {
        await until(() => isSeen(world), sign, 30_000);
        told.push(sign);
      }
      rows.push([fault, [...got].sort().join(", or "), told.join("; ")]);
    });
  }
});

const START = "<!-- table: faults, made by tests/edge/faults.test.mjs -->\n";
const END = "<!-- end of table -->\n";

test("docs/failures.md says what was seen", () => {
  const file = new URL("../../docs/failures.md", import.meta.url);
  const text = readFileSync(file, "utf8");
  const order = Object.keys(FAULTS);
  rows.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  assert.equal(rows.length, order.length, "every fault was tried");
  const lines = [["fault", "what the shopper gets", "what you see"], ["---", "---", "---"], ...rows];
  const table = lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
  const [before, rest] = text.split(START);
  const [, after] = rest.split(END);
  const updated = before + START + table + END + after;
  if (process.env.UPDATE_DOCS) writeFileSync(file, updated);
  assert.equal(updated, process.env.UPDATE_DOCS ? updated : text, "run this with UPDATE_DOCS=1 and look at the change");
});
