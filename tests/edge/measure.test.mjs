// What outsiders report, through the built worker into D1 and R2: pages, servers, Shopify; and what is not stored.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { until } from "./client.mjs";
import { documentOf, treatment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const DOCUMENT = documentOf([treatment([{ select: "h1", do: "set_text", value: "Hello" }])]);
const SECRETS = { INGEST_SECRET: "ingest-key", SHOPIFY_WEBHOOK_SECRET: "shopify-key" };

let origin;
let platform;
before(async () => {
  origin = await startOrigin();
  platform = await startHarness({
    origin: origin.url,
    document: DOCUMENT,
    change: (config) => Object.assign(config.vars, SECRETS),
  });
});
after(async () => {
  await platform.close();
  await origin.close();
});

const rows = async (sql, ...values) =>
  (
    await platform.env.LEDGER.prepare(sql)
      .bind(...values)
      .all()
  ).results;
const row = async (sql, ...values) => until(async () => (await rows(sql, ...values))[0], `a row of ${sql} ${values}`);
const at = (path) => `/_sortition/${path}`;
const json = (body) => (typeof body === "string" ? body : JSON.stringify(body));

const page = (visitor, events, headers = {}) =>
  platform.ask(at("events"), {
    method: "POST",
    body: json(Array.isArray(events) ? { events } : events),
    cookie: visitor && `sortition_id=${visitor}`,
    headers: { "Content-Type": "text/plain;charset=UTF-8", ...headers },
  });

const signature = (body, { key = SECRETS.INGEST_SECRET, t = Math.floor(Date.now() / 1000) } = {}) =>
  `t=${t},v1=${createHmac("sha256", key).update(`${t}.${body}`).digest("hex")}`;

function server(events, signed = signature) {
  const body = json({ events });
  const header = typeof signed === "function" ? signed(body) : signed;
  const headers = { "Content-Type": "application/json", ...(header && { "Sortition-Signature": header }) };
  return platform.ask(at("conversions"), { method: "POST", body, headers });
}

function shopify(topic, payload, key = SECRETS.SHOPIFY_WEBHOOK_SECRET) {
  const body = json(payload);
  const tag = createHmac("sha256", key).update(body).digest("base64");
  const headers = { "Content-Type": "application/json", "X-Shopify-Topic": topic, "X-Shopify-Hmac-SHA256": tag };
  return platform.ask(at("webhooks/shopify"), { method: "POST", body, headers });
}

function refused(answer, status, words = "") {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  const problem = JSON.parse(answer.text);
  assert.equal(problem.status, status);
  assert.ok(problem.detail.includes(words), problem.detail);
}

const purchase = { type: "experiment_converted", conversion_event: "purchase" };

describe("POST events", () => {
  test("a conversion of the cookie's visitor becomes a row, whatever visitor its body names", async () => {
    const answer = await page("page-visitor-1", [
      {
        ...purchase,
        anonymous_id: "someone-else-1",
        value: 19.99,
        currency: "EUR",
        transaction_id: "P-1",
        properties: { size: "XL" },
      },
    ]);
    assert.equal(answer.status, 202, answer.text);
    const stored = await row("SELECT * FROM conversions WHERE transaction_id = 'P-1'");
    assert.equal(stored.anonymous_id, "page-visitor-1");
    assert.deepEqual([stored.value_minor, stored.currency, stored.channel], [1999, "EUR", "page"]);
    assert.deepEqual(JSON.parse(stored.properties), { size: "XL" });
  });

  test("an exposure counts for the visitor's own variant and for no other", async () => {
    const visit = await platform.ask("/p/none", { cookie: "sortition_id=exposed-visitor" });
    assert.ok(visit);
    const told = await platform.ask("/", { cookie: "sortition_id=exposed-visitor-2" });
    const variant = /hero=(\w+)/.exec(told.headers["sortition-variants"])[1];
    const other = variant === "bold" ? "control" : "bold";
    const exposure = (name) => [{ type: "experiment_exposed", experiment_id: "hero", variant: name }];
    assert.equal((await page("exposed-visitor-2", exposure(variant))).status, 202);
    refused(await page("exposed-visitor-2", exposure(other)), 400, "events[0].variant");
    refused(await page("exposed-visitor-2", exposure("none")), 400, "events[0].variant");
    refused(
      await page("exposed-visitor-2", [{ type: "experiment_exposed", experiment_id: "nothing", variant }]),
      400,
      "events[0].experiment_id",
    );
    await row("SELECT * FROM exposures WHERE anonymous_id = 'exposed-visitor-2'");
    const met = await rows(
      "SELECT v.variant FROM exposure_variants v JOIN exposures e ON e.id = v.exposure_id WHERE anonymous_id = 'exposed-visitor-2'",
    );
    assert.deepEqual(met, [{ variant }]);
  });

  test("an identification becomes a row", async () => {
    assert.equal((await page("identified-1", [{ type: "identified", user_id: "user-77" }])).status, 202);
    const stored = await row("SELECT * FROM identities WHERE anonymous_id = 'identified-1'");
    assert.equal(stored.user_id, "user-77");
  });

  test("what is refused", async () => {
    refused(await page(undefined, [purchase]), 400, "cookie sortition_id");
    refused(await page("refused-1", ""), 400, "empty");
    refused(await page("refused-1", "{"), 400, "not JSON");
    refused(await page("refused-1", {}), 400, "events: it is missing");
    refused(await page("refused-1", [{ ...purchase, value: "x" }]), 400, "events[0].value");
    refused(await page("refused-1", [{ ...purchase, user_id: "a@b.example" }]), 400, "events[0].user_id");
    refused(await page("refused-1", "x".repeat(65537)), 413, "64 KiB");
    refused(await page("refused-1", [purchase], { "Sec-Fetch-Site": "cross-site" }), 403);
    refused(await page("refused-1", [purchase], { Origin: "https://evil.example" }), 403);
    refused(await page("refused-1", [purchase], { Origin: "null" }), 403);
    refused(await page("refused-1", [purchase], { "Content-Type": "application/x-www-form-urlencoded" }), 415);
    const got = await platform.ask(at("events"));
    refused(got, 405);
    assert.equal(got.headers.allow, "POST");
    assert.equal((await page("refused-1", [purchase], { "Sec-Fetch-Site": "same-origin" })).status, 202);
  });
});

describe("POST conversions", () => {
  test("a signed outcome becomes a row; the same signature is refused, and the same order stays one row", async () => {
    const events = [
      { ...purchase, anonymous_id: "server-visitor", value: "5.50", currency: "EUR", transaction_id: "S-1" },
    ];
    const header = signature(json({ events }));
    assert.equal((await server(events, header)).status, 202);
    refused(await server(events, header), 401, "used before");
    assert.equal((await server([{ ...events[0], value: 7 }])).status, 202);
    await row("SELECT * FROM conversions WHERE transaction_id = 'S-1'");
    assert.equal((await rows("SELECT * FROM conversions WHERE transaction_id = 'S-1'")).length, 1);
  });

  test("a server's word stands over a page's, whichever comes first", async () => {
    const order = { ...purchase, currency: "EUR", transaction_id: "S-2" };
    await server([{ ...order, anonymous_id: "server-visitor-2", value: 100 }]);
    await row("SELECT * FROM conversions WHERE transaction_id = 'S-2'");
    await page("forger-visitor", [
      { ...order, value: 1, converted_at: "2026-11-20T00:00:00Z" },
      { ...purchase, transaction_id: "S-3" },
    ]);
    await row("SELECT * FROM conversions WHERE transaction_id = 'S-3'");
    const stored = await row("SELECT * FROM conversions WHERE transaction_id = 'S-2'");
    assert.deepEqual([stored.anonymous_id, stored.value_minor], ["server-visitor-2", 10000]);
  });

  test("the end of an experiment becomes a row", async () => {
    await server([{ type: "experiment_ended_early", experiment_id: "hero", ended_reason: "guardrail" }]);
    assert.equal((await row("SELECT * FROM endings")).ended_reason, "guardrail");
  });

  test("what is refused", async () => {
    const events = [{ ...purchase, anonymous_id: "server-visitor" }];
    refused(await server(events, ""), 401);
    refused(await server(events, "t=1,v1=00"), 401);
    refused(await server(events, (body) => signature(body, { key: "other" })), 401);
    refused(
      await server(events, (body) => signature(body, { t: Math.floor(Date.now() / 1000) - 301 })),
      401,
      "five minutes",
    );
    refused(await server(events, () => signature("{}")), 401);
    refused(await server([purchase]), 400, "events[0].anonymous_id");
  });
});

describe("POST webhooks/shopify", () => {
  test("a paid order and its refund", async () => {
    const order = {
      id: 1001,
      total_price: "40.00",
      currency: "EUR",
      processed_at: "2026-11-21T08:00:00Z",
      note_attributes: [{ name: "sortition_id", value: "shopify-visitor" }],
    };
    assert.equal((await shopify("orders/paid", order)).status, 202);
    const stored = await row("SELECT * FROM conversions WHERE transaction_id = '1001'");
    assert.deepEqual(
      [stored.anonymous_id, stored.value_minor, stored.conversion_event],
      ["shopify-visitor", 4000, "purchase"],
    );
    const refund = {
      id: 9,
      order_id: 1001,
      created_at: "2026-11-21T09:00:00Z",
      transactions: [{ kind: "refund", status: "success", amount: "4.00", currency: "EUR" }],
    };
    assert.equal((await shopify("refunds/create", refund)).status, 202);
    const back = await row("SELECT * FROM conversions WHERE refund_of = '1001'");
    assert.deepEqual([back.value_minor, back.conversion_event], [-400, "refund"]);
    assert.equal((await shopify("products/update", {})).status, 202);
    refused(await shopify("orders/paid", order, "other"), 401);
    refused(await platform.ask(at("webhooks/shopify"), { method: "POST", body: "{}" }), 401);
    refused(await shopify("orders/paid", { id: 1 }), 400);
  });
});

describe("GET client.js", () => {
  test("is small, cacheable and has a validator", async () => {
    const answer = await platform.ask(at("client.js"));
    assert.equal(answer.status, 200);
    assert.match(answer.headers["content-type"], /^text\/javascript/);
    assert.match(answer.headers["cache-control"], /max-age=\d+/);
    assert.match(answer.text, /sendBeacon/);
    const { gzipSync } = await import("node:zlib");
    assert.ok(gzipSync(answer.text, { level: 9 }).length < 2048);
    const again = await platform.ask(at("client.js"), { headers: { "If-None-Match": answer.headers.etag } });
    assert.equal(again.status, 304);
    refused(await platform.ask(at("client.js"), { method: "POST", body: "{}" }), 405);
  });
});

describe("privacy", () => {
  test("addresses, user agents, query strings and e-mail addresses are stored nowhere", async () => {
    const secrets = ["203.0.113.77", "2001:db8::77", "SecretAgent/7", "q=secretquery", "carol@example.com"];
    const all = secrets.join(" ");
    const headers = {
      "CF-Connecting-IP": secrets[0],
      "X-Forwarded-For": secrets[1],
      "User-Agent": "Mozilla/5.0 SecretAgent/7",
      Referer: `https://shop.example/?${secrets[3]}`,
    };
    await platform.ask(`/?${secrets[3]}&mail=${secrets[4]}`, { cookie: "sortition_id=private-visitor-1", headers });
    const properties = Object.fromEntries(
      secrets.map((text, index) => [
        `p${index}`,
        text === "SecretAgent/7"
          ? `Mozilla/5.0 ${text}`
          : text === "q=secretquery"
            ? `https://a.example/?${text}`
            : text,
      ]),
    );
    const answer = await page(
      "private-visitor-1",
      [{ ...purchase, transaction_id: "private-order", properties: { ...properties, all } }],
      headers,
    );
    assert.equal(answer.status, 202, answer.text);
    await row("SELECT * FROM conversions WHERE transaction_id = 'private-order'");
    const tables = await rows(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%'",
    );
    let stored = "";
    for (const { name } of tables) stored += JSON.stringify(await rows(`SELECT * FROM "${name}"`));
    for (const { key } of (await platform.env.ARCHIVE.list()).objects)
      stored += await (await platform.env.ARCHIVE.get(key)).text();
    assert.ok(stored.includes("private-order") && stored.includes("[removed]"));
    for (const secret of secrets) assert.ok(!stored.includes(secret), secret);
    assert.doesNotMatch(stored, /Mozilla|[?&]q=/);
  });
});
