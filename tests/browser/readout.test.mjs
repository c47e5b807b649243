// The readout in a real browser, after a crowd came through the worker: every state of the page, light and dark, on a
// phone and on a desktop. The pictures are in target/screenshots.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { SPREAD, sendCrowd, withCrowd } from "../../demo/crowd.mjs";
import { startShop } from "../../demo/shop.mjs";
import { at } from "../../scripts/setup.mjs";
import { until } from "../edge/client.mjs";
import { startHarness } from "../edge/harness.mjs";
import { startChromium } from "./chromium.mjs";

const DOCUMENT = withCrowd(JSON.parse(readFileSync(at("fixtures/demo/experiments.json"), "utf8")));
const VISITORS = Number(process.env.CROWD ?? 8000);
const secrets = { ADMIN_TOKEN: "token", INGEST_SECRET: "ingest", SORTITION_SECRET: "signing" };
const SIZES = {
  small: { width: 320, height: 640 },
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 900 },
};
const PAGES = [
  "experiments",
  "experiments?status=needs+you&sort=lift",
  "experiments/hero",
  "experiments/lost-note",
  "experiments/discount",
  "experiments/express",
  "experiments/interactions",
  "experiments/programme",
];

let shop;
let platform;
let browser;
let crowd;
before(async () => {
  shop = await startShop({ port: 0 });
  platform = await startHarness({
    origin: shop.url,
    document: DOCUMENT,
    change: (config) => Object.assign(config.vars, secrets),
  });
  crowd = await sendCrowd({ url: platform.url, secret: secrets.INGEST_SECRET, visitors: VISITORS, seconds: 3 });
  const count = async (table) => (await platform.env.LEDGER.prepare(`SELECT count(*) AS n FROM ${table}`).first()).n;
  let seen;
  await until(
    async () => {
      seen = `${await count("exposures")} exposures and ${await count("conversions")} orders`;
      return seen === `${crowd.exposures} exposures and ${crowd.orders} orders`;
    },
    () => `${crowd.exposures} exposures and ${crowd.orders} orders, there are ${seen}`,
    120_000,
  );
  for (const sql of SPREAD) await platform.env.LEDGER.exec(sql);
  browser = await startChromium();
  mkdirSync(at("target", "screenshots"), { recursive: true });
});
after(async () => {
  await browser?.close();
  await platform?.close();
  await shop?.close();
});

async function open(path, { size = "desktop", colorScheme = "light" } = {}) {
  const context = await browser.newContext({
    viewport: SIZES[size],
    colorScheme,
    httpCredentials: { username: "", password: secrets.ADMIN_TOKEN },
  });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  // why: every pair of experiments is asked about every exposure of both, on a machine that does other things too
  const response = await page.goto(new URL(`/_sortition/${path}`, platform.url).href, { timeout: 120_000 });
  assert.equal(response.status(), 200);
  return { context, page, complaints };
}

test("every state is there: a winner, nothing found, a fault, a broken guardrail", async () => {
  const { context, page } = await open("experiments");
  const card = (name) => page.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
  const verdict = (name) => card(name).locator(".verdict").textContent();
  assert.match(await verdict(DOCUMENT.experiments[0].name), /^bold wins: purchase/);
  // why: the worker assigns as many as come in three seconds, so the interval is not the same in every run
  assert.match(
    await verdict("The same page twice"),
    /^(An effect of \+20\.0 % is excluded|No difference can be told yet): twin changes purchase by /,
  );
  assert.match(
    await verdict("A delivery note that some never get to see"),
    /^No winner is shown: [\d,]+ \/ [\d,]+ visitors where the weights promise/,
  );
  assert.equal(await card("A delivery note that some never get to see").getByText("✕ stop: Sample ratio").count(), 1);
  assert.match(await verdict("A discount in every basket"), /^Take half-price back: it breaks the guardrail revenue/);
  await page.getByRole("link", { name: "A discount in every basket" }).click();
  // A click does not wait for the page that it leads to; a count of nothing would be that of the page before.
  await page.waitForURL("**/experiments/discount");
  assert.equal(await page.getByText("✕ broken").count(), 1);
  await context.close();
});

for (const colorScheme of ["light", "dark"]) {
  for (const size of Object.keys(SIZES)) {
    test(`${size}, ${colorScheme}: nothing is cut off, unreadable or refused by the policy`, async () => {
      for (const path of PAGES) {
        const { context, page, complaints } = await open(path, { size, colorScheme });
        const name = `readout-${path.replaceAll(/[^a-z-]+/g, "-")}-${size}-${colorScheme}.png`;
        await page.screenshot({ path: join(at("target", "screenshots"), name), fullPage: true });
        assert.deepEqual(complaints, []);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= SIZES[size].width, `${path} is ${width} wide`);
        assert.deepEqual(await page.evaluate(faint), [], `${path}: text of too little contrast`);
        const unnamed = await page.evaluate(
          () => document.querySelectorAll("svg:not([aria-label]), [role=region]:not([aria-label])").length,
        );
        assert.equal(unnamed, 0);
        // why: folded parts are part of the page too
        await page.evaluate(() => {
          for (const folded of document.querySelectorAll("details")) folded.open = true;
        });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= SIZES[size].width, `${path} is ${wide} wide, unfolded`);
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
        assert.deepEqual(told, [], path);
        await context.close();
      }
    });
  }
}

test("everything is reached by keyboard, and the first stop leads past the top", async () => {
  const { context, page } = await open("experiments/hero");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "To the content");
  const stops = new Set();
  for (let n = 0; n < 40; n++) {
    stops.add(
      await page.evaluate(() => document.activeElement.textContent.slice(0, 30) + document.activeElement.tagName),
    );
    await page.keyboard.press("Tab");
  }
  for (const stop of ["ExperimentsA", "Lift of purchase so far, by daSUMMARY"]) assert.ok(stops.has(stop), stop);
  await context.close();
});

/** In the page: texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, AA). */
function faint() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parse(color).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((parse(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("title")) continue;
    const style = getComputedStyle(element);
    const [one, two] = [element instanceof SVGElement ? style.fill : style.color, behind(element)].map(light);
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (contrast < 4.5) found.push(`${element.textContent.slice(0, 40)} ${contrast.toFixed(2)}`);
  }
  return found;
}

// why: last of all, for from here on the guard has ended what it ends
test("after the schedule: a ramp that waits, two experiments side by side, a decision in the programme", async () => {
  await platform.worker.scheduled();
  const shows = async (path, text) => {
    await until(
      async () => {
        const { context, page } = await open(path);
        const said = await page.locator("main").innerText();
        await context.close();
        return text.test(said);
      },
      `${path} to say ${text}`,
      60_000,
    );
  };
  await shows("experiments/express", /waits for the step before to have run 168 hours/);
  await shows("experiments/interactions", /free-returns/);
  await shows("experiments/programme", /promise shipped/);
  await shows("experiments/delivery-promise", /Decided: promise ships\. It sells more/);
  await shows("experiments/discount", /Ended early/);
});
