// Compaction that meets another one, or is killed in the middle: whatever happens, the manifest names files that are there,
// nothing of the archive is lost or counted twice, and the next run ends what was begun. In a folder, and in a bucket.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import { getPlatformProxy, unstable_readConfig as readConfig } from "wrangler";
import { at } from "../../scripts/setup.mjs";
import { random } from "./random.mjs";

const folder = mkdtempSync(join(tmpdir(), "sortition-compact-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const DAYS = Array.from({ length: 12 }, (_, day) => `2026-11-${String(day + 1).padStart(2, "0")}`);
const EACH = 40;
const identified = (day, n) => ({
  ...{ type: "identified", id: `${day}-${n}`, project: "acme-shop", config_revision: "r1", at: `${day}T10:00:00.000Z` },
  ...{ anonymous_id: `visitor-${day}-${n}`, user_id: `user-${day}-${n}` },
});
const text = (lines) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");
const of = (day, from) => text(Array.from({ length: EACH }, (_, n) => identified(day, from + n)));

/** An archive as objects: two hours of each day, which overlap by a half, and what was sent. */
const objects = () =>
  DAYS.flatMap((day, seq) => [
    [`events/dt=${day}/hour=10/a.ndjson`, of(day, 0)],
    [`events/dt=${day}/hour=11/b.ndjson`, of(day, EACH / 2)],
    [`messages/dt=${day}/hour=10/a.ndjson`, text([{ source: "isolate-1", seq }])],
  ]);
/** What comes after the first compaction of a day. */
const late = () => DAYS.map((day) => [`events/dt=${day}/hour=23/late.ndjson`, of(day, EACH)]);
const ids = (until) => DAYS.flatMap((day) => Array.from({ length: until }, (_, n) => `${day}-${n}`)).sort();

function write(place, all) {
  for (const [key, lines] of all) {
    mkdirSync(dirname(join(place, key)), { recursive: true });
    writeFileSync(join(place, key), lines);
  }
}

/** Starts the tool in a group of its own, so that its script ends with it. */
function start(...values) {
  const child = spawn(at("target/debug/sortition"), values, { cwd: at("."), detached: true });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"])
    child[name].on("data", (chunk) => {
      said[name] += chunk;
    });
  const ended = new Promise((resolve) => child.once("close", (status) => resolve({ status, ...said })));
  const signal = (name) => {
    try {
      process.kill(-child.pid, name);
    } catch {}
  };
  return { ended, signal };
}
const compact = (place, ...values) => start("events", "compact", "--in", place, "--json", ...values);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The ids of a folder's events as a reader has them: of the files that the manifest names, and the objects that it does not. */
async function held(place) {
  const path = join(place, "tables/manifest.json");
  const { days } = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { days: {} };
  const compacted = new Set(Object.values(days).flatMap(({ objects }) => objects));
  const parts = Object.values(days).flatMap(({ parts }) => parts);
  for (const part of parts) assert.ok(existsSync(join(place, part)), `the manifest names ${part}, which is not there`);
  const open = readdirSync(join(place, "events"), { recursive: true })
    .map((name) => `events/${name}`)
    .filter((name) => name.endsWith(".ndjson") && !compacted.has(name));
  const found = open.flatMap((name) =>
    readFileSync(join(place, name), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).id),
  );
  const tables = parts.filter((part) => part.startsWith("tables/identified/")).map((part) => `'${join(place, part)}'`);
  if (tables.length > 0) {
    const instance = await DuckDBInstance.create();
    const database = await instance.connect();
    const rows = await database.runAndReadAll(`SELECT id FROM read_parquet([${tables}], hive_partitioning = false)`);
    const compactedIds = rows.getRowsJson().flat();
    assert.equal(new Set(compactedIds).size, compactedIds.length, "no event is compacted twice");
    found.push(...compactedIds);
    database.closeSync();
    instance.closeSync();
  }
  return { ids: [...new Set(found)].sort(), days: Object.keys(days), open };
}

describe("in a folder", () => {
  const REFUSED = /another run is compacting .*: wait until it has ended/;

  // A run that wrote the manifest it had read at its start once took away the days that another had compacted meanwhile,
  // whose objects were gone.
  test("a run beside one that takes long is refused, and no day is lost", { timeout: 60_000 }, async () => {
    const place = join(folder, "long");
    write(place, objects());
    const long = compact(place, "--remove");
    // why: at once, while the manifest is not written yet
    while (!existsSync(join(place, `tables/identified/dt=${DAYS[0]}`))) await setImmediate();
    long.signal("SIGSTOP");
    const { status, stderr } = await compact(place, "--remove").ended;
    long.signal("SIGCONT");
    const ended = await long.ended;
    assert.equal(ended.status, 0, ended.stderr);
    assert.equal(status, 1);
    assert.match(stderr, REFUSED);
    const { ids: all, days, open } = await held(place);
    assert.deepEqual([all, days, open], [ids(EACH * 1.5), DAYS, []]);
  });

  test("of two runs at once one is refused, and no day is lost", { timeout: 300_000 }, async () => {
    const next = random(5);
    let refused = 0;
    for (let round = 0; round < 4; round++) {
      const place = join(folder, `two-${round}`);
      write(place, objects());
      // one that takes some of the days, and one that takes all: what the first one compacts, the second one must know of
      const [one, other] = [compact(place, "--remove", "--until", DAYS[8]), compact(place, "--remove")];
      for (const { status, stderr } of [await one.ended, await other.ended]) {
        if (status === 0) continue;
        refused++;
        assert.match(stderr, REFUSED);
      }
      assert.deepEqual((await held(place)).ids, ids(EACH * 1.5));
      // the same with days that are compacted anew, the second run a little later
      write(place, late());
      const again = compact(place, "--remove");
      await sleep(200 + 600 * next());
      const behind = compact(place, "--remove", "--until", DAYS[6]);
      await Promise.all([again.ended, behind.ended]);
      assert.deepEqual((await held(place)).ids, ids(EACH * 2));
      assert.equal((await compact(place, "--remove").ended).status, 0);
      const { ids: all, open } = await held(place);
      assert.deepEqual(all, ids(EACH * 2));
      assert.deepEqual(open, []);
    }
    assert.ok(refused > 0, "they met");
  });

  test("what is killed in the middle loses nothing, holds up nobody, and is ended by the next run", {
    timeout: 300_000,
  }, async () => {
    const place = join(folder, "killed");
    write(place, objects());
    // how long a run takes, on a copy
    cpSync(place, join(folder, "whole"), { recursive: true });
    const began = performance.now();
    assert.equal((await compact(join(folder, "whole"), "--remove").ended).status, 0);
    const whole = performance.now() - began;
    let interrupted = 0;
    const seen = new Set();
    for (let kill = 1; kill <= 10; kill++) {
      const before = (await held(place)).days.length;
      const run = compact(place, "--remove");
      await sleep(whole * (0.3 + kill / 15));
      run.signal("SIGKILL");
      if ((await run.ended).status === null) interrupted++;
      const { ids: all, days } = await held(place);
      assert.deepEqual(all, ids(EACH * (kill > 5 ? 2 : 1.5)));
      assert.ok(days.length >= before);
      seen.add(days.length);
      // what comes late has days compacted anew
      if (kill === 5) write(place, late());
    }
    assert.ok(interrupted >= 3, `${interrupted} were interrupted`);
    assert.equal((await compact(place, "--remove").ended).status, 0);
    const { ids: all, open, days } = await held(place);
    assert.deepEqual([all, open, days], [ids(EACH * 2), [], DAYS]);
    console.log(`${interrupted} of 10 runs were interrupted, with ${[...seen].join(", ")} days compacted`);
  });
});

describe("in a bucket", () => {
  const state = join(folder, "state");
  const inBucket = (...values) => start("events", "compact", "--local", "--persist-to", state, "--json", ...values);
  const { name, compatibility_date, r2_buckets } = readConfig({ config: at("wrangler.toml") }, { hideWarnings: true });
  const config = join(folder, "wrangler.json");
  writeFileSync(config, JSON.stringify({ name, compatibility_date, r2_buckets }));
  /** Does something with the bucket. */
  const bucket = async (doing) => {
    const proxy = await getPlatformProxy({ configPath: config, persist: { path: join(state, "v3") } });
    try {
      return await doing(proxy.env.ARCHIVE);
    } finally {
      await proxy.dispose();
    }
  };
  const put = (all) =>
    bucket(async (archive) => void (await Promise.all(all.map(([key, lines]) => archive.put(key, lines)))));
  /** What is in the bucket, in a folder. */
  const copied = async (name) => {
    const place = join(folder, name);
    mkdirSync(join(place, "events"), { recursive: true });
    await bucket(async (archive) => {
      const keys = [];
      let cursor;
      do {
        const page = await archive.list({ cursor });
        keys.push(...page.objects.map(({ key }) => key));
        cursor = page.truncated ? page.cursor : undefined;
      } while (cursor);
      for (const key of keys) {
        mkdirSync(dirname(join(place, key)), { recursive: true });
        writeFileSync(join(place, key), new Uint8Array(await (await archive.get(key)).arrayBuffer()));
      }
    });
    return place;
  };
  const heldInBucket = async (name) => held(await copied(name));
  const MEANWHILE = /tables\/manifest\.json: another run wrote it meanwhile/;

  test("two runs at once, killed ones, and late objects: nothing is lost or counted twice", {
    timeout: 300_000,
  }, async () => {
    await put(objects());
    const two = [inBucket("--remove"), inBucket("--remove")];
    // why: two processes on the files of one local bucket may also wait for each other for ever; that is a killed run, too
    const patience = setTimeout(() => two.map((run) => run.signal("SIGKILL")), 45_000);
    const both = await Promise.all(two.map(({ ended }) => ended));
    clearTimeout(patience);
    for (const { status, stderr } of both)
      if (status > 0) assert.match(stderr, /another run wrote it meanwhile|wrangler could not/);
    assert.deepEqual((await heldInBucket("after-two")).ids, ids(EACH * 1.5));
    const first = await inBucket("--remove").ended;
    assert.equal(first.status, 0, first.stderr);
    const whole = await heldInBucket("after-one");
    assert.deepEqual([whole.ids, whole.open, whole.days], [ids(EACH * 1.5), [], DAYS]);

    await put(late());
    for (const milliseconds of [1500, 2500]) {
      const run = inBucket("--remove");
      await sleep(milliseconds);
      run.signal("SIGKILL");
      await run.ended;
    }
    assert.deepEqual((await heldInBucket("after-killed")).ids, ids(EACH * 2));
    const last = await inBucket("--remove").ended;
    assert.equal(last.status, 0, last.stderr);
    const { ids: all, open, days } = await heldInBucket("at-last");
    assert.deepEqual([all, open, days], [ids(EACH * 2), [], DAYS]);
  });

  test("a manifest that was written meanwhile stays, and nothing of the day is removed", {
    timeout: 120_000,
  }, async () => {
    const day = "2026-11-20";
    await put([[`events/dt=${day}/hour=10/a.ndjson`, of(day, 0)]]);
    const theirs = await bucket(async (archive) => (await archive.get("tables/manifest.json")).text());
    let refused;
    // why: the local bucket of two processes is a database of both, and now and then busy; that is not what is looked for
    for (let attempt = 0; attempt < 5 && !MEANWHILE.test(refused?.stderr ?? ""); attempt++) {
      const run = inBucket("--remove");
      let ended = false;
      run.ended.then(() => {
        ended = true;
      });
      await bucket(async (archive) => {
        while (!ended) {
          await archive.put("tables/manifest.json", `${theirs}${" ".repeat(1 + Math.random() * 99)}`).catch(() => {});
          await sleep(50);
        }
      });
      refused = await run.ended;
      assert.equal(refused.status, 1);
    }
    assert.match(refused.stderr, MEANWHILE);
    await bucket(async (archive) => {
      assert.ok(await archive.head(`events/dt=${day}/hour=10/a.ndjson`));
      assert.deepEqual(
        (await archive.list({ prefix: `tables/identified/dt=${day}/` })).objects,
        [],
        "no file that nobody reads",
      );
    });
    assert.equal((await inBucket("--remove").ended).status, 0);
  });
});
