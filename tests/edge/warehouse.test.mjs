// The archive as it lies, loaded into DuckDB by the statements of docs/warehouse.md: the same counts and sums as D1's.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { startConsumer } from "./consumer.mjs";
import { random } from "./day.mjs";

const SIZE = 300;
const guide = readFileSync(fileURLToPath(new URL("../../docs/warehouse.md", import.meta.url)), "utf8");
const folder = mkdtempSync(join(tmpdir(), "sortition-warehouse-"));

let consumer;
let warehouse;
before(async () => {
  consumer = await startConsumer(["SHOP"]);
  const next = random(3);
  const numbers = Array.from({ length: SIZE }, (_, number) => number);
  // a part comes twice, in other batches
  const deliveries = [...numbers, ...numbers.filter(() => next() < 0.3)].map((number, copy) => ({
    id: `m${copy}`,
    number,
    attempts: 1,
  }));
  for (let from = 0; from < deliveries.length; from += 70)
    await consumer.ask("deliver", { size: SIZE, place: "SHOP", deliveries: deliveries.slice(from, from + 70) });
  for (const { key, text } of await consumer.ask("objects", { place: "SHOP" })) {
    mkdirSync(dirname(join(folder, key)), { recursive: true });
    writeFileSync(join(folder, key), text);
  }
  warehouse = await (await DuckDBInstance.create()).connect();
  await warehouse.run(`SET file_search_path = '${folder}'`);
  const views = [...guide.matchAll(/```sql\n(CREATE VIEW [\s\S]*?)```/g)].map(([, sql]) => sql);
  assert.equal(views.length, 4);
  for (const sql of views) await warehouse.run(sql);
});
after(async () => {
  warehouse?.closeSync();
  await consumer?.close();
  rmSync(folder, { recursive: true, force: true });
});

const inWarehouse = async (sql) =>
  (await warehouse.runAndReadAll(sql))
    .getRowsJson()
    .map((row) => row.map((cell) => (cell === null ? null : Number(cell))));
const inRecord = async (sql) => (await consumer.ask("record", { place: "SHOP", sql })).map(Object.values);

/** The outcomes of a person after their exposure, the other way to write what the guide's last view says. */
const JOINED = `FROM exposures e LEFT JOIN conversions c
  ON (c.anonymous_id = e.anonymous_id OR c.user_id = e.user_id) AND c.converted_at >= e.exposed_at
  WHERE (SELECT count(*) FROM exposure_variants v WHERE v.exposure_id = e.id) = 1`;

describe("what DuckDB counts is what D1 counts", () => {
  const CASES = [
    [
      "exposures of each variant",
      "SELECT count(*) FROM exposures GROUP BY variant ORDER BY variant",
      "SELECT count(*) FROM exposures GROUP BY variant ORDER BY variant",
    ],
    [
      "contaminated units",
      "SELECT count(*) FROM exposures WHERE contaminated",
      "SELECT count(*) FROM (SELECT exposure_id FROM exposure_variants GROUP BY exposure_id HAVING count(*) > 1)",
    ],
    [
      "outcomes and their value in cents",
      "SELECT count(*), sum(value) * 100 FROM conversions",
      "SELECT count(*), sum(value_minor) FROM conversions",
    ],
    [
      "identities",
      "SELECT count(DISTINCT (anonymous_id, user_id)) FROM events WHERE type = 'identified'",
      "SELECT count(*) FROM identities",
    ],
    [
      "joined rows of each variant, with and without an outcome, and their value",
      "SELECT count(*), count(converted_at), coalesce(sum(value), 0) * 100 FROM joined GROUP BY variant ORDER BY variant",
      `SELECT count(*), count(c.converted_at), coalesce(sum(c.value_minor), 0) ${JOINED} GROUP BY e.variant ORDER BY e.variant`,
    ],
  ];
  for (const [what, theirs, ours] of CASES) {
    test(what, async () => {
      const wanted = await inRecord(ours);
      assert.ok(wanted.length > 0 && wanted.every(([count]) => count > 0), JSON.stringify(wanted));
      assert.deepEqual(await inWarehouse(theirs), wanted);
    });
  }

  test("the archive holds events twice, and partitions by day and hour", async () => {
    const [[lines, ids]] = await inWarehouse('SELECT count(*), count(DISTINCT (id, "at", value, variant)) FROM events');
    assert.ok(lines > ids, `${lines} lines, ${ids} events`);
    const [[day, hours]] = await inWarehouse("SELECT count(DISTINCT dt), count(DISTINCT hour) FROM events");
    assert.ok(day >= 1 && hours >= 1);
  });
});
