// What outsiders report, through the built worker into D1 and R2: pages, servers, Shopify; and what is not stored.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { documentOf, treatment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const DOCUMENT = documentOf([
  treatment([{ select: "h1", do: "set_text", value: "Hello" }]),
  treatment([], { id: "price", pages: ["/p/*"] }),
]);
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

const rows = (sql, ...values) => platform.rows(sql, ...values);
const row = (sql, ...values) => platform.row(sql, ...values);
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

  test("an identification becomes a row where the shop's server has signed it", async () => {
    const proof = (visitor) => createHmac("sha256", SECRETS.INGEST_SECRET).update(`${visitor}.user-77`).digest("hex");
    const claim = (proof) => [{ type: "identified", user_id: "user-77", proof }];
    refused(await page("identified-1", claim(undefined)), 400, "events[0].proof: it is missing");
    refused(await page("identified-1", claim(proof("identified-2"))), 400, "events[0].proof");
    assert.equal((await page("identified-1", claim(proof("identified-1")))).status, 202);
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
    refused(await page("refused-1", [purchase], { "Content-Encoding": "gzip" }), 415, "Content-Encoding");
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
    refused(await shopify("orders/paid", { ...order, total_price: null }), 400, "total_price");
    assert.equal((await shopify("orders/paid", { ...order, note_attributes: null })).status, 202);
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
    const [v4, v6, agent, query, mail] = secrets;
    const all = `Mozilla/5.0 ${secrets.join(" ")}`;
    const visitor = "private-visitor-1";
    const headers = {
      "CF-Connecting-IP": v4,
      "X-Forwarded-For": v6,
      "User-Agent": `Mozilla/5.0 ${agent}`,
      Referer: `https://shop.example/search/${mail}?${query}`,
      Cookie: `sortition_id=${visitor}; mail=${mail}; last=${v4}`,
    };
    const cf = { country: "CH", city: "Bern", asn: 64500, asOrganization: all };
    // pages, with and without an experiment, whose origin says too much
    const tell = (_, response) => {
      response.writeHead(200, { "Content-Type": "text/html", "Sortition-User": mail, "Sortition-Expose": all });
      response.end("<h1>Hello</h1>");
    };
    for (const path of ["/", `/p/${mail}/${v4}`, "/account"]) {
      origin.on(path, tell);
      await platform.ask(`${path}?${query}&mail=${mail}`, { headers, cf });
    }
    const each = {
      v4,
      v6: [v6, { deep: `[${v6}]:443` }],
      agent: `Mozilla/5.0 ${agent}`,
      query: `https://a.example/?${query}`,
      mail,
      encoded: mail.replace("@", "%40"),
      all,
    };
    const order = (transaction_id) => ({ ...purchase, transaction_id, properties: each });
    const events = [order("private-page"), { type: "experiment_exposed", experiment_id: "hero", variant: "bold" }];
    const told = await page(visitor, events, headers);
    assert.equal(told.status, 202, told.text);
    const signed = await server([{ ...order("private-server"), anonymous_id: visitor }]);
    assert.equal(signed.status, 202, signed.text);
    const paid = {
      id: 7007,
      total_price: "1.00",
      currency: "EUR",
      email: mail,
      browser_ip: v4,
      note: all,
      landing_site: `/?${query}`,
      client_details: { browser_ip: v6, user_agent: `Mozilla/5.0 ${agent}` },
      customer: { email: mail, default_address: { address1: all } },
      note_attributes: [
        { name: "sortition_id", value: visitor },
        { name: "mail", value: mail },
      ],
    };
    assert.equal((await shopify("orders/paid", paid)).status, 202);
    // fields that are kept as they are refuse it
    for (const field of ["user_id", "conversion_event", "transaction_id"]) {
      for (const secret of [mail, v4, v6, `Mozilla/5.0 ${agent}`, `/?${query}`]) {
        refused(await page(visitor, [{ ...purchase, user_id: "u-1", [field]: secret }]), 400, `events[0].${field}`);
        const event = { ...purchase, anonymous_id: visitor, [field]: secret };
        refused(await server([event]), 400, `events[0].${field}`);
      }
    }
    refused(await page(visitor, [{ type: "identified", user_id: mail }]), 400, "events[0].user_id");
    const versions = { versions: { theme: mail } };
    refused(await page(visitor, [{ ...events[1], ...versions }]), 400, "events[0].versions");
    const ended = { type: "experiment_ended_early", experiment_id: "hero", ended_reason: `because of ${mail}` };
    refused(await server([ended]), 400, "events[0].ended_reason");

    for (const id of ["private-page", "private-server", "7007"])
      await row("SELECT * FROM conversions WHERE transaction_id = ?", id);
    await row("SELECT * FROM exposures WHERE anonymous_id = ?", visitor);
    const tables = await rows(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%'",
    );
    let stored = "";
    for (const { name } of tables) stored += JSON.stringify(await rows(`SELECT * FROM "${name}"`));
    for (const { key, text } of await platform.archived()) stored += `${key}\n${text}`;
    assert.ok(
      ["private-page", "private-server", "7007", '"/p/[removed]/[removed]"'].every((kept) => stored.includes(kept)),
    );
    for (const secret of secrets) assert.ok(!stored.includes(secret), secret);
    assert.doesNotMatch(stored, /Mozilla|[?&]q=|carol|@example|203\.0\.113|2001:db8/);
    for (const secret of secrets) assert.ok(!platform.log().includes(secret), `the log tells of ${secret}`);
  });
});
