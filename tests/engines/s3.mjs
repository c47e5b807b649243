// A readout over S3's interface: the archive in a server that speaks it (s3rver), read by DuckDB's httpfs, and the same
// numbers as from a folder. httpfs comes from PyPI, which has it for the versions of DuckDB up to 1.5.5; so this DuckDB is not
// the project's but the one before it. All of it lies in the user's cache.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { at, run } from "../../scripts/setup.mjs";

const DUCKDB = "1.5.5";
const BUCKET = "sortition-archive";
const KEYS = { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" };

/** What is needed, in a folder of the cache. */
function fetched(venv) {
  const home = join(venv, "s3");
  if (!existsSync(join(home, "node_modules/s3rver"))) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "package.json"), "{}");
    run("npm", ["install", "--silent", "--prefix", home, `@duckdb/node-api@${DUCKDB}-r.1`, "s3rver@3.7.1"]);
  }
  const folder = join(home, ".duckdb/extensions", `v${DUCKDB}`, "linux_amd64");
  const extension = join(folder, "httpfs.duckdb_extension");
  if (!existsSync(extension)) {
    const python = join(venv, "bin/python");
    run(python, ["-m", "pip", "install", "--quiet", "--no-deps", `duckdb-extension-httpfs==${DUCKDB}`]);
    const script = "import duckdb_extension_httpfs as it; print(it.__path__[0])";
    const place = spawnSync(python, ["-c", script], { encoding: "utf8" }).stdout.trim();
    mkdirSync(folder, { recursive: true });
    cpSync(join(place, "extensions", `v${DUCKDB}`, "httpfs.duckdb_extension"), extension);
  }
  return home;
}

const files = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));

/** Runs a day's archive through it; how many readouts were equal. */
export async function overS3(venv, { folder, events, document, questions }) {
  const home = fetched(venv);
  const S3rver = createRequire(join(home, "x.js"))("s3rver");
  const archive = join(folder, "archive");
  // the events by the days that they came on; an object of a day that is compacted, one that came later, and days as they lie
  const days = Map.groupBy(events, (line) => JSON.parse(line).at.slice(0, 10));
  const names = [...days.keys()].sort();
  const write = (key, lines) => {
    mkdirSync(dirname(join(archive, key)), { recursive: true });
    writeFileSync(join(archive, key), lines.map((line) => `${line}\n`).join(""));
  };
  const compacted = names.slice(0, Math.ceil(names.length / 2));
  for (const [number, day] of names.entries()) {
    write(`events/dt=${day}/hour=10/a.ndjson`, days.get(day));
    write(`messages/dt=${day}/hour=10/a.ndjson`, [JSON.stringify({ source: "isolate-1", seq: number })]);
  }
  const binary = at("target/debug/sortition");
  const until = names[compacted.length] ?? "2099-01-01";
  run(binary, ["events", "compact", "--in", archive, "--until", until, "--remove"]);
  write(`events/dt=${names[0]}/hour=23/late.ndjson`, days.get(names[0]).slice(0, 20));

  const options = { port: 0, address: "127.0.0.1", silent: true, directory: join(folder, "s3"), vhostBuckets: false };
  const server = new S3rver({ ...options, allowMismatchedSignatures: true, configureBuckets: [{ name: BUCKET }] });
  const { port } = await server.run();
  const url = `http://127.0.0.1:${port}`;
  /** The tool in the folder whose DuckDB has httpfs; not synchronously, since the server is this process. */
  const tool = (place, keys = KEYS) =>
    new Promise((resolve) => {
      const path = `${at("node_modules/.bin")}:${process.env.PATH}`;
      const env = { ...process.env, ...keys, AWS_REGION: "us-east-1", AWS_ENDPOINT_URL: url, HOME: home, PATH: path };
      const values = ["readout", document, "--from", `duckdb:${place}`, "--at", questions.now, "--json"];
      const child = spawn(binary, values, { cwd: home, env });
      const said = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"])
        child[name].on("data", (chunk) => {
          said[name] += chunk;
        });
      child.once("close", (status) => resolve({ status, ...said }));
    });
  try {
    for (const key of files(archive)) {
      const headers = { Authorization: `AWS ${KEYS.AWS_ACCESS_KEY_ID}:unchecked`, Date: new Date().toUTCString() };
      const put = { method: "PUT", body: readFileSync(join(archive, key)), headers };
      // why: `=` stands in the names of days
      const answer = await fetch(`${url}/${BUCKET}/${key.split("/").map(encodeURIComponent).join("/")}`, put);
      assert.ok(answer.ok, `${key}: ${answer.status} ${await answer.text()}`);
    }
    const [local, remote] = [await tool(archive), await tool(`s3://${BUCKET}`)];
    assert.equal(local.status, 0, local.stderr);
    assert.equal(remote.status, 0, remote.stderr);
    const [wanted, told] = [local, remote].map(({ stdout }) =>
      JSON.parse(stdout.replaceAll(archive, `s3://${BUCKET}`)),
    );
    assert.ok(wanted.experiments.some(({ units }) => units > 0));
    assert.deepEqual(told, wanted);
    const without = await tool(`s3://${BUCKET}`, { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" });
    assert.equal(without.status, 1);
    assert.match(without.stderr, /s3:\/\/ needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/);
    const nowhere = await tool("s3://no-such-bucket");
    assert.notEqual(nowhere.status, 0);
    assert.match(nowhere.stderr, /no-such-bucket/);
    return wanted.experiments.length;
  } finally {
    await server.close();
    rmSync(archive, { recursive: true, force: true });
  }
}
