// The examples of docs/integrations.md are programs: each is read by its language, and run as the origin behind the built
// worker, with as much of its framework around it as it uses. The frameworks themselves are not installed.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { at, installed, output } from "../../scripts/setup.mjs";
import { moduleOf, RUN } from "./frameworks/javascript.mjs";
import { documentOf, experiment, startWorld } from "./world.mjs";

const page = readFileSync(at("docs/integrations.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "sortition-integrations-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const READERS = {
  js: (file) => [installed("esbuild"), [file, "--log-level=error", "--format=esm", `--outfile=${file}.out.js`]],
  python: (file) => ["python3", ["-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", file]],
  php: (file) => ["php", ["-l", file]],
  ruby: (file) => ["ruby", ["-c", file]],
};

const examples = [...page.matchAll(/^## (.*)$|^```(\w+)\n([\s\S]*?)^```$/gm)].reduce(
  ({ list, heading }, [, title, language, text]) =>
    title ? { list, heading: title } : { list: [...list, { heading, language, text }], heading },
  { list: [], heading: "" },
).list;

test("every framework that is promised has an example", () => {
  const headings = new Set(examples.map(({ heading }) => heading));
  for (const name of ["Next.js", "Remix and Hydrogen", "Nuxt", "Astro", "Laravel", "Symfony", "Rails", "Django"]) {
    assert.ok(headings.has(name), name);
  }
});

for (const [number, { heading, language, text }] of examples.entries()) {
  const file = join(folder, `example-${number}.${language}`);
  const [program, args] = READERS[language](file);
  const missing = !program.includes("/") && output("sh", ["-c", `command -v ${program}`]) === undefined;
  test(`${heading}, example ${number}, is ${language}`, { skip: missing && `${program} is not installed` }, () => {
    writeFileSync(file, text);
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
    assert.equal(status, 0, `${stdout}${stderr}\n${text}`);
  });
}

const SECRET = "ingest-secret";
const runs = (program) => output("sh", ["-c", `command -v ${program}`]) !== undefined;
const textsOf = (name) => examples.filter(({ heading }) => heading === name).map(({ text }) => text);
const here = (name) => at("tests/edge/frameworks", name);

/** The examples of a framework as files. */
const filesOf = (name, extension) =>
  textsOf(name).map((text, number) => {
    const file = join(folder, `${name.toLowerCase()}-${number}.${extension}`);
    writeFileSync(file, text);
    return file;
  });

/** A program around the examples in another language, by framework. */
const PROGRAMS = {
  Laravel: () => ["php", here("laravel.php"), at("clients/php/src"), ...filesOf("Laravel", "php")],
  Symfony: () => ["php", here("symfony.php"), at("clients/php/src"), ...filesOf("Symfony", "php")],
  Rails: () => ["ruby", here("rails.rb"), at("clients/ruby/lib"), ...filesOf("Rails", "rb")],
  Django: () => ["python3", here("django.py"), at("clients/python"), ...filesOf("Django", "py")],
};

/** Asks such a program. */
function ask(name, asked) {
  const [program, ...args] = PROGRAMS[name]();
  const { status, stdout, stderr } = spawnSync(program, args, { input: JSON.stringify(asked), encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return JSON.parse(stdout);
}

/** The same without this process standing still: it is the worker's origin meanwhile. */
async function askAside(name, asked) {
  const [program, ...args] = PROGRAMS[name]();
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  let [text, problems] = ["", ""];
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  child.stderr.on("data", (chunk) => {
    problems += chunk;
  });
  child.stdin.end(JSON.stringify(asked));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, problems);
  return JSON.parse(text);
}

describe("behind the worker", () => {
  const hero = experiment({
    expose: "origin",
    variants: [
      { id: "control", weight: 1 },
      { id: "bold", weight: 1 },
    ],
  });
  let world;
  before(async () => {
    world = await startWorld({ document: documentOf([hero]), vars: { INGEST_SECRET: SECRET } });
    await world.ask("/warm");
  });
  after(() => world?.close());

  for (const name of [...Object.keys(RUN), ...Object.keys(PROGRAMS)]) {
    const program = PROGRAMS[name]?.()[0] ?? "node";
    test(`${name} renders the visitor's variant, and what it rendered is exposed`, {
      skip: !runs(program) && `${program} is not installed`,
    }, async () => {
      const modules =
        RUN[name] &&
        (await Promise.all(textsOf(name).map((text, n) => moduleOf(folder, `${name.replace(/\W/g, "")}${n}`, text))));
      const rendered = new Set();
      world.origin.on("/", async (request, response) => {
        const headers = new Headers(Object.entries(request.headers));
        const { variants, expose } = modules
          ? await RUN[name](modules, new Request("https://shop.example/", { headers }))
          : ask(name, { headers: Object.fromEntries(headers) });
        rendered.add(variants.hero);
        response.setHeader("content-type", "text/html");
        if (expose) response.setHeader("sortition-expose", expose);
        response.end(`<h1>${variants.hero}</h1>`);
      });
      await world.forget();
      for (let n = 0; rendered.size < 2 && n < 20; n++) {
        const answer = await world.ask("/", { cookie: `sortition_id=visitor-of-${name.replace(/\W/g, "-")}-${n}` });
        const [, variant] = /hero=(\w+)/.exec(answer.headers["sortition-variants"]);
        assert.equal(answer.text, `<h1>${variant}</h1>`);
      }
      assert.deepEqual([...rendered].sort(), ["bold", "control"]);
      const told = (await world.sent()).flatMap(({ events }) => events);
      // why: Nuxt's example reads and does not say what was rendered
      if (name === "Nuxt") assert.deepEqual(told, []);
      else assert.deepEqual([...new Set(told.map(({ variant }) => variant))].sort(), ["bold", "control"]);
    });
  }

  for (const name of ["Laravel", "Rails"]) {
    const program = PROGRAMS[name]()[0];
    test(`${name} reports an order`, { skip: !runs(program) && `${program} is not installed` }, async () => {
      await world.forget();
      const url = world.url.origin;
      const config = { "app.url": url, "services.sortition.secret": SECRET };
      await askAside(name, { url, secret: SECRET, config, order: ["visitor-who-buys", `order-of-${name}`, "19.99"] });
      const [event] = (await world.sent()).flatMap(({ events }) => events);
      assert.deepEqual(
        [event.type, event.anonymous_id, event.transaction_id],
        ["experiment_converted", "visitor-who-buys", `order-of-${name}`],
      );
    });
  }
});
