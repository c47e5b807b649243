// A crowd for the demo: visitors who come through the worker, and some of whom buy. They make every state of the readout:
// a true lift, two variants that are the same, a fault that loses one variant's visitors, a guardrail that breaks, two
// experiments that act on each other, a ramp that waits, one that was decided.

import { createHmac } from "node:crypto";
import { Agent, get } from "node:http";

const MOBILE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1";
const DESKTOP =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
const PAGE = "/";
const FAULTY_PAGE = "/search?q=zzz";
/** Every so many visitors meet the faulty page too. */
const FAULTY_SHARE = 3;
const AT_ONCE = 24;
/** The worker takes at most 100 events at a time from a server. */
const BATCH = 100;

const halves = (id, rest) => [
  { id: "control", weight: 50 },
  { id, weight: 50, ...rest },
];

const experiment = (id, name, rest) => ({
  id,
  name,
  owner: "demo",
  status: "running",
  ends_at: "2027-02-14T00:00:00Z",
  pages: ["/"],
  analysis: { mde: 0.2 },
  metrics: { primary: "purchase", secondary: ["revenue", "order-value"] },
  ...rest,
});

const daysAgo = (days) => new Date(Date.now() - days * 86_400_000).toISOString();

/** The experiment whose winner everybody gets by now: it exposes nobody on pages. */
const DECIDED = "delivery-promise";

/** The demo's document with what the crowd meets. */
export function withCrowd(document) {
  const hero = { ...document.experiments[0], analysis: { mde: 0.2 } };
  const further = [
    experiment("same", "The same page twice", {
      hypothesis: "Nothing differs, so nothing should be found: a check of the measurement itself.",
      variants: halves("twin"),
    }),
    experiment("lost-note", "A delivery note that some never get to see", {
      hypothesis: "Saying when an order arrives sells more.",
      pages: ["/search"],
      variants: halves("note"),
    }),
    experiment("discount", "A discount in every basket", {
      hypothesis: "A discount makes more visitors buy, and costs less than it brings.",
      metrics: {
        primary: "purchase",
        secondary: ["order-value"],
        guardrails: [{ metric: "revenue", min_relative: -0.02 }],
      },
      rollback: { owner: "demo", when: "guardrail, srm, errors" },
      variants: halves("half-price"),
    }),
    experiment("free-returns", "Free returns, said beside the headline", {
      hypothesis:
        "Who knows that returns are free buys sooner. Where the headline already promises it, it adds nothing.",
      variants: halves("said"),
    }),
    experiment("express", "Express checkout, step by step", {
      hypothesis: "A checkout of one step sells more, and a ramp waits until that does no harm.",
      starts_at: daysAgo(2),
      traffic: 10,
      ramp: [{ at: daysAgo(1), traffic: 100, if: "healthy", min_hours: 168 }],
      variants: halves("one-step"),
    }),
    experiment(DECIDED, "The day of delivery, promised", {
      hypothesis: "Naming the day on which an order arrives sells more.",
      starts_at: daysAgo(21),
      ends_at: undefined,
      variants: halves("promise"),
      winner: "promise",
      decision: {
        what: "ship",
        variant: "promise",
        by: "demo",
        at: daysAgo(1),
        why: "It sells more, and support hears less of late orders.",
      },
    }),
  ];
  return {
    ...document,
    metrics: { ...document.metrics, "order-value": { event: "purchase", kind: "ratio", per: "purchase", cap: 1000 } },
    experiments: [hero, ...further, ...document.experiments.slice(1)],
  };
}

/**
 * Spreads what just happened over the last two weeks: a visitor's exposures and orders go back by as many days as the
 * last character of its id says: fourteen letters in a row, so that every day has its part.
 */
const BACK = `strftime('%Y-%m-%dT%H:%M:%fZ', AT, '-' || (unicode(substr(anonymous_id, -1)) % 14) || ' days')`;
export const SPREAD = [
  // why: an id that is no UUID is kept as the text that it is
  "UPDATE exposed SET at = at - 86400000 * (unicode(substr(unit, -1)) % 14) WHERE kind = 0 AND unit LIKE 'crowd-%'",
  `UPDATE conversions SET converted_at = ${BACK.replace("AT", "converted_at")} WHERE anonymous_id LIKE 'crowd-%'`,
];

/**
 * Sends visitors through the worker: the first by page views, which the worker assigns, as long as that takes; the others
 * as the shop's server reports whom it showed what, a hundred events at a time. Orders come from the server too.
 *
 * @param {object} options
 * @param {URL} options.url The worker.
 * @param {string} options.secret Its `INGEST_SECRET`.
 * @param {number} options.visitors How many come.
 * @param {number} options.seconds How long page views are sent.
 * @returns How many came, how many of them by page views, how many exposures the record should have, how many bought.
 */
export async function sendCrowd({ url, secret, visitors, seconds }) {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const until = Date.now() + seconds * 1000;
  const chance = random(20261121);
  const people = Array.from({ length: visitors }, (_, n) => ({
    n,
    id: `crowd-${String(n).padStart(6, "0")}-${"abcdefghijklmn"[n % 14]}`,
    // why: drawn before anything is awaited, so that every run sends the same crowd
    ...Object.fromEntries(
      ["device", "buys", "value", "leaves", "hero", "same", "discount", "note", "returns", "express", "promise"].map(
        (name) => [name, chance()],
      ),
    ),
  }));
  let exposures = 0;
  let byPage = 0;
  const look = async () => {
    while (byPage < people.length && Date.now() < until) {
      const person = people[byPage++];
      const ask = (path, headers) =>
        visit(agent, new URL(path, url), person.id, person.device < 0.6 ? MOBILE : DESKTOP, headers);
      person.met = await ask(PAGE);
      // why: while the worker starts it lets people pass, who then met nothing
      if (!person.met.has("hero=bold") && !person.met.has("hero=control")) continue;
      exposures += [...person.met].filter((told) => !told.startsWith(`${DECIDED}=`)).length;
      if (person.n % FAULTY_SHARE) continue;
      // why: asked ahead, a page is assigned and not met; of those with the note one in five goes away before
      const ahead = await ask(FAULTY_PAGE, { "Sec-Purpose": "prefetch" });
      if (ahead.has("lost-note=note") && person.leaves < 0.2) continue;
      await ask(FAULTY_PAGE);
      exposures += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, look));
  agent.destroy();

  const events = [];
  const split = (share, id) => (share < 0.5 ? "control" : id);
  for (const person of people.slice(byPage)) {
    const met = { hero: split(person.hero, "bold"), same: split(person.same, "twin") };
    met.discount = split(person.discount, "half-price");
    met["free-returns"] = split(person.returns, "said");
    // why: the ramp stands at a tenth of the traffic, and the decided one had a part of it
    if (person.express < 0.1) met.express = split(person.express * 10, "one-step");
    if (person.n % 5 === 0) met[DECIDED] = split(person.promise, "promise");
    if (person.n % FAULTY_SHARE === 0 && !(person.note >= 0.5 && person.leaves < 0.2)) {
      met["lost-note"] = split(person.note, "note");
    }
    person.met = new Set(Object.entries(met).map(([experiment, variant]) => `${experiment}=${variant}`));
    for (const [experiment_id, variant] of Object.entries(met)) {
      events.push({ type: "experiment_exposed", anonymous_id: person.id, experiment_id, variant });
    }
  }
  exposures += events.length;
  const orders = people.filter(({ met, buys }) => {
    // why: the bold headline promises free returns too, so that saying it once more changes nothing
    const headline = met.has("hero=bold") ? 1.6 : met.has("free-returns=said") ? 1.4 : 1;
    const others = (met.has("discount=half-price") ? 1.1 : 1) * (met.has(`${DECIDED}=promise`) ? 1.25 : 1);
    return buys < 0.1 * headline * others;
  });
  for (const { n, id, met, value } of orders) {
    const price = (30 + 120 * value * value) * (met.has("discount=half-price") ? 0.5 : 1);
    events.push({
      type: "experiment_converted",
      anonymous_id: id,
      conversion_event: "purchase",
      transaction_id: `demo-${n}`,
      value: Math.round(price * 100) / 100,
      currency: "EUR",
    });
  }
  const batches = Array.from({ length: Math.ceil(events.length / BATCH) }, (_, n) =>
    events.slice(n * BATCH, (n + 1) * BATCH),
  );
  const report = async () => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) await tell(url, secret, batch);
  };
  await Promise.all(Array.from({ length: 4 }, report));
  return { visitors, byPage, exposures, orders: orders.length };
}

/** One page view; what the worker says about its variants. */
function visit(agent, url, id, userAgent, headers) {
  return new Promise((resolve, reject) => {
    const sent = { "User-Agent": userAgent, Cookie: `sortition_id=${id}`, ...headers };
    get(url, { agent, headers: sent }, (response) => {
      response.resume();
      response.on("error", reject);
      response.on("end", () => resolve(new Set((response.headers["sortition-variants"] ?? "").split(", "))));
    }).on("error", reject);
  });
}

async function tell(url, secret, events) {
  const body = JSON.stringify({ events });
  const t = Math.floor(Date.now() / 1000);
  const tag = createHmac("sha256", secret).update(`${t}.${body}`).digest("hex");
  const answer = await fetch(new URL("/_sortition/conversions", url), {
    method: "POST",
    body,
    headers: { "Content-Type": "application/json", "Sortition-Signature": `t=${t},v1=${tag}` },
  });
  if (!answer.ok) throw new Error(`the worker took no orders: ${answer.status} ${await answer.text()}`);
}

/** Numbers from 0 to 1, the same on every run (mulberry32). */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
