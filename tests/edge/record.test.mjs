// From the queue into the record: archived, stored once, acknowledged message by message, the unreadable kept aside.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Jar, until } from "./client.mjs";
import { documentOf, treatment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const DOCUMENT = documentOf([
  treatment([{ select: "h1", do: "set_text", value: "Hello" }]),
  treatment([], { id: "price", pages: ["/", "/p/*"] }),
]);

let origin;
let platform;
before(async () => {
  origin = await startOrigin();
  const undertaker = (config) => ({
    name: "undertaker",
    main: "tests/edge/undertaker.mjs",
    compatibility_date: config.compatibility_date,
    kv_namespaces: config.kv_namespaces,
    queues: { consumers: [{ queue: "sortition-events-dlq", max_batch_timeout: 0 }] },
  });
  const workers = [];
  platform = await startHarness({
    origin: origin.url,
    document: DOCUMENT,
    workers,
    change: (config) => workers.push(undertaker(config)),
  });
});
after(async () => {
  await platform.close();
  await origin.close();
});

const rows = (sql, ...values) => platform.rows(sql, ...values);
const exposuresOf = (visitor) => rows("SELECT * FROM exposures WHERE anonymous_id = ? ORDER BY experiment_id", visitor);
const stored = (visitor, number) =>
  until(async () => (await exposuresOf(visitor)).length === number, `${number} rows of ${visitor}`, 60_000);

/** Every event in the archive, with the key of its object. */
async function archived() {
  return (await platform.archived("events/")).flatMap(({ key, text }) => {
    assert.ok(text.endsWith("\n"));
    return text
      .trimEnd()
      .split("\n")
      .map((line) => ({ key, ...JSON.parse(line) }));
  });
}

/** A message as the worker would send it. */
function message(visitor, rest = {}) {
  const at = "2026-11-21T10:00:00.000Z";
  const event = {
    type: "experiment_exposed",
    id: Buffer.from(visitor.padEnd(16, "-").slice(0, 16)).toString("hex"),
    project: "acme-shop",
    config_revision: "r1",
    at,
    anonymous_id: visitor,
    user_id: null,
    experiment_id: "hero",
    iteration: 1,
    variant: "bold",
    reason: "split",
    exposed_at: at,
    request: {
      host: "shop.example",
      path: "/",
      method: "GET",
      country: null,
      device: "desktop",
      browser: "chrome",
      referrer_host: null,
      visitor_type: "new",
    },
    versions: {},
  };
  return { schema: 1, source: `source-of-${visitor}`, seq: 0, events: [event], ...rest };
}

describe("a visit", () => {
  test("is in the archive and in D1, once for each experiment, however often they come", async () => {
    const jar = new Jar();
    for (let visit = 0; visit < 3; visit++) {
      const answer = jar.take(await platform.ask("/", { cookie: jar.header }));
      assert.match(answer.text, /Hello/);
    }
    // the same visitor without the memory of having been exposed
    await platform.ask("/", { cookie: `sortition_id=${jar.get("sortition_id")}` });
    const visitor = jar.get("sortition_id");
    await until(
      async () => (await archived()).filter((event) => event.anonymous_id === visitor).length === 4,
      "four events in the archive",
    );
    await stored(visitor, 2);
    const [hero, price] = await exposuresOf(visitor);
    assert.deepEqual([hero.experiment_id, hero.variant, hero.iteration, hero.reason], ["hero", "bold", 1, "split"]);
    assert.deepEqual([price.experiment_id, price.unit, price.unit_id], ["price", "visitor", visitor]);
    assert.equal(hero.config_revision, "r1");
    const events = (await archived()).filter((event) => event.anonymous_id === visitor);
    for (const event of events) {
      assert.match(event.key, /^events\/dt=\d{4}-\d\d-\d\d\/hour=\d\d\/[^/]+\.ndjson$/);
      assert.equal(event.type, "experiment_exposed");
      assert.match(event.id, /^[0-9a-f]{32}$/);
    }
    const [{ messages }] = await rows("SELECT sum(arrived) AS messages FROM arrivals");
    assert.equal(messages, 2, "each message's number is recorded");
  });
});

describe("the consumer", () => {
  test("a message that is delivered twice is stored once", async () => {
    for (let delivery = 0; delivery < 2; delivery++)
      await platform.env.EVENTS.send(message("twice-visitor"), { contentType: "json" });
    await platform.env.EVENTS.send(message("after-visitor"), { contentType: "json" });
    await stored("after-visitor", 1);
    assert.equal((await exposuresOf("twice-visitor")).length, 1);
    const arrivals = await rows("SELECT ranges, arrived FROM arrivals WHERE source = 'source-of-twice-visitor'");
    assert.deepEqual(arrivals, [{ ranges: "[[0,0]]", arrived: 1 }]);
  });

  test("of several exposures of a unit the first in time counts, in whatever order they come", async () => {
    const late = message("order-visitor");
    const early = structuredClone(late);
    early.seq = 1;
    Object.assign(early.events[0], { exposed_at: "2026-11-21T09:00:00.000Z", variant: "control" });
    await platform.env.EVENTS.send(late, { contentType: "json" });
    await stored("order-visitor", 1);
    await platform.env.EVENTS.send(early, { contentType: "json" });
    await until(
      async () => (await exposuresOf("order-visitor"))[0].variant === "control",
      "the earlier exposure to win",
    );
    const variants = await rows(
      "SELECT variant FROM exposure_variants WHERE exposure_id = ? ORDER BY variant",
      late.events[0].id,
    );
    assert.deepEqual(
      variants.map((row) => row.variant),
      ["bold", "control"],
    );
  });

  test("what cannot be read goes to the dead letters with its reason; the good ones beside it are stored", async () => {
    const garbage = [
      ["not a message", "json"],
      [{ hello: "world" }, "json"],
      [null, "json"],
      [42, "json"],
      [{ ...message("newer-visitor"), schema: 99 }, "json"],
      [{ ...message("unknown-visitor"), events: [{ type: "something_else" }] }, "json"],
      [
        { ...message("crowd-visitor"), events: Array.from({ length: 101 }, () => message("crowd-visitor").events[0]) },
        "json",
      ],
      ["plain text", "text"],
      [new Uint8Array([1, 2, 3]), "bytes"],
    ];
    await platform.env.EVENTS.send(message("good-visitor-1"), { contentType: "json" });
    for (const [body, contentType] of garbage) await platform.env.EVENTS.send(body, { contentType });
    await platform.env.EVENTS.send(message("good-visitor-2"), { contentType: "json" });
    await stored("good-visitor-1", 1);
    await stored("good-visitor-2", 1);
    const dead = await until(async () => {
      const { keys } = await platform.env.CONFIG.list({ prefix: "dead:" });
      return keys.length >= garbage.length && keys;
    }, `${garbage.length} dead letters`);
    assert.equal(dead.length, garbage.length);
    const letters = await Promise.all(dead.map(async ({ name }) => JSON.parse(await platform.env.CONFIG.get(name))));
    for (const letter of letters) {
      assert.equal(typeof letter.reason, "string");
      assert.ok(letter.reason.length > 0);
      assert.ok("body" in letter);
    }
    const reasons = letters.map((letter) => letter.reason).join("\n");
    assert.match(reasons, /schema 99/);
    assert.match(reasons, /101 events/);
    const copies = (await platform.archived("dead/")).map(({ text }) => JSON.parse(text).reason);
    assert.deepEqual(copies.sort(), letters.map((letter) => letter.reason).sort(), "each is kept in R2 as well");
    for (const visitor of ["newer-visitor", "unknown-visitor", "crowd-visitor"])
      assert.deepEqual(await exposuresOf(visitor), []);
  });

  test("nothing of SQL in a value reaches the database as SQL", async () => {
    const nasty = `x'); DROP TABLE exposures; --`;
    const sent = message("nasty-visitor");
    sent.events[0].experiment_id = nasty;
    await platform.env.EVENTS.send(sent, { contentType: "json" });
    await stored("nasty-visitor", 1);
    assert.equal((await exposuresOf("nasty-visitor"))[0].experiment_id, nasty);
  });

  test("a record that fails is asked again, and nothing is lost", async () => {
    // why: with its table gone D1 refuses the whole batch, as it does when it is overloaded
    await platform.env.LEDGER.exec("ALTER TABLE segments RENAME TO segments_away");
    await platform.env.EVENTS.send(message("retried-visitor"), { contentType: "json" });
    await until(() => /messages are delivered again/.test(platform.log()), "the consumer to notice");
    await platform.env.LEDGER.exec("ALTER TABLE segments_away RENAME TO segments");
    await stored("retried-visitor", 1);
  });
});

describe("the origin's health", () => {
  test("each variant's answers are counted, told with the next event, and stored once", async () => {
    origin.on("/p/sick", (request, response) => {
      response.writeHead(request.url.includes("broken") ? 503 : 200, { "Content-Type": "text/html" });
      response.end("<h1>Sick</h1>");
    });
    const jar = new Jar();
    jar.take(await platform.ask("/p/sick"));
    for (const query of ["", "?broken", "?broken"]) await platform.ask(`/p/sick${query}`, { cookie: jar.header });
    // what crawlers meet counts for nobody
    await platform.ask("/p/sick", { headers: { "User-Agent": "Googlebot/2.1" } });
    // why: counts go along with events once they are ten seconds old
    const ours = async () => {
      await platform.ask("/p/sick");
      const sum =
        "SELECT variant, sum(requests) AS requests, sum(errors) AS errors, sum(le_50 + le_100 + le_200 + le_400";
      const sick = `${sum} + le_800 + le_1600 + le_3200 + over_3200) AS timed FROM origin_health WHERE experiment_id = 'price'`;
      const [row] = await rows(`${sick} GROUP BY variant`);
      await new Promise((resolve) => setTimeout(resolve, 500));
      return row?.errors > 0 && row;
    };
    const row = await until(ours, "the counters in D1", 60_000);
    assert.deepEqual([row.variant, row.errors, row.timed], ["bold", 2, row.requests]);
    const [hours] = await rows("SELECT min(hour) AS first, count(DISTINCT source) AS sources FROM origin_health");
    assert.match(hours.first, /^\d{4}-\d\d-\d\dT\d\d$/);
    assert.equal(hours.sources, 1);
  });

  test("of totals that come twice and out of order the largest stays", async () => {
    const row = { project: "acme-shop", experiment_id: "late", iteration: 1, variant: "bold", hour: "2026-11-21T10" };
    const told = (requests) => ({ ...row, requests, errors: 1, latency: [requests, 0, 0, 0, 0, 0, 0, 0] });
    for (const [seq, requests] of [3, 9, 9, 5].entries()) {
      const body = { schema: 1, source: "late-isolate", seq, health: [told(requests)], events: [] };
      await platform.env.EVENTS.send(body, { contentType: "json" });
    }
    const count = async () =>
      (await rows("SELECT arrived AS n FROM arrivals WHERE source = 'late-isolate'"))[0]?.n === 4;
    await until(count, "four messages");
    const stored = await rows("SELECT requests, errors, le_50, le_100 FROM origin_health WHERE experiment_id = 'late'");
    assert.deepEqual(stored, [{ requests: 9, errors: 1, le_50: 9, le_100: 0 }]);
  });
});

describe("the schedule", () => {
  test("brings back to the queue what it once refused", async () => {
    const text = JSON.stringify(message("spilled-visitor"));
    await platform.env.ARCHIVE.put("spill/source-of-spilled-visitor-0.json", text);
    await platform.worker.scheduled({ cron: "*/5 * * * *" });
    await stored("spilled-visitor", 1);
    assert.deepEqual((await platform.env.ARCHIVE.list({ prefix: "spill/" })).objects, []);
  });

  test("forgets what isolates told more than ninety days ago, once an hour, and nothing younger", async () => {
    const now = Date.parse("2027-03-01T10:02:00Z");
    const days = (back) => new Date(now - back * 86_400_000).toISOString();
    const ages = { young: 89, old: 91 };
    for (const [source, age] of Object.entries(ages)) {
      const day = days(age).slice(0, 10);
      await platform.env.LEDGER.batch([
        platform.env.LEDGER.prepare("INSERT INTO arrivals VALUES (?1, '[[0,4]]', 4, 5, ?2)").bind(source, day),
        platform.env.LEDGER.prepare(
          "INSERT INTO served (source, crawlers, visits, heard_on) VALUES (?1, 1, 2, ?2)",
        ).bind(source, day),
        platform.env.LEDGER.prepare(
          "INSERT INTO origin_health (project, experiment_id, iteration, variant, hour, source, requests, errors, le_50, le_100, le_200, le_400, le_800, le_1600, le_3200, over_3200) VALUES ('acme-shop', 'pruned', 1, 'bold', ?2, ?1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0)",
        ).bind(source, days(age).slice(0, 13)),
      ]);
    }
    const left = async () => {
      const of = (table) => rows(`SELECT source FROM ${table} WHERE source IN ('young', 'old') ORDER BY source`);
      return (await Promise.all(["arrivals", "served", "origin_health"].map(of))).map((all) =>
        all.map(({ source }) => source),
      );
    };
    const tick = (at) => platform.worker.scheduled({ cron: "*/5 * * * *", scheduledTime: new Date(at) });
    await tick(now + 30 * 60_000);
    assert.deepEqual(
      await left(),
      [
        ["old", "young"],
        ["old", "young"],
        ["old", "young"],
      ],
      "not at half past",
    );
    await tick(now);
    await until(async () => (await left()).every((sources) => sources.length === 1), "the old rows to go");
    assert.deepEqual(await left(), [["young"], ["young"], ["young"]]);
  });
});
