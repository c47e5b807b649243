// The archive in DuckDB, for the tool: its Parquet files and the objects that are not compacted yet, as the tables `events`,
// `messages` and `origin_health`. What cannot be read is left out, named and counted. Reads a JSON line `{op, folder, …}` and
// writes marked lines of JSON. Run by engine.rs as `node --eval`.

import { isUtf8 } from "node:buffer";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { DuckDBInstance } from "@duckdb/node-api";

/** The version of what the tables under tables/ hold. */
const SCHEMA = 1;
/** How many objects with unreadable lines are named. */
const NAMED = 5;

const answer = (value) => process.stdout.write(`@sortition ${JSON.stringify(value)}\n`);
const quoted = (value) => `'${String(value).replaceAll("'", "''")}'`;
const listed = (values) => `[${values.map(quoted).join(", ")}]`;
const counted = (number, one, many = `${one}s`) => `${number} ${Number(number) === 1 ? one : many}`;

const TYPES = ["experiment_exposed", "experiment_converted", "experiment_ended_early", "identified"];
const TEXTS = ["type", "id", "project", "config_revision", "at", "anonymous_id", "user_id", "session_id"];
const MORE = ["variant", "unit", "reason", "exposed_at", "conversion_event", "currency", "transaction_id", "refund_of"];
const LAST = ["converted_at", "channel", "ended_reason", "ended_at"];
const JSONS = ["request", "versions", "properties"];
const OTHERS = { iteration: "INTEGER", fallback: "BOOLEAN", value: "DECIMAL(20, 4)" };
const COLUMNS = {
  ...Object.fromEntries([...TEXTS, "experiment_id", ...MORE, ...LAST].map((name) => [name, "VARCHAR"])),
  ...Object.fromEntries(JSONS.map((name) => [name, "JSON"])),
  ...OTHERS,
};
const VISITS = { source: "VARCHAR", seq: "BIGINT", served: "JSON", health: "JSON" };

const DECIMALS = `CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
  'XAF', 'XOF', 'XPF') THEN 1 WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000
  WHEN currency IN ('CLF', 'UYW') THEN 10000 ELSE 100 END`;

/** Lines → the columns of the table of events (docs/warehouse.md), and what else a line says. */
const EVENTS = `type, id, project, config_revision, "at" AS seen_at, anonymous_id, user_id, session_id, experiment_id, iteration, variant,
  coalesce(unit, 'visitor') AS unit, exposed_at, request ->> '$.device' AS device, request ->> '$.country' AS country,
  request ->> '$.region' AS region, request ->> '$.browser' AS browser, request ->> '$.referrer_host' AS referrer_host,
  request ->> '$.visitor_type' AS visitor_type, request ->> '$.logged_in' AS logged_in, CASE WHEN fallback THEN 'true' END AS fallback,
  CAST(versions AS VARCHAR) AS versions, conversion_event, CAST(value * ${DECIMALS} AS BIGINT) AS value, currency, transaction_id, refund_of,
  converted_at, channel, CAST(properties AS VARCHAR) AS properties, reason, request ->> '$.host' AS host, request ->> '$.path' AS path,
  request ->> '$.method' AS method, ended_reason, ended_at`;
const MESSAGES = `source, seq, CAST(served ->> '$.crawlers' AS BIGINT) AS crawlers, CAST(served ->> '$.visits' AS BIGINT) AS visits,
  CAST(health AS VARCHAR) AS health`;

const TIMED = `CASE type WHEN 'experiment_exposed' THEN exposed_at WHEN 'experiment_converted' THEN converted_at
  WHEN 'experiment_ended_early' THEN ended_at ELSE seen_at END`;

/** What makes an event one that this version reads. */
const GOOD = `type IN (${TYPES.map(quoted)}) AND TRY_CAST(${TIMED} AS TIMESTAMP) IS NOT NULL`;

/** The archive of a folder, or of `s3://BUCKET` by the usual variables of the environment. */
async function openArchive(named) {
  const remote = named.includes("://");
  if (!remote && !["events", "tables"].some((name) => existsSync(join(named, name))))
    throw new Error(`there is no ${join(named, "events")}`);
  // why: below, DuckDB would look for a relative one from the folder itself, and find nothing
  const folder = remote ? named : resolve(named);
  const scratch = mkdtempSync(join(tmpdir(), "sortition-duckdb-"));
  const instance = await DuckDBInstance.create(join(scratch, "archive.duckdb"));
  const database = await instance.connect();
  const close = () => {
    database.closeSync();
    instance.closeSync();
    rmSync(scratch, { recursive: true, force: true });
  };
  const rows = async (sql) => (await database.runAndReadAll(sql)).getRowsJson();
  const run = (sql) => database.run(sql);
  const { SORTITION_DUCKDB_MEMORY: memory } = process.env;
  if (memory) await run(`SET memory_limit = ${quoted(memory)}`);
  await run(`SET preserve_insertion_order = false; SET temp_directory = ${quoted(scratch)}; SET TimeZone = 'UTC'`);
  // why: what several branches of a statement read alike it would keep whole first, though the tables decide that most read nothing
  await run("SET disabled_optimizers = 'common_subplan'");
  if (remote) await reach(run);
  else await run(`SET file_search_path = ${quoted(folder)}`);
  const place = (path) => (remote ? `${folder.replace(/\/$/, "")}/${path}` : join(folder, path));
  const found = async (pattern) =>
    (await rows(`SELECT file FROM glob(${quoted(place(pattern))}) ORDER BY file`)).map(([file]) => file);
  const manifest = async () => {
    const path = place("tables/manifest.json");
    if (remote) {
      const [one] = await rows(`SELECT content FROM read_text(${quoted(path)})`).catch(() => []);
      return one ? JSON.parse(one[0]) : undefined;
    }
    return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
  };
  return { folder, remote, scratch, place, rows, run, close, found, manifest, incomplete: [] };
}

/** S3's interface, as R2 has it: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL. */
async function reach(run) {
  const {
    AWS_ACCESS_KEY_ID: id,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_REGION,
    AWS_ENDPOINT_URL_S3,
    AWS_ENDPOINT_URL,
  } = process.env;
  if (!id || !secret) throw new Error("s3:// needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment");
  const url = AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL;
  const { host, protocol } = url ? new URL(url) : {};
  const at = host ? `, ENDPOINT ${quoted(host)}, URL_STYLE 'path', USE_SSL ${protocol === "https:"}` : "";
  await run("INSTALL httpfs; LOAD httpfs");
  await run(
    `CREATE SECRET archive (TYPE s3, KEY_ID ${quoted(id)}, SECRET ${quoted(secret)}, REGION ${quoted(AWS_REGION ?? "auto")}${at})`,
  );
}

/** Reads objects into a table; what is wrong in one that cannot be read as it should is named and left out. */
async function take(archive, table, select, columns, files) {
  const { incomplete } = archive;
  const bad = await taken(archive, table, select, columns, files);
  for (const [file, number] of bad.slice(0, NAMED))
    incomplete.push(`${file}: ${counted(number, "line")} cannot be read.`);
  const more = bad.length - NAMED;
  if (more > 0) incomplete.push(`${counted(more, "more object has", "more objects have")} lines that cannot be read.`);
}

/** Reads objects; returns those that have lines which cannot be read, with how many. */
async function taken(archive, table, select, columns, files) {
  if (files.length === 0) return [];
  const types = Object.entries(columns).map(([name, type]) => `${quoted(name)}: ${quoted(type)}`);
  const insert = `INSERT INTO ${table} SELECT ${select} FROM`;
  const asTheyLie = (from) => archive.run(`${insert} read_ndjson(${listed(from)}, columns = {${types.join(", ")}})`);
  const isRead = (from) =>
    asTheyLie(from).then(
      () => true,
      () => false,
    );
  if (await isRead(files)) return [];
  if (files.length > 1) {
    // why: nearly all objects are as they should be, and only the others are looked at line by line
    const half = Math.ceil(files.length / 2);
    const first = await taken(archive, table, select, columns, files.slice(0, half));
    return [...first, ...(await taken(archive, table, select, columns, files.slice(half)))];
  }
  const [file] = files;
  const { lines, wrong } = await jsonOf(archive, file);
  const mistyped = (await isRead([lines])) ? 0 : await typed(archive, insert, columns, lines);
  return wrong + mistyped > 0 ? [[file, wrong + mistyped]] : [];
}

/** The lines of an object that are JSON objects, in a file of their own, and how many are not: a half letter is no text. */
async function jsonOf({ rows, scratch }, file) {
  const [[content]] = await rows(`SELECT to_base64(content) FROM read_blob(${quoted(file)})`);
  const all = Buffer.from(content, "base64")
    .toString("latin1")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => Buffer.from(line, "latin1"));
  const good = all.filter((line) => isUtf8(line) && isObject(line.toString()));
  const lines = join(scratch, "lines.ndjson");
  writeFileSync(lines, Buffer.concat(good.flatMap((line) => [line, Buffer.from("\n")])));
  return { lines, wrong: all.length - good.length };
}

function isObject(line) {
  try {
    const value = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** Reads a file of JSON objects but those that DuckDB refuses, such as one with a text for a number; returns how many these are. */
async function typed({ rows, run }, insert, columns, file) {
  await run(
    `CREATE OR REPLACE TEMP TABLE lines AS SELECT line, json_valid(line) AS readable FROM read_csv(${quoted(file)},
     columns = {'line': 'VARCHAR'}, delim = E'\\x01', quote = '', escape = '', header = false, auto_detect = false,
     null_padding = true, max_line_size = 16777216)`,
  );
  const fields = Object.entries(columns).map(([name, type]) =>
    type === "JSON" ? `line -> '$.${name}' AS "${name}"` : `TRY_CAST(line ->> '$.${name}' AS ${type}) AS "${name}"`,
  );
  const numbers = Object.entries(columns).filter(([, type]) => !["VARCHAR", "JSON"].includes(type));
  const wrong = numbers.map(
    ([name, type]) => `(line ->> '$.${name}' IS NOT NULL AND TRY_CAST(line ->> '$.${name}' AS ${type}) IS NULL)`,
  );
  await run(`UPDATE lines SET readable = false WHERE readable AND (${wrong.join(" OR ")})`);
  await run(`${insert} (SELECT ${fields.join(", ")} FROM lines WHERE readable) l`);
  const [[refused]] = await rows("SELECT count(*) FROM lines WHERE NOT readable");
  return Number(refused);
}

const day = (path) => /dt=(\d{4}-\d\d-\d\d)\//.exec(path)?.[1];

const OBJECTS = (folder) => `${folder}/*/*/*.ndjson`;

/** The objects of a folder that no compacted day holds, and the files of those that are compacted. */
async function sources(archive) {
  const objects = {
    events: await archive.found(OBJECTS("events")),
    messages: await archive.found(OBJECTS("messages")),
  };
  // why: what is compacted and removed after it was listed is in the manifest then; the other way round it would be in neither
  const manifest = await archive.manifest();
  const known = manifest?.schema === SCHEMA ? manifest.days : {};
  if (manifest && manifest.schema !== SCHEMA)
    archive.incomplete.push(
      `tables/manifest.json is of schema ${manifest.schema}, and this version reads ${SCHEMA}: upgrade.`,
    );
  const held = new Set(Object.values(known).flatMap(({ objects }) => objects));
  const name = (file) => file.slice(archive.place("").length).replace(/^\//, "");
  const open = (files) => files.filter((file) => !held.has(name(file)));
  const parts = Object.values(known).flatMap(({ parts }) => parts);
  return {
    manifest: { schema: SCHEMA, days: known },
    name,
    events: open(objects.events),
    messages: open(objects.messages),
    parts,
  };
}

/**
 * Makes the tables. What is compacted is read where it lies: only the columns and kinds of events that a question needs.
 * `counts`: whether something is to be counted, so that it is told what never came in.
 */
async function readArchive(archive, { counts = true } = {}) {
  const { rows, run, incomplete, place } = archive;
  await emptyTables(run);
  const from = await sources(archive);
  if ([from.events, from.messages, from.parts].every(({ length }) => length === 0)) throw nothingIn(archive);
  const isMessages = (path) => path.startsWith("tables/messages/");
  await take(archive, "raw_events", EVENTS, COLUMNS, from.events);
  await take(archive, "messages", MESSAGES, VISITS, from.messages);
  await readParts(archive, "messages", from.parts.filter(isMessages).map(place));
  const [[odd]] = await rows(`SELECT count(*) FROM raw_events WHERE NOT coalesce(${GOOD}, false)`);
  if (Number(odd) > 0)
    incomplete.push(`${counted(odd, "event is", "events are")} of a type or a time that this version cannot read.`);
  const parts = await sound(archive, "raw_events", from.parts.filter((path) => !isMessages(path)).map(place));
  await run(`CREATE VIEW events AS ${await eventsOf(archive, parts, Number(odd) > 0)}`);
  await run(
    `CREATE VIEW origin_health AS SELECT source, h ->> '$.project' AS project, h ->> '$.experiment_id' AS experiment_id,
     CAST(h ->> '$.iteration' AS INTEGER) AS iteration, h ->> '$.variant' AS variant, h ->> '$.hour' AS hour,
     CAST(h ->> '$.requests' AS BIGINT) AS requests, CAST(h ->> '$.errors' AS BIGINT) AS errors,
     ${["le_50", "le_100", "le_200", "le_400", "le_800", "le_1600", "le_3200", "over_3200"].map((name, place) => `CAST(h ->> '$.latency[${place}]' AS BIGINT) AS ${name}`).join(", ")}
     FROM (SELECT source, unnest(CAST(CAST(health AS JSON) AS JSON[])) AS h FROM messages WHERE health IS NOT NULL) u`,
  );
  if (counts) await missing(archive, from);
  const [[read]] = await rows("SELECT count(*) FROM events");
  const [[visits]] = await rows("SELECT count(*) FROM messages");
  if (counts && Number(visits) === 0)
    incomplete.push(
      `The archive has nothing under ${place("messages/")}, so it cannot be told what was lost, nor how the origin answered: copy messages/ along with events/.`,
    );
  return Number(read);
}

/** What is said of an archive that nothing was put into, or of a place that is none. */
const nothingIn = ({ place }) =>
  new Error(
    `nothing is archived in ${place("")}: there is no object under events/ or messages/, and no compacted day under tables/. ` +
      "Look whether this is the place that holds events/, whether the worker has the binding ARCHIVE and the queue EVENTS, " +
      "and whether anybody met an experiment since",
  );

/** The query of all events: of objects, and of the files that are compacted. */
async function eventsOf({ rows }, parts, hasOdd) {
  const lines = `SELECT * FROM raw_events WHERE ${hasOdd ? GOOD : "true"}`;
  if (parts.length === 0) return lines;
  const [[number]] = await rows("SELECT count(*) FROM raw_events");
  if (Number(number) > 0) return `${lines} UNION ALL BY NAME SELECT * FROM ${parquet(parts)}`;
  // why: what the files know of themselves, such as that no event of theirs has a session, is lost in a union
  const known = new Set((await rows(`DESCRIBE SELECT * FROM ${parquet(parts)}`)).map(([name]) => name));
  const absent = (await rows("DESCRIBE raw_events")).filter(([name]) => !known.has(name));
  const empty = absent.map(([name, type]) => `CAST(NULL AS ${type}) AS "${name}", `).join("");
  return `SELECT ${empty}* FROM ${parquet(parts)}`;
}

const nothing = (columns) =>
  Object.entries(columns)
    .map(([name, type]) => `CAST(NULL AS ${type}) AS "${name}"`)
    .join(", ");

const emptyTables = async (run) => {
  await run(`CREATE OR REPLACE TABLE raw_events AS SELECT ${EVENTS} FROM (SELECT ${nothing(COLUMNS)}) e WHERE false`);
  await run(`CREATE OR REPLACE TABLE messages AS SELECT ${MESSAGES} FROM (SELECT ${nothing(VISITS)}) m WHERE false`);
};

const parquet = (files) => `read_parquet(${listed(files)}, union_by_name = true, hive_partitioning = false)`;

/** The files of those that have a table's columns in its types; the others are named. */
async function sound({ rows, incomplete }, table, files) {
  const columns = async (of) =>
    new Map((await rows(`DESCRIBE SELECT * FROM ${of}`)).map(([name, type]) => [name, type]));
  const wanted = await columns(table);
  const good = [];
  for (const file of files)
    try {
      const has = await columns(parquet([file]));
      const wrong = [...has]
        .filter(([name, type]) => wanted.get(name) !== type)
        .map(([name, type]) => `${name} ${type}`);
      if (wrong.length > 0) throw new Error(`it has the columns ${wrong.slice(0, NAMED).join(", ")}`);
      good.push(file);
    } catch (error) {
      incomplete.push(`${file} cannot be read: ${String(error.message).split("\n")[0]}.`);
    }
  return good;
}

/** Copies files into a table. */
async function readParts(archive, table, files) {
  const good = await sound(archive, table, files);
  if (good.length > 0) await archive.run(`INSERT INTO ${table} BY NAME SELECT * FROM ${parquet(good)}`);
}

/** Days between the first and the last that the archive has nothing of, or has messages of and no events. */
async function missing({ incomplete }, { events, messages, parts }) {
  const days = (paths) => new Set(paths.map(day).filter(Boolean));
  const compacted = (of) => parts.filter((path) => path.startsWith("tables/messages/") === of);
  const [told, sent] = [days([...events, ...compacted(false)]), days([...messages, ...compacted(true)])];
  const all = [...new Set([...told, ...sent])].sort();
  const gone = [];
  for (let at = Date.parse(all[0]); at <= Date.parse(all.at(-1)); at += 86_400_000) {
    const name = new Date(at).toISOString().slice(0, 10);
    if (!told.has(name) || (sent.size > 0 && !sent.has(name) && name >= [...sent].sort()[0])) gone.push(name);
  }
  if (gone.length > 0)
    incomplete.push(
      `The archive has no whole day of ${gone.slice(0, NAMED).join(", ")}${gone.length > NAMED ? ` and ${gone.length - NAMED} more` : ""}.`,
    );
}

/**
 * Runs statements: first `{read, incomplete}`, then `{rows}` or `{error}` for each that is a question. Tables are made anew, and
 * where one cannot be, what is asked of it says why.
 */
async function readout(archive, { statements }) {
  answer({ read: await readArchive(archive), incomplete: archive.incomplete });
  let broken;
  for (const { table, sql, kept } of statements)
    try {
      if (table && !broken) await archive.run(`CREATE OR REPLACE TEMP ${kept ? "TABLE" : "VIEW"} ${table} AS ${sql}`);
      if (!table && broken) throw broken;
      if (!table) answer({ rows: await archive.rows(sql) });
    } catch (error) {
      if (table) broken = error;
      else answer({ error: `${error?.message ?? error}` });
    }
}

/** What a compacted day is sorted by, so that a question about one experiment reads little of it. */
const ORDER = { messages: "source, seq" };
const IN_ORDER = "experiment_id, conversion_event, coalesce(exposed_at, converted_at, ended_at, seen_at), id";

/**
 * Turns days of objects into Parquet, a file a type and day; one run of a folder at a time. The manifest is written last,
 * and names what counts: what is interrupted before leaves files that nobody reads, and is done again.
 */
async function compact(archive, { until, remove }) {
  const { folder, place, rows, run, incomplete } = archive;
  if (archive.remote) throw new Error("a bucket is compacted through its binding, or from a copy of it");
  await holdAlone(archive);
  const from = await sources(archive);
  // why: what an other version's manifest holds would be written over
  if (incomplete.length > 0) throw new Error(incomplete.join(" "));
  const open = [...from.events, ...from.messages];
  const days = [...new Set(open.map(day))].filter((name) => name && name < until).sort();
  for (const name of days) {
    const before = from.manifest.days[name] ?? { objects: [], parts: [], rows: 0, duplicates: 0, generation: -1 };
    const generation = before.generation + 1;
    const objects = open.filter((file) => day(file) === name);
    const wrong = incomplete.length;
    await emptyTables(run);
    for (const path of before.parts)
      await readParts(archive, path.startsWith("tables/messages/") ? "messages" : "raw_events", [place(path)]);
    const ofDay = (files) => files.filter((file) => day(file) === name);
    await take(archive, "raw_events", EVENTS, COLUMNS, ofDay(from.events));
    await take(archive, "messages", MESSAGES, VISITS, ofDay(from.messages));
    const [[odd]] = await rows(`SELECT count(*) FROM raw_events WHERE NOT coalesce(${GOOD}, false)`);
    if (Number(odd) > 0)
      incomplete.push(
        `${name}: ${counted(odd, "event is", "events are")} of a type or a time that this version cannot read.`,
      );
    // why: a day that cannot be read whole stays as it lies, where its lines can still be looked at
    if (incomplete.length > wrong) continue;
    const parts = [];
    let [kept, duplicates] = [0, before.duplicates];
    for (const type of [...TYPES, "messages"]) {
      const of =
        type === "messages" ? "SELECT * FROM messages" : `SELECT * FROM raw_events WHERE type = ${quoted(type)}`;
      // why: what differs in more than when it was sent is told apart: it may be a second variant, or a better report
      const distinct =
        type === "messages"
          ? `SELECT DISTINCT * FROM (${of}) d`
          : `SELECT * EXCLUDE (seen_at), min(seen_at) AS seen_at FROM (${of}) d GROUP BY ALL`;
      const [[all]] = await rows(`SELECT count(*) FROM (${of}) o`);
      if (Number(all) === 0) continue;
      // why: another run of the same day, at the same time, must not write over what this one's manifest names
      const path = `tables/${type}/dt=${name}/part-${generation}-${randomUUID().slice(0, 8)}.parquet`;
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      await run(
        `COPY (SELECT * FROM (${distinct}) c ORDER BY ${ORDER[type] ?? IN_ORDER}) TO ${quoted(join(folder, path))}
         (FORMAT parquet, COMPRESSION zstd, KV_METADATA {sortition_schema: '${SCHEMA}'})`,
      );
      const [[left]] = await rows(
        `SELECT count(*) FROM read_parquet(${quoted(join(folder, path))}, hive_partitioning = false)`,
      );
      kept += Number(left);
      duplicates += Number(all) - Number(left);
      parts.push(path);
    }
    const named = [...before.objects, ...objects.map(from.name)].sort();
    from.manifest.days[name] = { objects: named, parts, rows: kept, duplicates, generation };
    writeManifest(folder, from.manifest);
    // why: only now nobody reads them any more
    for (const path of before.parts) rmSync(join(folder, path), { force: true });
    if (remove) for (const file of objects) rmSync(file, { force: true });
    answer({
      day: name,
      objects: objects.length,
      rows: kept,
      duplicates,
      parts,
      gone: [...before.parts, ...(remove ? objects.map(from.name) : [])],
    });
  }
  answer({ incomplete });
}

/**
 * Holds the folder for this run alone: of two that write the manifest as they read it, the second takes away the days of the
 * first, whose objects may be gone. The lock is the system's on a file that DuckDB has open, so it goes with its process.
 */
async function holdAlone({ folder, run }) {
  const path = join(folder, "tables", "compacting.lock");
  mkdirSync(dirname(path), { recursive: true });
  try {
    await run(`ATTACH ${quoted(path)} AS compacting`);
  } catch (error) {
    if (/could not set lock/i.test(error.message))
      throw new Error(`another run is compacting ${folder}: wait until it has ended, and run this again`);
    throw new Error(`${path} cannot be locked; where no other run is at work, remove it: ${error.message}`);
  }
}

function writeManifest(folder, manifest) {
  const path = join(folder, "tables", "manifest.json");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify(manifest, null, 1)}\n`);
  renameSync(`${path}.new`, path);
}

/**
 * Whom an id stands for by what the archive says: the users whom this visitor was identified as, and where that is one at
 * most, all their ids and orders.
 */
async function people(archive, { unit, only, project }) {
  await readArchive(archive, { counts: false });
  const of = project ? `project = ${quoted(project)} AND` : "";
  const column = async (name, where) =>
    (await archive.rows(`SELECT DISTINCT ${name} FROM events WHERE ${of} ${name} IS NOT NULL AND ${where}`)).flat();
  const users = only ? [] : await column("user_id", `anonymous_id = ${quoted(unit)}`);
  const ids = [unit, ...users];
  if (!only) ids.push(...(await column("anonymous_id", `user_id IN (${ids.map(quoted)})`)));
  const theirs = `(anonymous_id IN (${ids.map(quoted)}) OR user_id IN (${ids.map(quoted)}))`;
  answer({ users, ids, orders: await column("transaction_id", theirs), incomplete: archive.incomplete });
}

/** Writes Parquet files that name a person anew without those rows; says which files had any, and how many. */
async function forget(archive, { files, ids, orders, project, dry }) {
  const { rows, run, place } = archive;
  const list = (values) => (values.length > 0 ? values.map(quoted).join(", ") : "NULL");
  const theirs = `coalesce((${project ? `project = ${quoted(project)} AND` : ""} (anonymous_id IN (${list(ids)}) OR user_id IN (${list(ids)})
    OR refund_of IN (${list(orders)}))), false)`;
  for (const path of files) {
    const file = place(path);
    const [[gone]] = await rows(
      `SELECT count(*) FROM read_parquet(${quoted(file)}, hive_partitioning = false) WHERE ${theirs}`,
    );
    if (Number(gone) === 0) continue;
    if (!dry) {
      await run(
        `COPY (SELECT * FROM read_parquet(${quoted(file)}, hive_partitioning = false) WHERE NOT ${theirs}) TO ${quoted(`${file}.new`)}
         (FORMAT parquet, COMPRESSION zstd, KV_METADATA {sortition_schema: '${SCHEMA}'})`,
      );
      renameSync(`${file}.new`, file);
    }
    answer({ path, gone: Number(gone) });
  }
}

const OPERATIONS = { readout, compact, people, forget };
try {
  const question = JSON.parse(await text(process.stdin));
  const archive = await openArchive(question.folder);
  try {
    await OPERATIONS[question.op](archive, question);
  } finally {
    archive.close();
  }
} catch (error) {
  answer({ failed: `${error?.message ?? error}` });
}
