// Asks a server: reads a JSON line `{url, statements: [{sql}]}`, and writes a JSON line for each statement: `{rows}` or `{error}`.
// ClickHouse by its HTTP interface; PostgreSQL by `psql`. Run by engine.rs as `node --eval`.

import { spawnSync } from "node:child_process";
import { text } from "node:stream/consumers";

const answer = (value) => process.stdout.write(`@sortition ${JSON.stringify(value)}\n`);

async function clickhouse(url, sql) {
  const place = new URL(url);
  const headers = { "content-type": "text/plain" };
  if (place.username) {
    headers["x-clickhouse-user"] = decodeURIComponent(place.username);
    headers["x-clickhouse-key"] = decodeURIComponent(place.password);
    place.username = place.password = "";
  }
  for (const [name, value] of Object.entries({
    default_format: "JSONCompact",
    output_format_json_quote_64bit_integers: "1",
  }))
    place.searchParams.set(name, value);
  const response = await fetch(place, { method: "POST", body: sql, headers });
  const said = await response.text();
  if (!response.ok) throw new Error(said.trim().slice(0, 500));
  return JSON.parse(said).data;
}

function postgres(url, sql) {
  // why: the rows as JSON of one text each, so that no value is taken apart twice
  const asked = `SELECT json_agg(row) FROM (SELECT (SELECT json_agg(value ORDER BY n) FROM json_each(to_json(answer)) WITH ORDINALITY AS e (key, value, n)) AS row FROM (${sql}) answer) rows`;
  const { status, stdout, stderr, error } = spawnSync("psql", [url, "-qAtX", "-v", "ON_ERROR_STOP=1"], {
    input: asked,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (error) throw new Error(`psql cannot be run: ${error.message}`);
  if (status !== 0) throw new Error(stderr.trim().slice(0, 500));
  return JSON.parse(stdout.trim() || "[]") ?? [];
}

try {
  const { url, statements } = JSON.parse(await text(process.stdin));
  const [, engine, place] = /^(\w+):(.*)$/s.exec(url);
  const ask = engine === "postgres" ? postgres : clickhouse;
  answer({ incomplete: [] });
  for (const { sql } of statements)
    try {
      answer({ rows: await ask(place, sql) });
    } catch (error) {
      answer({ error: `${error?.cause?.message ?? error?.message ?? error}` });
    }
} catch (error) {
  answer({ failed: `${error?.message ?? error}` });
}
