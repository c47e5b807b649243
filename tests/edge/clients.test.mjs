// The helpers for the origin, each in its own language: the same program asks all of them the same, and reports to the
// built worker through a road that fails at first.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { at, installed, output, run } from "../../scripts/setup.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const SECRET = "ingest-größe";
const LANGUAGES = {
  javascript: [process.execPath, at("clients/test/probe.mjs")],
  python: ["python3", at("clients/test/probe.py")],
  php: ["php", at("clients/test/probe.php")],
  ruby: ["ruby", at("clients/test/probe.rb")],
  go: ["go", "run", "./internal/probe"],
};

/** Headers, and what each of them says; a field that is no dictionary says nothing. */
const HEADERS = [
  ["hero=bold, price=control", { hero: "bold", price: "control" }],
  ["", {}],
  ['*2026-hero="2nd"', { "2026-hero": "2nd" }],
  ['hero="a \\"b\\" \\\\c"', { hero: 'a "b" \\c' }],
  ['hero=bold;w=1;q="x, y" ,\t price=control;a', { hero: "bold", price: "control" }],
  ["  hero=bold  ", { hero: "bold" }],
  ["hero=bold,", {}],
  ["hero", {}],
  ["Hero=bold", {}],
  ["hero=bold price=control", {}],
  ['hero="open', {}],
  ["hero=größe", {}],
  ["hero=", {}],
  [",hero=bold", {}],
  ["hero=a, hero=b", { hero: "b" }],
];

const hmac = (text) => createHmac("sha256", SECRET).update(text).digest("hex");

/** Runs a client's program. */
function ask(language, question) {
  const [program, ...args] = LANGUAGES[language];
  const child = spawn(program, args, {
    cwd: at("clients", "go"),
    env: { ...process.env, GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local" },
  });
  let [text, problems] = ["", ""];
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  child.stderr.on("data", (chunk) => {
    problems += chunk;
  });
  child.stdin.end(
    JSON.stringify({
      url: "http://127.0.0.1:9/",
      secret: SECRET,
      token: "api-token",
      tries: 3,
      headers: HEADERS.map(([header]) => header),
      exposed: ["hero", "2026-hero", "hero"],
      body: '{"events":[]} größe',
      seconds: 1_700_000_000,
      ids: ["visitor-0001", "user.1"],
      ...question,
    }),
  );
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(text));
      else reject(new Error(`${language}: ${problems}`));
    });
  });
}

let origin;
let harness;
let road;
/** What the road answers before it lets something through, and what came. */
const traffic = { first: [], came: [] };
before(async () => {
  origin = await startOrigin();
  const document = documentOf([experiment()]);
  const change = ({ vars }) => {
    vars.INGEST_SECRET = SECRET;
  };
  harness = await startHarness({ origin: origin.url, document, change });
  road = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", async () => {
      const body = Buffer.concat(parts);
      traffic.came.push({ path: request.url, headers: request.headers, body: body.toString() });
      const next = traffic.first.shift();
      if (next === "cut") return request.socket.destroy();
      if (next) return response.writeHead(next.status, next.headers ?? {}).end(next.body ?? "");
      const { host, connection, ...headers } = request.headers;
      const answer = await fetch(new URL(request.url, harness.url), { method: request.method, headers, body });
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" });
      response.end(Buffer.from(await answer.arrayBuffer()));
    });
  });
  await new Promise((resolve) => road.listen(0, "127.0.0.1", resolve));
});
after(async () => {
  road?.close();
  await harness?.close();
  await origin?.close();
});

for (const language of Object.keys(LANGUAGES)) {
  const missing = output("sh", ["-c", `command -v ${LANGUAGES[language][0]}`]) === undefined;
  const options = { skip: missing && `${LANGUAGES[language][0]} is not installed` };

  test(`${language} reads decisions, and signs as the worker checks`, options, async () => {
    const answer = await ask(language, {});
    const sorted = (pairs) => (language === "go" ? [...pairs].sort(([a], [b]) => (a < b ? -1 : 1)) : pairs);
    for (const [index, [header, expected]] of HEADERS.entries()) {
      assert.deepEqual(answer.variants[index], sorted(Object.entries(expected)), header);
    }
    assert.equal(answer.expose, 'hero, "2026-hero"');
    assert.equal(answer.sign, `t=1700000000,v1=${hmac('1700000000.{"events":[]} größe')}`);
    assert.equal(answer.proof, hmac("visitor-0001.user.1"));
    assert.equal(answer.signed_user, `user.1.${hmac("user.user.1")}`);
  });

  test(`${language} reports conversions until they are taken, each once`, options, async () => {
    const url = `http://127.0.0.1:${road.address().port}/p/1`;
    traffic.came = [];
    traffic.first = ["cut", { status: 503 }, { status: 429, headers: { "retry-after": "1" } }];
    const event = {
      anonymous_id: "visitor-0001",
      conversion_event: "purchase",
      value: 19.99,
      currency: "EUR",
      transaction_id: `order-${language}`,
    };
    const { report } = await ask(language, { url, tries: 5, events: [event] });
    assert.deepEqual(report, { value: null });
    assert.deepEqual([...new Set(traffic.came.map(({ path }) => path))], ["/_sortition/conversions"]);
    assert.equal(
      new Set(traffic.came.map(({ body }) => JSON.parse(body).events[0].id)).size,
      1,
      "one id for all tries",
    );
    const sql = "SELECT value_minor, currency FROM conversions WHERE transaction_id = ?";
    await harness.row(sql, `order-${language}`);
    assert.equal((await harness.rows(sql, `order-${language}`)).length, 1);

    const refused = await ask(language, { url, secret: "another", events: [event] });
    assert.match(refused.report.error, /sortition answers 401/);
    traffic.first = [{ status: 503 }, { status: 503 }];
    traffic.came = [];
    const gone = await ask(language, { url, tries: 2, events: [event] });
    assert.match(gone.report.error, /sortition answers 503/);
    assert.equal(traffic.came.length, 2);
    const nowhere = await ask(language, { url: "http://127.0.0.1:9/", tries: 2, events: [event] });
    assert.ok(nowhere.report.error);
  });

  test(`${language} asks for decisions`, options, async () => {
    const url = `http://127.0.0.1:${road.address().port}/`;
    const answered = {
      decisions: [{ experiment: "hero", iteration: 1, variant: "bold", reason: "split" }],
      revision: "r1",
    };
    traffic.came = [];
    traffic.first = [{ status: 502 }, { status: 200, body: JSON.stringify(answered) }];
    const question = { units: { visitor: "visitor-0001" }, names: ["hero"], expose: false };
    const { choose } = await ask(language, { url, question });
    assert.deepEqual(choose, { value: answered });
    const [{ path, headers, body }] = traffic.came;
    assert.deepEqual(
      [path, headers.authorization, JSON.parse(body)],
      ["/_sortition/choose", "Bearer api-token", question],
    );
  });
}

test("the JavaScript helper is at most 3 KB", () => {
  const script = readFileSync(at("clients/javascript/index.js"));
  assert.ok(gzipSync(script, { level: 9 }).length <= 3000);
  run(
    installed("esbuild"),
    [at("clients/javascript/index.js"), "--minify", "--format=esm", "--outfile=/dev/null", "--log-level=error"],
    { stdio: "ignore" },
  );
});

test("every helper has the version of the project and a name of its own", () => {
  const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
  const read = (name) => readFileSync(at("clients", name), "utf8");
  assert.equal(JSON.parse(read("javascript/package.json")).version, version);
  assert.match(read("python/pyproject.toml"), new RegExp(`^version = "${version}"$`, "m"));
  assert.match(read("ruby/sortition-origin.gemspec"), new RegExp(`spec\\.version = "${version}"`));
  assert.equal(JSON.parse(read("php/composer.json")).name, "sortition/origin");
  assert.match(read("go/go.mod"), /^module github\.com\/sortition\/sortition\/clients\/go$/m);
});
