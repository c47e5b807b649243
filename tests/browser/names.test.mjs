// Pages of results of experiments with the longest names that a document may have, and with names that are markup: nothing
// is cut off or wider than the screen, and no text is more than text.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { documentOf, experiment } from "../edge/documents.mjs";
import { tool } from "../edge/metrics.mjs";
import { startChromium } from "./chromium.mjs";

const long = (letter) => letter.repeat(64);
const MARKUP = `<script>document.title = "taken"</script>"'&<img src=x onerror="document.title='taken'">`;
const folder = mkdtempSync(join(tmpdir(), "sortition-names-"));
const DOCUMENT = documentOf(
  [
    experiment({
      id: long("a"),
      name: "N".repeat(200),
      owner: MARKUP,
      owners: { [MARKUP]: MARKUP },
      hypothesis: `${MARKUP} ${"W".repeat(300)}`,
      metrics: { primary: long("m"), secondary: ["revenue"] },
      analysis: { mde: 0.1 },
      variants: [
        { id: long("c"), weight: 1, name: MARKUP },
        { id: long("v"), weight: 1, name: "X".repeat(150), description: `${MARKUP}${"Y".repeat(200)}` },
      ],
    }),
  ],
  {
    metrics: {
      [long("m")]: { event: "purchase", kind: "proportion" },
      revenue: { event: "purchase", kind: "mean" },
    },
  },
);

/** Nine days of visitors, of whom every third or fifth buys. */
function* events() {
  const request = { host: "shop.example", path: "/", method: "GET", country: "<b>", browser: MARKUP };
  request.referrer_host = `${"h".repeat(200)}.example`;
  for (const [variant, nth] of [
    [long("c"), 5],
    [long("v"), 3],
  ])
    for (let n = 0; n < 300; n++) {
      const time = `2026-11-1${n % 9}T10:00:00.000Z`;
      const common = { project: "acme-shop", config_revision: "r1", at: time, anonymous_id: `${variant}-${n}` };
      const exposed = { experiment_id: long("a"), iteration: 1, variant, reason: "split", exposed_at: time, request };
      yield {
        type: "experiment_exposed",
        id: `x${variant}${n}`,
        ...common,
        ...exposed,
        versions: { [MARKUP]: MARKUP },
      };
      if (n % nth) continue;
      const bought = {
        conversion_event: "purchase",
        value: 10,
        currency: "EUR",
        converted_at: time,
        channel: "server",
      };
      yield { type: "experiment_converted", id: `c${variant}${n}`, ...common, ...bought, properties: {} };
    }
}

let browser;
const pages = new Map();
before(async () => {
  const file = join(folder, "experiments.json");
  writeFileSync(file, JSON.stringify(DOCUMENT));
  for (const [place, lines] of [
    ["events/dt=2026-11-19/hour=10", [...events()]],
    ["messages/dt=2026-11-19/hour=10", [{ source: "isolate-1", seq: 0 }]],
  ]) {
    mkdirSync(join(folder, place), { recursive: true });
    writeFileSync(join(folder, place, "a.ndjson"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }
  const from = ["--from", `duckdb:${folder}`, "--at", "2026-11-20T00:00:00Z", "--html", "-"];
  for (const [name, which] of [
    ["the board", []],
    ["the experiment", [long("a")]],
  ]) {
    const told = tool("readout", file, ...which, ...from);
    assert.equal(told.status, 0, told.stderr);
    pages.set(name, told.stdout);
  }
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

for (const name of ["the board", "the experiment"])
  for (const width of [320, 390, 1280])
    test(`${name} at ${width} pixels`, async () => {
      const context = await browser.newContext({ viewport: { width, height: 900 } });
      const page = await context.newPage();
      await page.setContent(pages.get(name));
      const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok((await wide()) <= width, `${await wide()} wide`);
      await page.evaluate(() => {
        for (const folded of document.querySelectorAll("details")) folded.open = true;
      });
      assert.ok((await wide()) <= width, `${await wide()} wide, unfolded`);
      assert.notEqual(await page.title(), "taken");
      assert.equal(await page.locator("script, img, b").count(), 0);
      assert.ok((await page.textContent("main")).includes(MARKUP), "it is shown as the text that it is");
      await context.close();
    });
