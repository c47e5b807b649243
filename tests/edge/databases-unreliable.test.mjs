// A record in several databases while everything fails: a day of events, delivered again and again in any order, and people
// who turn out to be one while the consumer dies at any moment. Nothing is lost, nothing is there twice.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { at as inRoot } from "../../scripts/setup.mjs";
import { startConsumer } from "./consumer.mjs";
import { random } from "./random.mjs";
import { buildTool, tool } from "./stubbed.mjs";

const DATABASES = 4;
const MESSAGES = 300;
const COLUMNS = {
  exposures:
    "id, project, experiment_id, iteration, variant, unit, unit_id, anonymous_id, user_id, exposed_at, country, versions",
  exposure_variants: "exposure_id, variant, first_at",
  conversions: "*",
  identities: "*",
  endings: "*",
  served: "source, crawlers, visits",
  origin_health: "*",
  sources: "*",
};
const names = (place, count) => Array.from({ length: count }, (_, number) => (number ? `${place}_${number}` : place));

let consumer;
before(async () => {
  buildTool();
  const wild = ["WILD", "CRASH", "RACE", "GROWN", "TOOL", "LAME"].flatMap((place) => names(place, DATABASES));
  consumer = await startConsumer(["CLEAN", "HALF", "ONCE", "CALM", ...wild]);
});
after(() => consumer?.close());

const rowsOf = (place, sql) => consumer.ask("record", { place, sql });

/** The rows of a table in all databases of a place. */
async function rows(place, count, table) {
  const all = names(place, count).map((one) => rowsOf(one, `SELECT ${COLUMNS[table]} FROM ${table}`));
  return (await Promise.all(all))
    .flat()
    .map((row) => JSON.stringify(row))
    .sort();
}

/** Compares records, table by table. */
async function same(place, count, wanted) {
  for (const table of Object.keys(COLUMNS)) {
    const [found, right] = [await rows(place, count, table), await rows(wanted, 1, table)];
    assert.deepEqual(
      found.filter((row, at) => row === found[at - 1]),
      [],
      `${table}: nothing is there twice`,
    );
    assert.deepEqual(found, right, table);
  }
  for (const one of names(place, count)) {
    const counted = `SELECT sum(units) AS n, (SELECT count(*) FROM exposed WHERE kind = 0) AS wanted FROM exposed_counts`;
    const [{ n, wanted }] = await rowsOf(one, counted);
    assert.equal(n ?? 0, wanted, `what ${one} counted`);
  }
}

/** Runs the schedule until everybody is at home; resolves to how often. */
async function settle(place) {
  const left = async () => {
    const [{ n }] = await rowsOf(place, "SELECT count(*) AS n FROM moves");
    const scans = await Promise.all(names(place, DATABASES).map((one) => rowsOf(one, "SELECT scan FROM placement")));
    return n > 0 || scans.some(([{ scan }]) => scan !== null);
  };
  let runs = 0;
  for (; await left(); runs++) {
    assert.ok(runs < 30, "the schedule gets on");
    await consumer.ask("schedule", { place, databases: DATABASES });
  }
  return runs;
}

test("a wild day in four databases is a clean one in one", { timeout: 300_000 }, async (t) => {
  const next = random(5);
  const numbers = Array.from({ length: MESSAGES }, (_, number) => number);
  const first = (number) => ({ id: `m${number}`, number, attempts: 1 });
  for (let from = 0; from < MESSAGES; from += 100)
    await consumer.ask("deliver", {
      size: MESSAGES,
      place: "CLEAN",
      deliveries: numbers.slice(from, from + 100).map(first),
    });
  const pending = numbers.flatMap((number) =>
    Array.from({ length: 1 + Math.floor(next() * 3) }, (_, copy) => ({ ...first(number), id: `m${number}-${copy}` })),
  );
  const happened = { batches: 0, retried: 0 };
  while (pending.length > 0) {
    const batches = [];
    for (let parallel = 0; parallel < 3 && pending.length > 0; parallel++) {
      const size = 1 + Math.floor(next() * 30);
      batches.push(
        Array.from({ length: Math.min(size, pending.length) }, () => pending.splice(next() * pending.length, 1)[0]),
      );
    }
    await Promise.all(
      batches.map(async (deliveries, at) => {
        const seed = happened.batches + at;
        const asked = { size: MESSAGES, place: "WILD", databases: DATABASES, deliveries, failures: 0.02, seed };
        const { acked, retried } = await consumer.ask("deliver", asked);
        assert.equal(acked.length + retried.length, deliveries.length);
        happened.retried += retried.length;
        pending.push(...deliveries.filter(({ id }) => retried.includes(id)));
      }),
    );
    happened.batches += batches.length;
  }
  assert.ok(happened.retried > 50, JSON.stringify(happened));
  happened.runs = await settle("WILD");
  await same("WILD", DATABASES, "CLEAN");
  t.diagnostic(JSON.stringify(happened));
});

test("while one database takes nothing, two consumers go on with small batches that come twice and in no order", {
  timeout: 300_000,
}, async (t) => {
  const next = random(8);
  const some = MESSAGES / 5;
  const pending = Array.from({ length: 2 * some }, (_, at) => ({ id: `m${at}`, number: at >> 1, attempts: 1 }));
  const happened = { acked: 0, retried: 0, rounds: 0 };
  let refuses = 2;
  for (; pending.length > 0; happened.rounds++) {
    assert.ok(happened.rounds < 400, JSON.stringify(happened));
    // the directory's turn comes, too, and then all of them work
    if (happened.rounds === 6) refuses = 0;
    if (happened.rounds === 12) refuses = undefined;
    const batches = Array.from({ length: 2 }, () =>
      Array.from(
        { length: Math.min(1 + Math.floor(next() * 8), pending.length) },
        () => pending.splice(next() * pending.length, 1)[0],
      ),
    );
    const lost = refuses === undefined ? 0.02 : 0;
    await Promise.all(
      batches.map(async (deliveries, at) => {
        const asked = { size: MESSAGES, place: "LAME", databases: DATABASES, deliveries, refuses };
        const seed = 2 * happened.rounds + at;
        const { acked, retried } = await consumer.ask("deliver", { ...asked, failures: lost, seed });
        assert.equal(acked.length + retried.length, deliveries.length);
        if (refuses === 0) assert.deepEqual(acked, [], "without the directory nobody knows where anything belongs");
        happened.acked += acked.length;
        happened.retried += retried.length;
        pending.push(...deliveries.filter(({ id }) => retried.includes(id)));
      }),
    );
  }
  assert.ok(happened.retried > 50, JSON.stringify(happened));
  await settle("LAME");
  const first = (number) => ({ id: `m${number}`, number, attempts: 1 });
  const clean = Array.from({ length: some }, (_, number) => first(number));
  await consumer.ask("deliver", { size: MESSAGES, place: "HALF", deliveries: clean });
  await same("LAME", DATABASES, "HALF");
  t.diagnostic(JSON.stringify(happened));
});

const hex = (text) => createHash("md5").update(text).digest("hex");
const at = (minute) => new Date(Date.parse("2026-11-21T10:00:00Z") + minute * 60_000).toISOString();

/** Messages of some people: what they do as strangers, what their users do, and who turns out to be whom. */
function people(of) {
  const common = (type, id, visitor, user, minute) => ({
    ...{ type, id: hex(`${of}${id}`), project: "acme-shop", config_revision: "r1", at: at(minute) },
    anonymous_id: visitor && `${of}-${visitor}`,
    user_id: user && `${of}-${user}`,
  });
  const exposed = (experiment_id, unit, visitor, user, minute, rest) => ({
    ...common(
      "experiment_exposed",
      `${experiment_id}${rest?.session_id ?? (unit === "user" ? user : visitor)}`,
      visitor,
      user,
      minute,
    ),
    ...{ experiment_id, iteration: 1, variant: minute % 2 ? "bold" : "control", unit, reason: "split" },
    ...{ exposed_at: at(minute), request: { country: "DE" }, versions: {}, ...rest },
  });
  const bought = (order, visitor, user, minute, rest) => ({
    ...common("experiment_converted", order ?? `c${visitor}${minute}`, visitor, user, minute),
    ...{ conversion_event: "purchase", value: minute, currency: "EUR", transaction_id: order && `${of}-${order}` },
    ...{ converted_at: at(minute), channel: "server", properties: {}, ...rest },
  });
  const visitors = ["v1", "v2", "v3", "v4", "v5"];
  const strangers = visitors.flatMap((visitor, number) => [
    exposed("hero", "visitor", visitor, null, number),
    exposed("hero", "visitor", visitor, null, number + 5),
    exposed("price", "visitor", visitor, null, number + 1),
    bought(null, visitor, null, 20 + number, { channel: "page" }),
    bought(`o-${visitor}`, visitor, null, 30 + number),
    exposed("visit", "session", visitor, null, number, { session_id: `${of}-s-${visitor}` }),
  ]);
  const users = ["u1", "u2"].flatMap((user, number) => [
    exposed("hero", "user", null, user, 3 + number),
    bought(`p-${user}`, null, user, 40 + number),
    // the order of a stranger, as a server tells it, and what went back of it
    bought("o-v5", null, "u2", 34),
    bought(null, null, null, 50, { id: hex(`${of}r`), refund_of: `${of}-o-v1`, value: 1 }),
    bought(null, null, "u1", 60, { id: hex(`${of}s`), session_id: `${of}-s-v4` }),
  ]);
  const identified = (visitor, user, minute) => common("identified", `i${visitor}${user}`, visitor, user, minute);
  const logins = [
    identified("v1", "u1", 5),
    identified("v2", "u1", 4),
    identified("v3", "u2", 6),
    identified("v3", "u1", 7),
  ];
  return [strangers, users, logins];
}

test("whenever the consumer dies while people turn out to be one, they are whole in the end", {
  timeout: 300_000,
}, async (t) => {
  let seq = 0;
  const deliver = async (place, events, rest) => {
    const message = { schema: 1, source: "isolate-one", seq: rest.seq, events };
    return consumer.ask("deliver", {
      place,
      bodies: [message],
      deliveries: [{ id: "m", number: 0, attempts: 1 }],
      ...rest,
    });
  };
  let crashes = 0;
  for (let crash = 1; ; crash++) {
    const all = people(`p${crash}`);
    const first = seq;
    for (const events of all) await deliver("ONCE", events, { seq: seq++ });
    const [strangers, users, logins] = all;
    await deliver("CRASH", strangers, { seq: first, databases: DATABASES });
    await deliver("CRASH", users, { seq: first + 1, databases: DATABASES });
    const { acked, moments } = await deliver("CRASH", logins, { seq: first + 2, databases: DATABASES, crash });
    const again = { seq: first + 2, databases: DATABASES };
    if (acked.length === 0) {
      // somebody else comes in between
      await deliver("CRASH", strangers, { seq: first, databases: DATABASES });
      assert.equal((await deliver("CRASH", logins, again)).acked.length, 1);
    }
    if (moments < crash) break;
    crashes++;
  }
  assert.ok(crashes > 20, `${crashes} moments to die at`);
  const runs = await settle("CRASH");
  await same("CRASH", DATABASES, "ONCE");
  t.diagnostic(`${crashes} crashes, ${runs} runs of the schedule`);
});

test("whenever somebody else finds out that people are one, the consumer that thought otherwise is refused or carried after", {
  timeout: 300_000,
}, async (t) => {
  const deliver = (place, of, number, rest) => {
    const message = { schema: 1, source: `isolate-${of}`, seq: number, events: people(of)[number] };
    return consumer.ask("deliver", {
      place,
      bodies: [message],
      deliveries: [{ id: "m", number: 0, attempts: 1 }],
      ...rest,
    });
  };
  let pauses = 0;
  for (let pause = 1; ; pause++) {
    const of = `q${pause}`;
    for (const number of [0, 1, 2]) await deliver("CALM", of, number, {});
    const rest = { databases: DATABASES };
    await deliver("RACE", of, 1, rest);
    // why: behind a call it is as before the next one
    // strangers are on the way while they log in, and the other way round
    const [slow, fast] = pause % 2 ? [0, 2] : [2, 0];
    let done = false;
    const answer = deliver("RACE", of, slow, { ...rest, pause: 2 * Math.ceil(pause / 2) - 1 }).finally(() => {
      done = true;
    });
    while (!done && !(await consumer.ask("stands"))) await new Promise((resolve) => setTimeout(resolve, 5));
    const stood = await consumer.ask("stands");
    assert.equal((await deliver("RACE", of, fast, rest)).acked.length, 1);
    await consumer.ask("resume");
    assert.equal((await answer).acked.length, 1, "refused once, it looks again");
    if (!stood && slow === 2) break;
    pauses += stood ? 1 : 0;
  }
  assert.ok(pauses > 20, `${pauses} moments`);
  const runs = await settle("RACE");
  await same("RACE", DATABASES, "CALM");
  t.diagnostic(`${pauses} moments, ${runs} runs of the schedule`);
});

test("a stranger costs three rows as in one database, and what belongs together a few more, once", async (t) => {
  let seq = 0;
  const written = async (events) => {
    const message = { schema: 1, source: "isolate-cost", seq: seq++, events };
    const asked = {
      place: "WILD",
      databases: DATABASES,
      bodies: [message],
      deliveries: [{ id: "m", number: 0, attempts: 1 }],
    };
    return (await consumer.ask("deliver", asked)).counts.written - 1;
  };
  const pages = (of) => Array.from({ length: 100 }, (_, number) => people(`${of}${number}`)[0][0]);
  await written(pages("warm"));
  const strangers = pages("cost");
  // why: a batch says which of how many databases it means, and writes nothing by it
  assert.ok((await written(strangers)) <= 300);
  assert.ok((await written(strangers)) <= 0);
  const logins = strangers.map(({ anonymous_id: visitor }, number) => ({
    ...people("cost")[2][0],
    anonymous_id: visitor,
    user_id: `${visitor}-user`,
    id: hex(`${visitor}${number}`),
  }));
  const login = await written(logins);
  assert.equal(await written(logins), 0);
  const orders = strangers.map(({ anonymous_id: visitor }) => ({
    ...people(visitor)[0][4],
    anonymous_id: visitor,
    transaction_id: `order-${visitor}`,
  }));
  const order = await written(orders);
  assert.equal(await written(orders), 0);
  assert.ok(login <= 2400 && order <= 1400, `${login / 100} rows a login, ${order / 100} an order`);
  t.diagnostic(`${login / 100} rows a login, ${order / 100} an order`);
});

test("a record that was in one database is divided, and says that it is not whole until then", {
  timeout: 300_000,
}, async (t) => {
  const first = (number) => ({ id: `m${number}`, number, attempts: 1 });
  const numbers = Array.from({ length: MESSAGES }, (_, number) => number);
  const half = numbers.slice(0, MESSAGES / 2);
  const send = (databases, some) =>
    consumer.ask("deliver", { size: MESSAGES, place: "GROWN", databases, deliveries: some.map(first) });
  await send(1, half);
  assert.equal((await rows("GROWN_1", 1, "exposures")).length, 0);
  await send(2, numbers.slice(100, 200));
  assert.equal((await rowsOf("GROWN", "SELECT scan IS NOT NULL AS n FROM placement"))[0].n, 1, "it says so");
  await consumer.ask("schedule", { place: "GROWN", databases: 2 });
  await send(4, numbers.slice(150, 250));
  await send(4, numbers.slice(200));
  const runs = await settle("GROWN");
  assert.ok(runs > 0);
  await same("GROWN", DATABASES, "CLEAN");
  for (const one of names("GROWN", DATABASES)) assert.ok((await rows(one, 1, "exposures")).length > 100, one);
  // a batch for fewer databases than there are is refused whole
  for (const fewer of [3, 2, 1]) assert.deepEqual((await send(fewer, [0])).acked, [], `${fewer} databases`);
  await same("GROWN", DATABASES, "CLEAN");
  t.diagnostic(`${runs} runs of the schedule`);
});

test("the tool forgets a person, drops an iteration and brings letters back in all databases", {
  timeout: 120_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "sortition-databases-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(inRoot("node_modules"), join(folder, "node_modules"));
  const databases = names("TOOL", DATABASES).map((place, number) => ({
    binding: number ? `LEDGER_${number}` : "LEDGER",
    database_name: place.toLowerCase(),
    database_id: place.toLowerCase(),
  }));
  const config = { name: "unreliable", compatibility_date: "2026-11-01", d1_databases: databases };
  const kv_namespaces = [{ binding: "CONFIG", id: "letters" }];
  const r2_buckets = [{ binding: "ARCHIVE", bucket_name: "tool" }];
  writeFileSync(join(folder, "wrangler.json"), JSON.stringify({ ...config, kv_namespaces, r2_buckets }));
  const sortition = (...args) => {
    const place = ["--json", "--local", "--persist-to", consumer.state];
    const told = spawnSync(tool, ["events", ...args, ...place], { cwd: folder, encoding: "utf8" });
    assert.equal(told.status, 0, told.stderr + told.stdout);
    return JSON.parse(told.stdout);
  };
  for (const [seq, events] of people("tool").entries()) {
    const asked = { place: "TOOL", databases: DATABASES, deliveries: [{ id: "m", number: 0, attempts: 1 }] };
    await consumer.ask("deliver", { ...asked, bodies: [{ schema: 1, source: "isolate-one", seq, events }] });
  }
  await settle("TOOL");
  const TABLES = ["exposures", "exposure_variants", "conversions", "identities", "homes", "moves"];
  const dump = async () => {
    const all = names("TOOL", DATABASES).flatMap((one) => TABLES.map((table) => rowsOf(one, `SELECT * FROM ${table}`)));
    return JSON.stringify(await Promise.all(all));
  };
  const before = await dump();
  for (const name of ["tool-v3", "tool-u2", "tool-s-v3", "tool-p-u2", "tool-v1"])
    assert.ok(before.includes(name), name);

  const told = sortition("forget", "tool-u2");
  assert.deepEqual(told.ids, ["tool-u2", "tool-v3"]);
  const left = await dump();
  for (const name of ["tool-v3", "tool-u2", "tool-s-v3", "tool-p-u2", "tool-o-v3"])
    assert.ok(!left.includes(name), name);
  for (const name of ["tool-v1", "tool-v2", "tool-u1", "tool-s-v4"]) assert.ok(left.includes(name), name);

  const exported = join(folder, "price.ndjson");
  const of = "SELECT count(*) AS n FROM exposures WHERE experiment_id = 'price'";
  const priced = async () =>
    (await Promise.all(names("TOOL", DATABASES).map((one) => rowsOf(one, of)))).reduce((sum, [{ n }]) => sum + n, 0);
  const rows = await priced();
  assert.ok(rows >= 4);
  assert.ok(sortition("drop", "price", "1", "--export", exported).rows >= rows);
  assert.equal(
    readFileSync(exported, "utf8")
      .split("\n")
      .filter((line) => line.includes('"table":"exposures"')).length,
    rows,
  );
  assert.equal(await priced(), 0);

  const letter = { schema: 1, source: "isolate-two", seq: 0, events: people("letter")[0] };
  await consumer.ask("put", { place: "TOOL", key: "dead/1.json", text: JSON.stringify({ reason: "", body: letter }) });
  assert.equal(sortition("replay").messages, 1);
  const spilled = await consumer.ask("objects", { place: "TOOL", prefix: "spill/" });
  assert.deepEqual(
    spilled.map(({ text }) => JSON.parse(text).visits[0].events.length),
    [letter.events.length],
    "the schedule brings it to the consumer, which divides",
  );
  assert.deepEqual(await consumer.ask("objects", { place: "TOOL", prefix: "dead/" }), []);
});
