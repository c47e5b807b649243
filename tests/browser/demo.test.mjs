// The demo in a real browser: what a visitor sees, from the first byte to the reload.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startShop } from "../../demo/shop.mjs";
import { at } from "../../scripts/setup.mjs";
import { ask, BROWSER, until } from "../edge/client.mjs";
import { startHarness } from "../edge/harness.mjs";
import { startChromium } from "./chromium.mjs";

const DOCUMENT = JSON.parse(readFileSync(at("fixtures/demo/experiments.json"), "utf8"));
const HERO = DOCUMENT.experiments.find((experiment) => experiment.id === "hero");
const HEADLINE = HERO.variants
  .find((variant) => variant.id === "bold")
  .rewrite.find((step) => step.select === "#hero-title").value;

let shop;
let platform;
let browser;
let original;
before(async () => {
  shop = await startShop({ port: 0 });
  platform = await startHarness({ origin: shop.url, document: DOCUMENT });
  browser = await startChromium();
  original = (await ask(new URL(shop.url), "/")).text.match(/<h1 id="hero-title">([^<]*)</)[1];
  mkdirSync(at("target", "screenshots"), { recursive: true });
});
after(async () => {
  await browser?.close();
  await platform?.close();
  await shop?.close();
});

/** A visitor of a variant: new browser contexts until one is assigned to it. */
async function visitorOf(variant) {
  for (let tries = 0; tries < 40; tries++) {
    // why: without a window Chromium calls itself HeadlessChrome, which is a crawler's name
    const context = await browser.newContext({ userAgent: BROWSER, viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    await page.addInitScript(watchHeadline);
    const response = await page.goto(String(platform.url), { waitUntil: "load" });
    if (response.headers()["sortition-variants"] === `hero=${variant}`) return { context, page, response };
    await context.close();
  }
  throw new Error(`none of 40 visitors got ${variant}`);
}

/** In the page: writes down every text that the headline ever has, from before the first script on. */
function watchHeadline() {
  window.headlines = [];
  const note = () => {
    const text = document.querySelector("#hero-title")?.textContent;
    if (text && window.headlines.at(-1) !== text) window.headlines.push(text);
  };
  new MutationObserver(note).observe(document, { childList: true, subtree: true, characterData: true });
  addEventListener("load", note);
}

const headline = (page) => page.locator("#hero-title").textContent();

for (const variant of ["control", "bold"]) {
  test(`${variant}: the first visit and the reload show the same headline, without flicker`, async () => {
    const expected = variant === "bold" ? HEADLINE : original;
    const { context, page, response } = await visitorOf(variant);
    assert.ok((await response.text()).includes(`<h1 id="hero-title">${expected}</h1>`), "it is in the very first HTML");
    assert.equal(await headline(page), expected);
    // one frame later it would have changed, if anything in the page changed it
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    assert.deepEqual(await page.evaluate(() => window.headlines), [expected], "the headline never had another text");
    await page.screenshot({ path: join(at("target", "screenshots"), `home-${variant}.png`) });

    const before = await context.cookies();
    for (let visit = 0; visit < 3; visit++) {
      const again = await page.reload({ waitUntil: "load" });
      assert.ok([200, 304].includes(again.status()));
      assert.equal(await headline(page), expected);
      assert.deepEqual(await page.evaluate(() => window.headlines), [expected]);
    }
    const ours = (cookies) =>
      cookies.filter(({ name }) => name.startsWith("sortition_")).map(({ name, value }) => `${name}=${value}`);
    assert.deepEqual(ours(await context.cookies()), ours(before), "no cookie was made anew");
    await context.close();
  });
}

test("the cookies are as specified, and the page reads the id but not the assignments", async () => {
  const { context, page } = await visitorOf("bold");
  const cookies = Object.fromEntries((await context.cookies()).map((cookie) => [cookie.name, cookie]));
  const id = cookies.sortition_id;
  assert.match(id.value, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual([id.path, id.sameSite, id.httpOnly, id.secure], ["/", "Lax", false, false]);
  assert.equal(id.domain, platform.url.hostname);
  const days = (id.expires - Date.now() / 1000) / 86_400;
  assert.ok(Math.abs(days - 365) < 1, `it lives for ${days} days`);
  const assignments = cookies.sortition_as;
  assert.deepEqual([assignments.path, assignments.sameSite, assignments.httpOnly], ["/", "Lax", true]);
  const visible = await page.evaluate(() => document.cookie);
  assert.ok(visible.includes(`sortition_id=${id.value}`));
  assert.ok(!visible.includes("sortition_as"));
  await context.close();
});

test("the treated call to action leads where the document says", async () => {
  const { context, page } = await visitorOf("bold");
  await page.locator("#hero-cta").click();
  await page.waitForURL("**/p/tarn-2-tent");
  assert.match(await page.locator("h1").first().textContent(), /Tarn 2/);
  await context.close();
});

test("without scripts the page is the same", async () => {
  const { context, page } = await visitorOf("bold");
  const plain = await browser.newContext({
    userAgent: BROWSER,
    javaScriptEnabled: false,
    storageState: await context.storageState(),
  });
  const bare = await plain.newPage();
  await bare.goto(String(platform.url));
  assert.equal(await headline(bare), await headline(page));
  await plain.close();
  await context.close();
});

test("what the browser met is in the record", async () => {
  const { context } = await visitorOf("bold");
  const { value } = (await context.cookies()).find(({ name }) => name === "sortition_id");
  const row = () =>
    platform.env.LEDGER.prepare("SELECT variant, device, browser FROM exposures WHERE anonymous_id = ?")
      .bind(value)
      .first();
  await until(row, "the exposure in D1");
  assert.deepEqual(await row(), { variant: "bold", device: "desktop", browser: "chrome" });
  await context.close();
});

test("on a phone nothing runs out of the screen", async () => {
  const context = await browser.newContext({
    userAgent: BROWSER,
    viewport: { width: 390, height: 844 },
    isMobile: true,
    deviceScaleFactor: 2,
  });
  const page = await context.newPage();
  await page.goto(String(platform.url), { waitUntil: "load" });
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.ok(overflow <= 0, `${overflow} pixels too wide`);
  await page.screenshot({ path: join(at("target", "screenshots"), "home-phone.png") });
  await context.close();
});
