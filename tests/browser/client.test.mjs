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

  // why: a conversion counts for an exposure that was before it
  test("offline: what was met keeps its time, and stays before what came of it", async () => {
    const { context, page, id } = await visitor("order-1");
    await context.setOffline(true);
    await page.evaluate(() => sortition.trackExposure({ experiment_id: "hero" }));
    await page.locator("#buy").click();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await context.setOffline(false);
    const [{ converted_at }] = await until(async () => {
      const found = await conversions("order-1");
      return found.length > 0 && found;
    }, "the row");
    const { exposed_at } = await platform.row("SELECT exposed_at FROM exposures WHERE anonymous_id = ?", id);
    assert.ok(exposed_at <= converted_at, `exposed ${exposed_at}, converted ${converted_at}`);
    await context.close();
  });

  for (const [what, answer] of [
    ["a worker that fails", (route) => route.fulfill({ status: 503, body: "" })],
    ["a worker that has too much to do", (route) => route.fulfill({ status: 429, body: "" })],
    ["a network that fails while the browser takes it for good", (route) => route.abort()],
  ]) {
    test(`${what} is asked again by the next page`, async () => {
      const order = `again-${what}`;
      const { context, page } = await visitor(order);
      await page.route("**/_sortition/events", answer);
      await page.locator("#buy").click();
      await until(async () => (await waiting(page)) === 1, "the report to wait");
      await page.unroute("**/_sortition/events");
      await page.reload();
      await until(async () => (await conversions(order)).length > 0, "the row");
      assert.equal(await waiting(page), 0);
      await context.close();
    });
  }

  test("a browser whose requests end with the page sends a beacon", async () => {
    const script = `delete Request.prototype.keepalive;
      const { sendBeacon } = navigator;
      navigator.sendBeacon = (...given) => { window.beacons = (window.beacons ?? 0) + 1; return sendBeacon.apply(navigator, given); };`;
    const { context, page, sent } = await visitor("beacon-1", { script });
    await page.locator("#buy").click();
    await until(async () => (await conversions("beacon-1")).length > 0, "the row");
    assert.deepEqual([await page.evaluate(() => window.beacons), sent.length], [1, 1]);
    await context.close();
  });

  for (const [what, script] of [
    ["full", `Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); }`],
    [
      "blocked",
      `Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } })`,
    ],
  ]) {
    test(`where the storage is ${what}, in the page itself`, async () => {
      const { context, page } = await visitor(`storage-${what}`, { script });
      await context.setOffline(true);
      await page.locator("#buy").click();
      await context.setOffline(false);
      await until(async () => (await conversions(`storage-${what}`)).length > 0, "the row");
      await context.close();
    });
  }

  test("one after the other: where nothing arrives, one attempt a page", async () => {
    const { context, page, sent } = await visitor("many-1");
    await context.setOffline(true);
    await page.evaluate(() => {
      for (const n of [1, 2, 3]) sortition.trackConversion("many", { transaction_id: `many-1-${n}` });
    });
    await page.route("**/_sortition/events", (route) => route.abort());
    await context.setOffline(false);
    await page.reload();
    await until(() => sent.length > 0, "an attempt");
    const before = sent.length;
    await page.reload();
    await until(async () => sent.length > before && (await waiting(page)) === 3, "another");
    assert.ok(sent.length <= before + 2, `${sent.length} after ${before}`);
    await page.unroute("**/_sortition/events");
    await page.reload();
    const come = () => rows("SELECT 1 FROM conversions WHERE transaction_id LIKE 'many-1-%'");
    await until(async () => (await come()).length === 3, "the rows");
    assert.equal(await waiting(page), 0);
    await context.close();
  });

  test("and is nobody else's: whoever has the browser by then", async () => {
    const { context, page, id } = await visitor("swapped-1");
    await context.setOffline(true);
    await page.locator("#buy").click();
    await context.clearCookies();
    await context.setOffline(false);
    await page.goto(String(platform.url));
    await page.evaluate(() => sortition.trackConversion("other", { transaction_id: "swapped-2" }));
    const row = await platform.row("SELECT anonymous_id FROM conversions WHERE transaction_id = ?", "swapped-2");
    assert.notEqual(row.anonymous_id, id);
    assert.deepEqual(await conversions("swapped-1"), []);
    assert.equal(await waiting(page), 0);
    await context.close();
  });

  test("whatever stands in its place", async () => {
    const { context, page } = await visitor("garbage-1");
    const errors = [];
    page.on("pageerror", (error) => errors.push(error));
    for (const text of ["{}", "5", "null", "[null,5]", "[", '"x"']) {
      await page.evaluate((text) => localStorage.setItem("sortition_waiting", text), text);
      await page.reload();
    }
    await page.locator("#buy").click();
    await until(async () => (await conversions("garbage-1")).length > 0, "the row");
    assert.deepEqual(errors, []);
    await context.close();
  });
});

// why: Chromium renders nothing ahead while somebody drives it
test("a page that the browser renders ahead reports once it is shown, and nothing if it never is", async () => {
  const script = `let ahead = true;
    Object.defineProperty(document, "prerendering", { get: () => ahead });
    window.show = () => { ahead = false; document.dispatchEvent(new Event("prerenderingchange")); };`;
  const { context, page, sent, id } = await visitor("ahead-1", { script });
  await page.evaluate(() => sortition.trackExposure({ experiment_id: "hero" }));
  await page.locator("#buy").click();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(sent, []);
  const shown = Date.now();
  await page.evaluate(() => window.show());
  const { exposed_at } = await platform.row("SELECT exposed_at FROM exposures WHERE anonymous_id = ?", id);
  const { converted_at } = await platform.row(
    "SELECT converted_at FROM conversions WHERE transaction_id = ?",
    "ahead-1",
  );
  for (const at of [exposed_at, converted_at]) assert.ok(Date.parse(at) >= shown - 10, `${at}, shown at ${shown}`);
  assert.equal(sent.length, 2);
  await context.close();
});

test("whatever a page hands over, its own work goes on", async () => {
  const { context, page, sent } = await visitor("odd-1");
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  await page.evaluate(() => {
    const circle = {};
    circle.inside = circle;
    sortition.trackConversion("odd", { value: 10n });
    sortition.trackConversion("odd", { properties: circle });
    sortition.trackConversion("odd", {
      get value() {
        throw new Error("no value");
      },
    });
    sortition.trackExposure({ experiment_id: "theirs", variant: 0 });
  });
  await until(() => sent.length > 0, "the exposure");
  assert.equal(complaints.filter((text) => text.startsWith("sortition:")).length, 3, complaints.join("\n"));
  // why: other tools number their variants
  assert.deepEqual(
    sent.map((body) => JSON.parse(body).events[0].variant),
    ["0"],
  );
  await context.close();
});

test("in frames: one in a sandbox has no id, one that is a text has its page's; neither fails at anything", async () => {
  const module = `<script type=module src='/_sortition/client.js'></script>`;
  const frames = `<iframe sandbox="allow-scripts" src="/"></iframe><iframe srcdoc="${module}"></iframe>`;
  origin.serve("/framing", { body: `<!doctype html><title>Shop</title>${frames}` });
  const { context, page, id } = await visitor("framed-1");
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(new URL("/framing", platform.url).href, { waitUntil: "load" });
  const tell = () => {
    sortition.trackConversion("framed", { transaction_id: "framed-1" });
    return sortition.visitorId;
  };
  const [, ...framed] = page.frames();
  assert.deepEqual(await Promise.all(framed.map((frame) => frame.evaluate(tell))), [undefined, id]);
  const row = await platform.row("SELECT anonymous_id FROM conversions WHERE transaction_id = ?", "framed-1");
  assert.deepEqual([row.anonymous_id, errors], [id, []]);
  await context.close();
});

// why: the worker counts a report's time from when it was sent. A conversion right after an exposure must not be before it
test("what happens and when it is sent is one reading of the clock", async () => {
  const { context, page, sent } = await visitor("clock-1");
  await page.evaluate(() => {
    sortition.trackExposure({ experiment_id: "hero" });
    sortition.trackConversion("clock");
  });
  await until(() => sent.length === 2, "both reports");
  for (const { sent_at, events } of sent.map((body) => JSON.parse(body))) {
    assert.equal(events[0].exposed_at ?? events[0].converted_at, sent_at);
  }
  await context.close();
});

test("a bundle that has the script in it reports to the page's own host", async () => {
  const script = await platform.ask("/_sortition/client.js");
  const page = PAGE.replace('"/_sortition/client.js"', '"https://cdn.example/bundle.js"');
  origin.serve("/bundled", { body: page });
  const { context, page: shown } = await visitor("bundled-1");
  await shown.route("https://cdn.example/**", (route) =>
    route.fulfill({ contentType: "text/javascript", body: script.text }),
  );
  await shown.goto(new URL("/bundled", platform.url).href);
  await shown.locator("#buy").click();
  await until(async () => (await conversions("bundled-1")).length > 0, "the row");
  await context.close();
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

test("what cannot be sent before consent is not kept either", async () => {
  const consent = { cookie: "consent", granted: ["no, thanks", "granted"], mode: "hold" };
  await platform.env.CONFIG.put("config", JSON.stringify({ ...DOCUMENT, revision: "holds", consent }));
  await until(async () => (await platform.health()).config_revision === "holds", "the document");
  const { context, page } = await visitor("held-1");
  const waiting = () => page.evaluate(() => localStorage.getItem("sortition_waiting"));
  await context.setOffline(true);
  await page.locator("#buy").click();
  assert.equal(await waiting(), null);
  await page.evaluate(() => {
    // biome-ignore lint/suspicious/noDocumentCookie: as banners do it
    document.cookie = "consent=granted; path=/";
    window.order = "held-2";
  });
  await page.locator("#buy").click();
  assert.notEqual(await waiting(), null);
  await context.setOffline(false);
  await until(async () => (await conversions("held-2")).length > 0, "the row");
  assert.deepEqual(await conversions("held-1"), []);
  await context.close();
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
