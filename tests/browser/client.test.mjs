// client.js in a real browser against the running worker: a click becomes a row, once, whatever happens on the way.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { at } from "../../scripts/setup.mjs";
import { BROWSER, until } from "../edge/client.mjs";
import { documentOf, treatment } from "../edge/documents.mjs";
import { startHarness } from "../edge/harness.mjs";
import { startOrigin } from "../edge/origin.mjs";
import { startChromium } from "./chromium.mjs";

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<script src="/_sortition/client.js"></script></head><body><h1>Welcome</h1>
<button id="buy" onclick="sortition.trackConversion('purchase', { value: 19.99, currency: 'EUR', transaction_id: order })">Buy</button>
<a id="leave" href="/p/next" onclick="sortition.trackConversion('leave', { transaction_id: order })">Leave</a></body></html>`;
const variants = [
  { id: "control", weight: 0 },
  { id: "bold", weight: 1, payload: { text: "Hello" }, rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] },
];
const DOCUMENT = documentOf([treatment([], { variants, expose: "origin" })], { bridge: "attribute" });

let origin;
let platform;
let browser;
before(async () => {
  origin = await startOrigin();
  for (const path of ["/", "/p/next"]) origin.serve(path, { body: PAGE });
  const change = (config) => Object.assign(config.vars, { INGEST_SECRET: "ingest-key" });
  platform = await startHarness({ origin: origin.url, document: DOCUMENT, change });
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  await platform?.close();
  await origin?.close();
});

const rows = (sql, ...values) => platform.rows(sql, ...values);
const conversions = (order) => rows("SELECT * FROM conversions WHERE transaction_id = ?", order);

/** A visitor on the shop's page, whose button buys an order of this number. */
async function visitor(order, { cookies = [], script } = {}) {
  const context = await browser.newContext({ userAgent: BROWSER });
  await context.addCookies(cookies.map((cookie) => ({ ...cookie, url: String(platform.url) })));
  const page = await context.newPage();
  await page.addInitScript(`window.order = ${JSON.stringify(order)}`);
  if (script) await page.addInitScript(script);
  const sent = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/_sortition/events")) sent.push(request.postData());
  });
  await page.goto(String(platform.url), { waitUntil: "load" });
  const id = (await context.cookies()).find(({ name }) => name === "sortition_id")?.value;
  return { context, page, sent, id };
}

test("a click becomes a row of this visitor", async () => {
  const { context, page, id } = await visitor("click-1");
  await page.locator("#buy").click();
  const [row] = await until(async () => {
    const found = await conversions("click-1");
    return found.length > 0 && found;
  }, "the row");
  assert.equal(row.anonymous_id, id);
  assert.deepEqual(
    [row.conversion_event, row.value_minor, row.currency, row.channel],
    ["purchase", 1999, "EUR", "page"],
  );
  await context.close();
});

test("the click that leaves the page is not lost", async () => {
  const { context, page, id } = await visitor("leave-1");
  await page.locator("#leave").click();
  await page.waitForURL("**/p/next");
  const [row] = await until(async () => {
    const found = await conversions("leave-1");
    return found.length > 0 && found;
  }, "the row");
  assert.deepEqual([row.anonymous_id, row.conversion_event], [id, "leave"]);
  await context.close();
});

test("the page reads its variant, its payload and its id; an exposure is told once a page", async () => {
  const { context, page, sent, id } = await visitor("read-1");
  const read = () => ({
    variant: sortition.variant("hero"),
    payload: sortition.payload("hero"),
    none: [sortition.variant("nothing"), sortition.variant("constructor"), sortition.payload("toString")],
    id: sortition.visitorId,
  });
  assert.deepEqual(await page.evaluate(read), {
    variant: "bold",
    payload: { text: "Hello" },
    none: [undefined, undefined, undefined],
    id,
  });
  await page.evaluate(() => {
    for (let times = 0; times < 3; times++) sortition.trackExposure({ experiment_id: "hero" });
    sortition.trackExposure({ experiment_id: "nothing" });
  });
  const exposures = () => rows("SELECT variant, reason FROM exposures WHERE anonymous_id = ?", id);
  await until(async () => (await exposures()).length > 0, "the exposure");
  assert.equal(sent.length, 1);
  assert.equal((await exposures())[0].variant, "bold");
  await context.close();
});

test("identify makes the visitor a user, with the proof of the shop's server", async () => {
  const { context, page, id } = await visitor("identify-1");
  const proof = createHmac("sha256", "ingest-key").update(`${id}.4711`).digest("hex");
  await page.evaluate((proof) => sortition.identify(4711, proof), proof);
  const found = () => rows("SELECT user_id FROM identities WHERE anonymous_id = ?", id);
  await until(async () => (await found()).length > 0, "the identification");
  assert.deepEqual(await found(), [{ user_id: "4711" }]);
  await context.close();
});

describe("what cannot be sent waits", () => {
  const waiting = (page) => page.evaluate(() => JSON.parse(localStorage.getItem("sortition_waiting") ?? "[]").length);

  test("offline: until the browser is back, and then it is one row", async () => {
    const { context, page, sent } = await visitor("offline-1");
    await context.setOffline(true);
    await page.locator("#buy").click();
    await page.locator("#buy").click();
    assert.equal(await waiting(page), 2);
    assert.equal(sent.length, 0);
    await context.setOffline(false);
    await until(async () => (await conversions("offline-1")).length > 0, "the row");
    assert.equal(await waiting(page), 0);
    assert.equal((await conversions("offline-1")).length, 1, "two reports of one order");
    await context.close();
  });

  test("offline: over a reload, with the time of the click", async () => {
    const { context, page } = await visitor("reload-1");
    await context.setOffline(true);
    const before = Date.now();
    await page.locator("#buy").click();
    const after = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await context.setOffline(false);
    await page.goto(`${platform.url}p/next`);
    await until(async () => (await conversions("reload-1")).length > 0, "the row");
    const [{ converted_at }] = await conversions("reload-1");
    const clicked = Date.parse(converted_at);
    // why: it is sent a second and a half after the click, and the page may take a while to hear of one
    assert.ok(before - 10 < clicked && clicked < after + 1000, `${converted_at}, not ${before} to ${after}`);
    assert.equal(await waiting(page), 0);
    await context.close();
  });

  test("a beacon that the browser refuses goes as a request that outlives the page", async () => {
    const script = "navigator.sendBeacon = () => false";
    const { context, page, sent } = await visitor("fetch-1", { script });
    await page.locator("#leave").click();
    await page.waitForURL("**/p/next");
    await until(async () => (await conversions("fetch-1")).length > 0, "the row");
    assert.equal(sent.length, 1);
    await context.close();
  });

  test("a worker that fails is asked again by the next page", async () => {
    const script = "navigator.sendBeacon = () => false";
    const { context, page } = await visitor("fails-1", { script });
    await page.route("**/_sortition/events", (route) => route.fulfill({ status: 503, body: "" }));
    await page.locator("#buy").click();
    await until(async () => (await waiting(page)) === 1, "the report to wait");
    await page.unroute("**/_sortition/events");
    await page.reload();
    await until(async () => (await conversions("fails-1")).length > 0, "the row");
    assert.equal(await waiting(page), 0);
    await context.close();
  });
});

test("without consent nothing is assigned and nothing kept, with it everything is", async () => {
  const consent = { cookie: "consent", granted: ["granted"] };
  await platform.env.CONFIG.put("config", JSON.stringify({ ...DOCUMENT, revision: "asks", consent }));
  await until(async () => (await platform.health()).config_revision === "asks", "the document");
  const cookies = [{ name: "sortition_id", value: "someone-without-consent" }];
  const without = await visitor("refused-1", { cookies });
  assert.equal(await without.page.evaluate(() => sortition.variant("hero")), undefined);
  await without.page.locator("#buy").click();
  await until(() => without.sent.length === 1, "the report");
  await without.context.close();

  const granted = [{ name: "consent", value: "granted" }];
  const given = await visitor("granted-1", { cookies: granted });
  assert.equal(await given.page.evaluate(() => sortition.variant("hero")), "bold");
  await given.page.locator("#buy").click();
  await until(async () => (await conversions("granted-1")).length > 0, "the row");
  assert.deepEqual(await conversions("refused-1"), []);
  await given.context.close();
});

test("the script is under 2 KB, and its types name everything that it offers", async () => {
  const script = await platform.ask("/_sortition/client.js");
  assert.ok(gzipSync(script.text, { level: 9 }).length < 2048);
  const { context, page } = await visitor("types-1");
  const offered = await page.evaluate(() => Object.keys(sortition).sort());
  const types = readFileSync(at("src", "edge", "client.d.ts"), "utf8");
  const described = /interface Sortition \{([\s\S]*?)\n\}/.exec(types)[1].matchAll(/^ {2}(?:readonly )?(\w+)[<(:]/gm);
  assert.deepEqual(Array.from(described, ([, name]) => name).sort(), offered);
  await context.close();
});
