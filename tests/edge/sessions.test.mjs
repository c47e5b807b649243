// An experiment by session, from the page to the readout: outcomes say in which session they happened, whether a page, a
// server or Shopify reports them.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { Jar, until } from "./client.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const DOCUMENT = documentOf(
  [
    experiment({
      unit: "session",
      metrics: { primary: "purchase" },
      variants: [
        { id: "control", weight: 1 },
        { id: "bold", weight: 1, rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] },
      ],
    }),
  ],
  { metrics: { purchase: { event: "purchase", kind: "proportion" } } },
);
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
  // why: while the worker starts it lets people pass
  await until(async () => (await platform.health()).status === "ok", "the worker to be ready");
});
after(async () => {
  await platform?.close();
  await origin?.close();
});

const post = (path, body, headers, cookie) =>
  platform.ask(`/_sortition/${path}`, {
    method: "POST",
    body,
    cookie,
    headers: { "Content-Type": "application/json", ...headers },
  });
const hmac = (key, text, as) => createHmac("sha256", key).update(text).digest(as);
const event = (rest) => ({ type: "experiment_converted", conversion_event: "purchase", ...rest });

/** Who reports that a session bought something; none: it did not. */
const REPORTERS = {
  page: (jar) => post("events", JSON.stringify({ events: [event({ session_id: "somebody-elses" })] }), {}, jar.header),
  server: (jar) => {
    const sold = event({ anonymous_id: jar.get("sortition_id"), session_id: jar.get("sortition_session") });
    const body = JSON.stringify({ events: [sold] });
    const t = Math.floor(Date.now() / 1000);
    return post("conversions", body, {
      "Sortition-Signature": `t=${t},v1=${hmac(SECRETS.INGEST_SECRET, `${t}.${body}`, "hex")}`,
    });
  },
  shopify: (jar, number) => {
    const named = ["sortition_id", "sortition_session"].map((name) => ({ name, value: jar.get(name) }));
    const order = { id: 1000 + number, total_price: "9.00", currency: "EUR", note_attributes: named };
    const body = JSON.stringify(order);
    return post("webhooks/shopify", body, {
      "X-Shopify-Topic": "orders/paid",
      "X-Shopify-Hmac-SHA256": hmac(SECRETS.SHOPIFY_WEBHOOK_SECRET, body, "base64"),
    });
  },
  none: undefined,
};

test("a session converts by its own outcomes, whoever reports them, and by no other session's", async () => {
  const VISITORS = 16;
  const expected = { control: [0, 0], bold: [0, 0] };
  for (let number = 0; number < VISITORS; number++) {
    const jar = new Jar();
    const names = Object.keys(REPORTERS);
    // why: a visitor's second session is a unit of its own, which buys by another way, or not at all
    for (const name of [names[number % 4], names[(number + 1) % 4]]) {
      jar.set("sortition_session", "");
      const answer = jar.take(await platform.ask("/", { cookie: jar.header }));
      const variant = /hero=(\w+)/.exec(answer.headers["sortition-variants"])[1];
      expected[variant][0]++;
      const reporter = REPORTERS[name];
      if (!reporter) continue;
      const told = await reporter(jar, number);
      assert.equal(told.status, 202, told.text);
      expected[variant][1]++;
    }
  }
  const sum = (place) => expected.control[place] + expected.bold[place];
  assert.deepEqual([sum(0), sum(1)], [32, 24]);
  await until(
    async () => (await platform.rows("SELECT count(*) AS n FROM conversions WHERE session_id IS NOT NULL"))[0].n === 24,
    "every outcome to be recorded, each with its session",
    60_000,
  );
  const ask = () =>
    platform.ask("/_sortition/experiments/hero.json", { headers: { Authorization: "Bearer test-admin-token" } });
  const results = await until(async () => {
    const read = JSON.parse((await ask()).text);
    return read.units === 32 && read;
  }, "the readout to have every session");
  const { variants } = results.metrics.find(({ role }) => role === "primary");
  const found = Object.fromEntries(variants.map(({ variant, n, converted }) => [variant, [n, converted]]));
  assert.deepEqual(found, expected);
  assert.equal(results.contaminated, 0, "two sessions with two variants are no contamination");
});
