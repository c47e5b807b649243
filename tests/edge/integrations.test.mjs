// The examples of docs/integrations.md are programs: each is read by its language. And every client that the page names has
// what it says.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { at, installed, output } from "../../scripts/setup.mjs";

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
