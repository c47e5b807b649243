// Exposures and outcomes for OpenFeature clients. OFREP evaluates and records nothing: a flag that is evaluated need not
// be seen. So a hook says so when a value is used, and `track` says what came of it.

const HEX = "0123456789abcdef";

/** A random id of an outcome: the same report delivered twice counts once. */
function randomId() {
  let id = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) id += HEX[byte >> 4] + HEX[byte & 15];
  return id;
}

/**
 * Posts events for the visitor of the browser's own cookie.
 *
 * @param {string} [base] Where the worker is: the page's own site by default.
 */
export function fromBrowser(base = "") {
  return async (events) => {
    const answer = await fetch(`${base}/_sortition/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ events }),
      credentials: "same-origin",
      keepalive: true,
    });
    if (!answer.ok) throw new Error(`the events were refused with ${answer.status}: ${await answer.text()}`);
  };
}

/**
 * Posts events from a server, signed.
 *
 * @param {string} base Where the worker is: `https://shop.example`.
 * @param {string} secret INGEST_SECRET.
 */
export function fromServer(base, secret) {
  const encoder = new TextEncoder();
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = crypto.subtle.importKey("raw", encoder.encode(secret), hmac, false, ["sign"]);
  return async (events) => {
    const body = JSON.stringify({ events });
    const time = Math.floor(Date.now() / 1000);
    const tag = new Uint8Array(await crypto.subtle.sign("HMAC", await key, encoder.encode(`${time}.${body}`)));
    const hex = [...tag].map((byte) => HEX[byte >> 4] + HEX[byte & 15]).join("");
    const answer = await fetch(`${base}/_sortition/conversions`, {
      method: "POST",
      headers: { "content-type": "application/json", "sortition-signature": `t=${time},v1=${hex}` },
      body,
    });
    if (!answer.ok) throw new Error(`the events were refused with ${answer.status}: ${await answer.text()}`);
  };
}

/** The ids of an OpenFeature context, as events name them. */
function idsOf({ targetingKey, visitor_id, user_id } = {}) {
  const ids = {};
  if (visitor_id ?? targetingKey) ids.anonymous_id = visitor_id ?? targetingKey;
  if (user_id) ids.user_id = user_id;
  return ids;
}

/**
 * A hook that exposes what is used: add it to the client or the API. Each unit and flag once for as long as the hook
 * lives; the record counts the first exposure anyway.
 *
 * @param {(events: object[]) => Promise<void>} send `fromBrowser()` or `fromServer(…)`.
 * @param {{ report?: (error: unknown) => void }} [options] What to do with a failure; a flag's value never depends on it.
 */
export function exposureHook(send, { report = (error) => console.error("sortition:", error) } = {}) {
  const seen = new Set();
  return {
    after(hookContext, details) {
      const { experiment, iteration, variant } = details.flagMetadata ?? {};
      if (details.reason !== "SPLIT" || !experiment || !variant) return;
      const ids = idsOf(hookContext.context);
      const key = JSON.stringify([experiment, iteration, ids]);
      if (seen.has(key)) return;
      if (seen.size >= 10_000) seen.clear();
      seen.add(key);
      const event = { type: "experiment_exposed", experiment_id: experiment, iteration, variant, ...ids };
      send([event]).catch((error) => {
        seen.delete(key);
        report(error);
      });
    },
  };
}

/**
 * Puts `track` into a provider, which OFREP's have not: `client.track("purchase", context, { value: 30, currency: "EUR" })`.
 *
 * @param {object} provider A provider of OpenFeature.
 * @param {(events: object[]) => Promise<void>} send `fromBrowser()` or `fromServer(…)`.
 */
export function withTracking(provider, send, { report = (error) => console.error("sortition:", error) } = {}) {
  provider.track = (conversion_event, context, details = {}) => {
    const { value, currency, transaction_id, ...properties } = details;
    const event = { type: "experiment_converted", id: randomId(), conversion_event, ...idsOf(context), properties };
    if (value !== undefined) event.value = value;
    if (currency !== undefined) event.currency = currency;
    if (transaction_id !== undefined) event.transaction_id = transaction_id;
    send([event]).catch(report);
  };
  return provider;
}
