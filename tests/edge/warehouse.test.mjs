// The readout past one database: from the archive as it lies and as tables, from what an engine printed, published for a
// worker that has no database; and what is said where something is missing.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, before, describe, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { getPlatformProxy } from "wrangler";
import { at } from "../../scripts/setup.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { tool } from "./metrics.mjs";
import { startOrigin } from "./origin.mjs";

const NOW = "2026-11-24T00:00:00.000Z";
const folder = mkdtempSync(join(tmpdir(), "sortition-warehouse-"));
const archive = join(folder, "archive");
const document = join(folder, "experiments.json");
after(() => rmSync(folder, { recursive: true, force: true }));

const hex = (text) => createHash("md5").update(text).digest("hex");
const common = (type, id, visitor, time) => ({
  ...{ type, id: hex(id), project: "acme-shop", config_revision: "r1", at: time, anonymous_id: visitor, user_id: null },
});

/** Three days of a shop in which the treatment sells less; `n` visitors a variant and day. */
function shop(n) {
  const days = {};
  for (const day of ["2026-11-21", "2026-11-22", "2026-11-23"]) {
    const lines = [];
    for (const variant of ["control", "bold"])
      for (let i = 0; i < n; i++) {
        const visitor = `${day}-${variant}-${i}`;
        const time = `${day}T10:00:0${i % 10}.000Z`;
        const request = {
          host: "shop.example",
          path: "/",
          method: "GET",
          device: i % 3 ? "mobile" : "desktop",
          country: "DE",
        };
        const exposed = {
          experiment_id: "hero",
          iteration: 1,
          variant,
          reason: "split",
          exposed_at: time,
          request,
          versions: {},
        };
        lines.push({ ...common("experiment_exposed", `x${visitor}`, visitor, time), ...exposed });
        if (i % 20 === 0) lines.push(lines.at(-1));
        if (i % (variant === "control" ? 4 : 12)) continue;
        const order = {
          conversion_event: "purchase",
          value: 10 + (i % 7),
          currency: "EUR",
          transaction_id: `o-${visitor}`,
        };
        const bought = { ...order, converted_at: `${day}T11:00:00.000Z`, channel: "server", properties: {} };
        lines.push({ ...common("experiment_converted", `c${visitor}`, visitor, time), ...bought });
      }
    days[day] = lines;
  }
  return days;
}

function write(path, lines) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""));
}

before(() => {
  let seq = 0;
  for (const [day, lines] of Object.entries(shop(200))) {
    const half = Math.ceil(lines.length / 2);
    write(join(archive, `events/dt=${day}/hour=10/a.ndjson`), lines.slice(0, half));
    write(join(archive, `events/dt=${day}/hour=11/b.ndjson`), lines.slice(half - 10));
    const health = { project: "acme-shop", experiment_id: "hero", iteration: 1, variant: "bold", hour: `${day}T10` };
    const told = { ...health, requests: 200, errors: 1, latency: [200, 0, 0, 0, 0, 0, 0, 0] };
    const served = { crawlers: seq, visits: 400 * (seq + 1) };
    const visits = [
      { source: "isolate-1", seq: seq++, served, health: [told] },
      { source: "isolate-1", seq: seq++ },
    ];
    write(join(archive, `messages/dt=${day}/hour=10/a.ndjson`), [...visits, visits[0]]);
  }
  const measured = experiment({
    metrics: { primary: "buyers", secondary: ["revenue"], guardrails: [{ metric: "buyers", min_relative: -0.02 }] },
    rollback: { owner: "", when: "", on: ["guardrail"] },
  });
  const metrics = { buyers: { event: "purchase", kind: "proportion" }, revenue: { event: "purchase", kind: "mean" } };
  writeFileSync(document, JSON.stringify(documentOf([measured], { metrics })));
});

const readout = (...values) => tool("readout", document, ...values);
const from = (place, ...values) => {
  const told = readout("hero", "--from", `duckdb:${place}`, "--at", NOW, "--json", ...values);
  assert.equal(told.status, 0, told.stderr);
  return JSON.parse(told.stdout);
};
const gate = (results, name = "record") => results.gates.find((gate) => gate.name === name);
const copy = (name) => {
  const place = join(folder, name);
  cpSync(archive, place, { recursive: true });
  return place;
};

describe("from the archive", () => {
  test("the whole readout: data, page, summary, list", () => {
    const results = from(archive);
    assert.equal(results.units, 1200);
    assert.equal(results.computed_by, "DuckDB");
    assert.equal(gate(results).level, "green", gate(results).text);
    assert.deepEqual(
      results.metrics[0].variants.map(({ n, converted }) => [n, converted]),
      [
        [600, 150],
        [600, 51],
      ],
    );
    assert.match(gate(results, "loss").text, /6/, "the messages that were sent");
    assert.deepEqual([results.health[0].requests, results.health[0].errors], [600, 3]);
    const page = readout("hero", "--from", `duckdb:${archive}`, "--at", NOW, "--html", "-").stdout;
    assert.match(page, /^<!DOCTYPE html>[\s\S]*Computed by DuckDB on /);
    const lines = readout("hero", "--from", `duckdb:${archive}`, "--at", NOW).stdout;
    assert.match(lines, /hero.*iteration 1, 1,200 visitors, computed by DuckDB/);
    assert.match(lines, /bold +600 visitors +51 converted +8\.50 %/);
    assert.match(lines, /bold .*─●─.* −\d\d\.\d % \(−/);
    const list = JSON.parse(readout("--from", `duckdb:${archive}`, "--at", NOW, "--json").stdout);
    assert.deepEqual(
      list.experiments.map(({ id, units }) => [id, units]),
      [["hero", 1200]],
    );
  });

  test("of an order that is told twice, alike but for its properties, the one counts that the record keeps", () => {
    const paid = join(folder, "paid.json");
    const metrics = { paid: { event: "purchase", kind: "count", where: { state: "paid" } } };
    writeFileSync(paid, JSON.stringify(documentOf([experiment({ metrics: { primary: "paid" } })], { metrics })));
    const time = "2026-11-21T12:00:00.000Z";
    const order = { conversion_event: "purchase", transaction_id: "twice", converted_at: time, channel: "server" };
    const told = (state) => ({
      ...common("experiment_converted", "twice", "2026-11-21-control-1", time),
      ...order,
      properties: { state },
    });
    for (const states of [
      ["open", "paid"],
      ["paid", "open"],
    ]) {
      const place = copy(states.join("-"));
      write(join(place, "events/dt=2026-11-21/hour=12/c.ndjson"), states.map(told));
      const { stdout } = tool("readout", paid, "hero", "--from", `duckdb:${place}`, "--at", NOW, "--json");
      assert.equal(JSON.parse(stdout).metrics[0].variants[0].converted, 0, "the least, in whatever order they lie");
    }
  });

  test("a folder may be named from where one is", () => {
    assert.equal(from(relative(at("."), archive)).units, 1200);
  });

  test("an engine or a place that is none is named", () => {
    const nowhere = readout("hero", "--from", `duckdb:${folder}/nowhere`);
    assert.equal(nowhere.status, 1);
    assert.match(nowhere.stderr, /DuckDB cannot be asked: there is no .*nowhere\/events/);
    for (const kind of ["events", "messages"]) mkdirSync(join(folder, "empty", kind), { recursive: true });
    const empty = readout("hero", "--from", `duckdb:${join(folder, "empty")}`, "--json");
    assert.equal(empty.status, 1);
    assert.match(
      empty.stderr,
      /DuckDB cannot be asked: nothing is archived in .*empty: .*the worker has the binding ARCHIVE/,
    );
    assert.doesNotMatch(empty.stderr + empty.stdout, /Catalog|does not exist/);
    assert.equal(readout("hero", "--from", "abacus:here").status, 2);
    assert.equal(readout("hero", "--sql", "cobol").status, 2);
    // an empty page, and an exit status of 0, came of an address that nobody answers at
    const shut = readout("hero", "--from", "clickhouse:http://127.0.0.1:1/", "--at", NOW, "--json");
    assert.equal(shut.status, 1);
    assert.match(shut.stderr, /^error: ClickHouse cannot be asked: .*check the address/);
  });
});

describe("tables", () => {
  test("days become Parquet without duplicates, once; late objects come in; the same is read", () => {
    const place = copy("tables");
    const compact = (...values) => {
      const told = tool("events", "compact", "--in", place, "--json", ...values);
      assert.equal(told.status, 0, told.stderr);
      return JSON.parse(told.stdout).days;
    };
    const before = from(place);
    const days = compact("--until", "2026-11-23");
    assert.deepEqual(
      days.map(({ day, objects, duplicates }) => [day, objects, duplicates]),
      [
        ["2026-11-21", 3, 31],
        ["2026-11-22", 3, 31],
      ],
    );
    assert.deepEqual(from(place), before, "two days of tables, one of objects");
    assert.deepEqual(compact("--until", "2026-11-23"), []);
    const kept = readFileSync(join(place, "tables/manifest.json"), "utf8");
    // a run that was interrupted before its manifest leaves files that nobody reads
    rmSync(join(place, "tables/manifest.json"));
    assert.deepEqual(from(place), before);
    writeFileSync(join(place, "tables/manifest.json"), kept);
    // an object that came late, told twice; the objects go, since the tables have them
    const late = { ...common("experiment_exposed", "xlate", "late-visitor", "2026-11-21T23:00:00.000Z") };
    Object.assign(late, {
      experiment_id: "hero",
      iteration: 1,
      variant: "bold",
      exposed_at: "2026-11-21T23:00:00.000Z",
      request: {},
    });
    write(join(place, "events/dt=2026-11-21/hour=23/late.ndjson"), [late, late]);
    assert.equal(from(place).units, 1201);
    assert.deepEqual(
      compact("--remove").map(({ day, objects }) => [day, objects]),
      [
        ["2026-11-21", 1],
        ["2026-11-23", 3],
      ],
    );
    assert.equal(from(place).units, 1201);
    // what was compacted before, and left, goes with it
    assert.ok(!existsSync(join(place, "events/dt=2026-11-22/hour=10/a.ndjson")));
    const objects = readdirSync(join(place, "events"), { recursive: true }).filter((name) => name.endsWith(".ndjson"));
    assert.deepEqual(objects, [], "the tables have all of it");
    const manifest = JSON.parse(readFileSync(join(place, "tables/manifest.json"), "utf8"));
    assert.equal(manifest.schema, 1);
    assert.ok(manifest.days["2026-11-21"].parts.every((part) => /\/part-1-[0-9a-f]{8}\.parquet$/.test(part)));
  });

  test("a day that cannot be read whole stays as it lies", () => {
    const place = copy("torn");
    appendFileSync(join(place, "events/dt=2026-11-21/hour=10/a.ndjson"), '{"type": "experiment_exp');
    const told = tool("events", "compact", "--in", place);
    assert.equal(told.status, 1);
    assert.match(told.stderr, /a\.ndjson: 1 line cannot be read/);
    const manifest = JSON.parse(readFileSync(join(place, "tables/manifest.json"), "utf8"));
    assert.deepEqual(Object.keys(manifest.days), ["2026-11-22", "2026-11-23"]);
  });

  const SPOILT = {
    "events of a later version stay as they lie": [
      (place) =>
        appendFileSync(
          join(place, "events/dt=2026-11-21/hour=10/a.ndjson"),
          `{"type":"experiment_dreamt","at":"${NOW}"}\n{"at":"${NOW}"}\n`,
        ),
      /2026-11-21: 2 events are of a type or a time/,
    ],
    "the manifest of a later version is not written over": [
      (place) => write(join(place, "tables/manifest.json"), [{ schema: 2, days: { "2026-11-20": {} } }]),
      /manifest\.json is of schema 2/,
    ],
  };
  for (const [name, [spoil, said]] of Object.entries(SPOILT))
    test(name, () => {
      const place = copy(name.replaceAll(" ", "-"));
      spoil(place);
      const path = join(place, "tables/manifest.json");
      const before = existsSync(path) && readFileSync(path, "utf8");
      const told = tool("events", "compact", "--in", place, "--remove");
      assert.equal(told.status, 1);
      assert.match(told.stderr, said);
      assert.ok(existsSync(join(place, "events/dt=2026-11-21/hour=10/a.ndjson")));
      if (before) assert.equal(readFileSync(path, "utf8"), before);
    });
});

describe("what is missing is named, counted, and makes the record red", () => {
  const FAULTS = {
    "half a line": [
      (place) => appendFileSync(join(place, "events/dt=2026-11-21/hour=10/a.ndjson"), '{"type": "exper'),
      /a\.ndjson: 1 line cannot be read/,
    ],
    "half a letter, behind lines that are empty": [
      (place) => {
        const half = Buffer.from('\n\n{"type": "experiment_converted", "properties": {"note": "\u00fc').subarray(0, -1);
        appendFileSync(join(place, "events/dt=2026-11-21/hour=10/a.ndjson"), half);
      },
      /a\.ndjson: 1 line cannot be read/,
    ],
    "a file of something else": [
      (place) =>
        writeFileSync(join(place, "events/dt=2026-11-21/hour=10/b.ndjson"), Buffer.from(Array(600).fill(0xff))),
      /b\.ndjson: 1 line cannot be read/,
    ],
    "text for a number": [
      (place) =>
        appendFileSync(
          join(place, "events/dt=2026-11-21/hour=10/a.ndjson"),
          '{"type":"experiment_converted","value":"ten"}\n{"type":"experiment_exposed","iteration":{}}\n',
        ),
      /a\.ndjson: 2 lines cannot be read/,
    ],
    "an event of a later version": [
      (place) =>
        appendFileSync(
          join(place, "events/dt=2026-11-21/hour=10/a.ndjson"),
          `{"type":"experiment_dreamt","at":"${NOW}"}\n`,
        ),
      /1 event is of a type or a time that this version cannot read/,
    ],
    "a missing day": [
      (place) => rmSync(join(place, "events/dt=2026-11-22"), { recursive: true }),
      /no whole day of 2026-11-22\./,
    ],
    "no messages": [
      (place) => rmSync(join(place, "messages"), { recursive: true }),
      /^The archive has nothing under .*\/messages\/, so it cannot be told what was lost[^`]*$/,
    ],
    "tables of a later version": [
      (place) => write(join(place, "tables/manifest.json"), [{ schema: 2, days: {} }]),
      /manifest\.json is of schema 2/,
    ],
  };
  for (const [name, [spoil, said]] of Object.entries(FAULTS))
    test(name, () => {
      const place = copy(name.replaceAll(" ", "-"));
      spoil(place);
      const results = from(place);
      assert.equal(gate(results).level, "red");
      assert.match(gate(results).text, said);
      assert.equal(results.verdict.state, "untrusted");
      assert.ok(results.units >= 800, "what can be read is counted");
    });
});

describe("what an engine printed", () => {
  let printed;
  before(async () => {
    const told = JSON.parse(readout("hero", "--sql", "duckdb", "--at", NOW, "--json").stdout);
    const database = await (await DuckDBInstance.create()).connect();
    await database.run(`SET file_search_path = '${archive}'`);
    await database.run(/```sql duckdb\n([\s\S]*?)```/.exec(readFileSync(at("docs/warehouse.md"), "utf8"))[1]);
    printed = [];
    for (const { sql } of told.experiments[0].questions) {
      const rows = await database.runAndReadAll(sql);
      printed.push({ names: rows.columnNames(), rows: rows.getRowsJson() });
    }
    // what no table of events tells
    printed.push({ names: ["what", "c01", "c02", "c03", "c04"], rows: [["delivery", "6", "0", "4", "2000"]] });
    database.closeSync();
  });

  const objects = (rename = (name) => name) =>
    printed.map(({ names, rows }) =>
      rows.map((row) => Object.fromEntries(row.map((value, n) => [rename(names[n]), value]))),
    );
  const csv = () => {
    const cell = (value) => (value === null ? "" : /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    return printed
      .map(({ names, rows }) => [names, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join(""))
      .join("");
  };
  const take = (text, ...values) => {
    const file = join(folder, "answers");
    writeFileSync(file, text);
    return readout("hero", "--answers", file, "--engine", "BigQuery", "--at", NOW, "--json", ...values);
  };

  test("is read as JSON, JSON lines, in capitals, and CSV, in any order", () => {
    const wanted = { ...from(archive), computed_by: "BigQuery", health: [] };
    const texts = {
      bq: objects()
        .map((rows) => JSON.stringify(rows, null, 2))
        .join("\n"),
      snow: JSON.stringify(objects((name) => name.toUpperCase()).reverse()),
      clickhouse: objects()
        .flat()
        .map((row) => JSON.stringify(row))
        .join("\n"),
      databricks: JSON.stringify(printed.map(({ rows }) => ({ result: { data_array: rows } }))),
      csv: csv(),
    };
    for (const [name, text] of Object.entries(texts)) {
      const told = take(text);
      assert.equal(told.status, 0, `${name}: ${told.stderr}`);
      const results = JSON.parse(told.stdout);
      assert.equal(gate(results).level, "green", `${name}: ${gate(results).text}`);
      assert.deepEqual({ ...results, health: [], gates: [] }, { ...wanted, gates: [] }, name);
    }
  });

  test("cut off, with text for numbers, or without a question: red, and named", () => {
    const red = (text, said) => {
      const results = JSON.parse(take(text).stdout);
      assert.equal(gate(results).level, "red");
      assert.match(gate(results).text, said);
    };
    const all = objects();
    red(
      JSON.stringify(all.map((rows, n) => (n === 1 ? rows.slice(0, -1) : rows))),
      /`hero metric buyers` was not answered/,
    );
    const spoilt = structuredClone(all);
    spoilt[0].find(({ what }) => what === "sum").a = "six hundred";
    red(JSON.stringify(spoilt), /`hero units` cannot be read: "six hundred" in field 4 is no whole number/);
    red(JSON.stringify(all.filter((_, n) => n !== 2)), /`hero metric revenue` was not answered/);
    // a tool that prints so many rows and no more, or that loses any one of those that everything depends on
    const without = (n, lost) =>
      JSON.stringify(all.map((rows, at) => (at === n ? rows.filter((row) => !lost(row)) : rows)));
    const sum = (dimension, part) => (row) => row.what === "sum" && row.dimension === dimension && (!part || part(row));
    const of = /`hero (?:units|metric buyers)` cannot be read: rows are missing: those of `\w+` by \w+ do not add up/;
    for (const n of [0, 1]) {
      red(without(n, sum("")), of);
      red(without(n, sum("day")), of);
      const bold = sum("", ({ variant }) => variant === "bold");
      red(without(n, bold), of);
      const day = all[n].findLast(sum("day"));
      const last = (row) => row === day;
      red(without(n, last), of);
    }
    red(
      without(0, ({ what }) => what === "contaminated"),
      /rows are missing: there is no `contaminated`/,
    );
    red(
      without(1, ({ what }) => what === "contradicts"),
      /rows are missing: there is no `contradicts`/,
    );
    assert.equal(take("nothing").status, 1);
    assert.equal(take("[]").status, 1);
  });
});

/** Numbers to twelve digits: the logarithms of wasm and of the machine may differ in the last one. */
const rounded = (value) =>
  JSON.parse(JSON.stringify(value), (_, it) => (typeof it === "number" ? Number(it.toPrecision(12)) : it));

describe("published", () => {
  let published;
  before(async () => {
    const place = ["--publish", "--local", "--persist-to", folder];
    const told = readout("hero", "--from", `duckdb:${archive}`, "--at", NOW, "--json", ...place);
    assert.equal(told.status, 0, told.stderr);
    assert.deepEqual(JSON.parse(told.stdout).published, ["results/acme-shop/hero/1.json"]);
    const proxy = await getPlatformProxy({ configPath: at("wrangler.toml"), persist: { path: join(folder, "v3") } });
    published = await (await proxy.env.ARCHIVE.get("results/acme-shop/hero/1.json")).text();
    await proxy.dispose();
    const { engine, computed_at, rows_read } = JSON.parse(published);
    assert.deepEqual([engine, computed_at], ["DuckDB", NOW]);
    assert.ok(rows_read > 1200);
  });

  test("a worker without a database shows them, and its guard acts on them", async () => {
    const origin = await startOrigin();
    const platform = await startHarness({
      origin: origin.url,
      document: JSON.parse(readFileSync(document, "utf8")),
      change: (config) => delete config.d1_databases,
    });
    try {
      const headers = { Authorization: "Bearer test-admin-token" };
      const get = async () => JSON.parse((await platform.ask("/_sortition/experiments/hero.json", { headers })).text);
      assert.equal(gate(await get()).level, "red", "nothing is known yet");
      await platform.env.ARCHIVE.put("results/acme-shop/hero/1.json", published);
      const shown = await get();
      const wanted = from(archive);
      assert.deepEqual([shown.computed_by, shown.computed_at], ["DuckDB", NOW]);
      for (const part of ["units", "metrics", "verdict", "health"])
        assert.deepEqual(rounded(shown[part]), rounded(wanted[part]), part);
      assert.equal(gate(shown).level, "green", gate(shown).text);
      const { text } = await platform.ask("/_sortition/experiments/hero", { headers });
      assert.match(text, /Computed by DuckDB on /);
      assert.equal((await platform.ask("/_sortition/experiments/hero.csv", { headers })).status, 503);
      for (let run = 0; run < 2; run++) await platform.worker.scheduled({ cron: "*/5 * * * *" });
      assert.deepEqual(JSON.parse(await platform.env.CONFIG.get("kill-guard")), { experiments: ["hero"] });
      const { objects } = await platform.env.ARCHIVE.list({ prefix: "guard/" });
      assert.ok(objects.length > 0, "what was told is noted once");
      await platform.env.ARCHIVE.put("results/acme-shop/hero/1.json", JSON.stringify({ schema: 9 }));
      assert.equal(gate(await get()).level, "red", "of another version");
    } finally {
      await platform.close();
      await origin.close();
    }
  });

  test("the example of a schedule runs as it is written", () => {
    const guide = readFileSync(at("docs/warehouse.md"), "utf8");
    const workflow = /```yaml\n(name: readout[\s\S]*?)```/.exec(guide)?.[1] ?? "";
    const [, step] = /run: (npx sortition readout .*)$/m.exec(workflow) ?? [];
    assert.ok(step, "docs/warehouse.md has the step");
    const values = step
      .replace("npx sortition readout experiments.json", "")
      .replace(/duckdb:\S+/, `duckdb:${archive}`)
      .trim()
      .split(" ");
    const told = readout(...values, "--local", "--persist-to", folder, "--at", NOW);
    assert.equal(told.status, 0, told.stderr);
    assert.match(told.stdout, /published results\/acme-shop\/hero\/1\.json/);
  });
});
