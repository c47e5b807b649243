// DuckDB for the tool: reads a JSON line `{folder, events, statements}`, runs the statements over the archive in that folder,
// and writes a JSON line for each as it comes: `{rows}`, or `{error}`. Run by engine.rs as `node --eval`.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { DuckDBInstance } from "@duckdb/node-api";

const answer = (value) => process.stdout.write(`@sortition ${JSON.stringify(value)}\n`);
const { folder, view, statements } = JSON.parse(await text(process.stdin));
try {
  if (!folder.includes("://") && !existsSync(join(folder, "events")))
    throw new Error(`there is no ${join(folder, "events")}`);
  const database = await (await DuckDBInstance.create()).connect();
  const quoted = folder.replaceAll("'", "''");
  await database.run(
    folder.includes("://") ? view.replaceAll("'events/", `'${quoted}/events/`) : `SET file_search_path = '${quoted}'`,
  );
  if (!folder.includes("://")) await database.run(view);
  for (const sql of statements) answer({ rows: (await database.runAndReadAll(sql)).getRowsJson() });
  database.closeSync();
} catch (error) {
  answer({ error: `${error?.message ?? error}` });
}
