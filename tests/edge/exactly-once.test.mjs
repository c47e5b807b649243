// A day's messages, each delivered one to five times, out of order, in random batches, with garbage between them: the
// record equals that of a clean run, row for row.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { until } from "./client.mjs";
import { documentOf, treatment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const MESSAGES = Number(process.env.SORTITION_DAY ?? 400);
const EVENTS = 10;

// mulberry32: the same day on every run
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(list, next) {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

const hex = (text) => Buffer.from(text.padEnd(16, "-").slice(0, 16)).toString("hex");
const START = Date.parse("2026-11-21T00:00:00Z");

/** A day: exposures, outcomes, identifications and ends; some units met twice, with two variants. */
function day() {
  const next = random(7);
  const messages = [];
  for (let number = 0; number < MESSAGES; number++) {
    const events = [];
    for (let index = 0; index < EVENTS; index++) {
      const unit = Math.floor(next() * MESSAGES * 3);
      const at = new Date(START + Math.floor(next() * 86400000)).toISOString();
      const common = {
        project: "acme-shop",
        config_revision: "r1",
        at,
        anonymous_id: `visitor-${unit}`,
        user_id: null,
      };
      const kind = next();
      if (kind < 0.55) {
        events.push({
          ...common,
          type: "experiment_exposed",
          id: hex(`x${unit}`),
          experiment_id: "hero",
          iteration: 1,
          variant: next() < 0.5 ? "bold" : "control",
          reason: "split",
          exposed_at: at,
          request: { host: "shop.example", path: "/", method: "GET" },
        });
      } else if (kind < 0.9) {
        events.push({
          ...common,
          type: "experiment_converted",
          id: hex(`c${unit}`),
          conversion_event: "purchase",
          value: Math.floor(next() * 10000) / 100,
          currency: "EUR",
          converted_at: at,
          channel: next() < 0.5 ? "page" : "server",
          properties: {},
        });
      } else if (kind < 0.98) {
        events.push({ ...common, type: "identified", id: hex(`i${unit}`), user_id: `user-${unit % 50}` });
      } else {
        events.push({
          ...common,
          type: "experiment_ended_early",
          id: hex(`e${unit}-${Date.parse(at) % 1e9}`),
          experiment_id: "hero",
          variant: null,
          ended_reason: "harm",
          ended_at: at,
        });
      }
    }
    const source = `isolate-${number % 20}`;
    const seq = Math.floor(number / 20);
    messages.push({ schema: 1, source, seq, served: { crawlers: seq, visits: seq * 3 }, events });
  }
  return messages;
}

let origin;
before(async () => {
  origin = await startOrigin();
});
after(() => origin.close());

const TABLES = {
  exposures: "id",
  exposure_variants: "exposure_id, variant",
  conversions: "id",
  identities: "project, anonymous_id, user_id",
  endings: "id",
  served: "source",
  messages: "source, seq",
  sources: "source",
};

async function recordOf(deliveries, complete) {
  const platform = await startHarness({ origin: origin.url, document: documentOf([treatment([])]) });
  try {
    for (let from = 0; from < deliveries.length; ) {
      const size = 1 + ((from * 7919) % 100);
      const batch = deliveries.slice(from, from + size);
      for (const part of chunks(batch))
        await platform.env.EVENTS.sendBatch(part.map((body) => ({ body, contentType: "json" })));
      from += size;
    }
    const count = async (table) => (await platform.env.LEDGER.prepare(`SELECT count(*) AS n FROM ${table}`).first()).n;
    await until(async () => (await count("messages")) === complete, `${complete} messages in the record`);
    // the last deliveries may still be on their way: wait until nothing changes any more
    let before = "";
    const record = {};
    await until(async () => {
      for (const [table, order] of Object.entries(TABLES)) {
        record[table] = (await platform.env.LEDGER.prepare(`SELECT * FROM ${table} ORDER BY ${order}`).all()).results;
      }
      const now = JSON.stringify(record);
      const still = now === before;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return still;
    }, "the record to come to rest");
    const archived = new Set();
    let cursor;
    do {
      const list = await platform.env.ARCHIVE.list({ prefix: "events/", cursor });
      for (const { key } of list.objects) {
        for (const line of (await (await platform.env.ARCHIVE.get(key)).text()).trimEnd().split("\n"))
          archived.add(line);
      }
      cursor = list.truncated ? list.cursor : undefined;
    } while (cursor);
    return { record, archived };
  } finally {
    await platform.close();
  }
}

/** Parts that fit one sendBatch: 100 messages, 256 KB. */
function chunks(batch) {
  const parts = [[]];
  let size = 0;
  for (const body of batch) {
    const length = JSON.stringify(body).length;
    if (size + length > 200_000 || parts.at(-1).length === 100) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1).push(body);
    size += length;
  }
  return parts;
}

test("however often and in whatever order messages come, the record is the same, and what was dropped is counted", {
  timeout: 300000,
}, async () => {
  const next = random(11);
  // dropped on purpose, never the last of an isolate: what comes after it would be needed to notice
  const all = day();
  const last = Math.max(...all.map((message) => message.seq));
  const kept = all.filter((message) => message.seq === last || next() > 0.03);
  const clean = await recordOf(kept, kept.length);
  const garbage = Array.from(
    { length: Math.ceil(kept.length / 100) },
    (_, index) => [{ garbage: index }, `garbage ${index}`, { ...kept[0], schema: 9 }][index % 3],
  );
  const wild = shuffled(
    [...kept.flatMap((message) => Array(1 + Math.floor(next() * 5)).fill(message)), ...garbage],
    next,
  );
  const dirty = await recordOf(wild, kept.length);
  for (const table of Object.keys(TABLES)) assert.deepEqual(dirty.record[table], clean.record[table], table);
  assert.deepEqual([...dirty.archived].sort(), [...clean.archived].sort());
  assert.equal(
    clean.archived.size,
    new Set(
      kept
        .flatMap((message) => message.events)
        .map((event) => JSON.stringify([event.id, event.at, event.value ?? 0, event.variant ?? ""])),
    ).size,
  );
  const lost = clean.record.sources.reduce((sum, source) => sum + source.lost, 0);
  assert.equal(lost, all.length - kept.length);
  assert.ok(lost > 0 && clean.record.exposure_variants.length > clean.record.exposures.length);
});
