// What the tool says that an experiment costs: the price list times what was counted, and nothing left out.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { cost as counted } from "../../bench/cost.mjs";
import { at } from "../../scripts/setup.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { tool } from "./metrics.mjs";

const read = (name) => JSON.parse(readFileSync(at("src/cli/sizing", name), "utf8"));
const PRICES = read("prices.json");
const MEASURED = read("measured.json");
const HALF = ["control", "bold"].map((id) => ({ id, weight: 50 }));
const OF_PAGES = ["requests", "cpu_ms", "kv_reads"];

test("a day of a shop is counted: what docs/cost.md says comes out of it", async () => {
  const VISITORS = 34;
  const { data, text } = await counted({ visitors: VISITORS, wait: 1 });
  const views = VISITORS * 5;
  for (const [name, { counts, exposures }] of Object.entries(data.days)) {
    assert.deepEqual(
      Object.keys(PRICES.per_million).filter((kind) => !(kind in counts)),
      [],
    );
    // two of them buy
    assert.equal(counts.requests, views + 2, name);
    assert.ok(counts.messages > 0 && counts.queue_operations === 3 * counts.messages, JSON.stringify(counts));
    assert.ok(counts.r2_class_a >= 2 && counts.cpu_ms > 0, JSON.stringify(counts));
    const rows = counts.d1_rows_written / exposures;
    if (name === "with") assert.ok(rows >= 3 && rows < 3.5, `${rows} rows an exposure`);
    else assert.equal(counts.d1_rows_written + counts.d1_rows_read, 0);
  }
  assert.match(text, /^\| D1 rows written \| [\d,]+ \| 3\.\d\d \| 0 \| 0\.00 \|$/m);
});

test("plan --cost: every count has a price, and the record is what costs", () => {
  const folder = mkdtempSync(join(tmpdir(), "sortition-cost-"));
  const file = join(folder, "document.json");
  writeFileSync(file, JSON.stringify(documentOf([experiment({ variants: HALF })])));
  const asked = ["plan", file, "hero", "--baseline", "0.03", "--daily", "40000", "--mde", "0.05"];
  try {
    const { cost } = JSON.parse(tool(...asked, "--cost", "--json").stdout);
    assert.equal(cost.prices, PRICES.read_on);
    const sum = (counts, ofPages) =>
      Object.entries(counts)
        .filter(([kind]) => OF_PAGES.includes(kind) === ofPages)
        .reduce((total, [kind, count]) => total + (count * PRICES.per_million[kind]) / 1e6, 0);
    const share = cost.exposures / MEASURED.exposures;
    const near = (told, wanted) => assert.ok(Math.abs(told / wanted - 1) < 1e-9, `${told} is not ${wanted}`);
    near(cost.with_d1, sum(MEASURED.with_d1, false) * share);
    near(cost.without_d1, sum(MEASURED.without_d1, false) * share);
    near(cost.million_page_views, (sum(MEASURED.without_d1, true) * 1e6) / MEASURED.page_views);
    const million = (cost.with_d1 / cost.exposures) * 1e6;
    assert.ok(million > (cost.without_d1 / cost.exposures) * 1e6 && million < 6, `three rows an exposure: ${million}`);
    assert.match(tool(...asked, "--cost").stdout, /exposures cost \d+\.\d\d USD with D1/);
    assert.equal(JSON.parse(tool(...asked, "--json").stdout).cost, null, "only where it is asked for");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
