// Writes the lists of fixtures/crawlers anew from the npm packages they come from.
//
//   node scripts/refresh-crawlers.mjs
//
// To take newer lists, raise the versions here and in fixtures/crawlers/README.md, run this, then the tests: the build
// script refuses a pattern that it cannot express, and the tests name every agent that is no longer told right.
// The packages are installed under target/ and are no dependencies of the project.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// isbot 2.2.0 is the last of its releases that carries the agents it was tested with.
const PACKAGES = {
  "crawler-user-agents": "1.60.0",
  isbot: "2.2.0",
  "top-user-agents": "2.1.138",
  "user-agents": "2.1.198",
};

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const work = join(root, "target", "refresh-crawlers");
const out = join(root, "fixtures", "crawlers");

mkdirSync(work, { recursive: true });
writeFileSync(join(work, "package.json"), JSON.stringify({ private: true, dependencies: PACKAGES }));
execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: work, stdio: "inherit" });

const read = (path) => readFileSync(join(work, "node_modules", path), "utf8");
const lines = (path) =>
  read(path)
    .split("\n")
    .map((line) => line.trim());

/** One entry a line, each once, in the order of the source, so that a newer version reads as a small diff. */
function write(name, entries) {
  const unique = [...new Set(entries)].filter(Boolean);
  const odd = unique.filter((entry) => /[\r\n]/.test(entry) || entry.startsWith("# "));
  if (odd.length > 0) throw new Error(`${name}: cannot be written one a line: ${odd.join(" | ")}`);
  writeFileSync(join(out, name), unique.join("\n") + "\n");
  console.log(`${String(unique.length).padStart(6)}  ${name}`);
}

const known = JSON.parse(read("crawler-user-agents/crawler-user-agents.json"));
write(
  "patterns.txt",
  known.map((entry) => entry.pattern),
);
write(
  "agents-crawler-user-agents.txt",
  known.flatMap((entry) => entry.instances),
);
write("agents-isbot.txt", lines("isbot/crawlers.txt"));
write("browsers-isbot.txt", lines("isbot/browsers.txt"));
write("browsers-top-user-agents.txt", JSON.parse(read("top-user-agents/src/index.json")));

// The package's 10,000 visits have about a thousand different agents: each with its device and the number of its visits.
const visits = new Map();
for (const { deviceCategory, userAgent } of JSON.parse(read("user-agents/dist/user-agents.json"))) {
  const key = `${deviceCategory}\t${userAgent}`;
  visits.set(key, (visits.get(key) ?? 0) + 1);
}
write(
  "browsers-user-agents.tsv",
  [...visits].map(([key, count]) => `${count}\t${key}`),
);
