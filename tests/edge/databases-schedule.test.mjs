// A record in three databases under the worker's schedule: what has outlived its time goes from all of them, and a database that
// is new, away, or bound in another's place is told from one that came to be there.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { until } from "./client.mjs";
import { decided, documentOf } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const HEADERS = { Authorization: "Bearer test-admin-token" };
const BINDINGS = ["LEDGER", "LEDGER_1", "LEDGER_2"];
const document = (keep_days) =>
  decided(keep_days, {
    buyers: { kind: "proportion" },
    revenue: { kind: "mean", currency: "EUR", cap_percentile: 95 },
    typical: { kind: "quantile", q: 0.5 },
  });

/** Binds databases, each as its own unless `of` names others. */
const bind =
  (bindings, of = bindings) =>
  (config) => {
    const [{ migrations_dir }] = config.d1_databases;
    config.d1_databases = bindings.map((binding, number) => {
      const name = of[number].toLowerCase().replace("_", "-");
      return { binding, database_name: name, database_id: name, migrations_dir };
    });
    for (const consumer of config.queues.consumers) consumer.max_retries = 1;
  };

let origin;
let platform;
before(async () => {
  origin = await startOrigin();
  platform = await startHarness({ origin: origin.url, document: document(null), change: bind(BINDINGS) });
});
after(async () => {
  await platform?.close();
  await origin?.close();
});

let seq = 0;
const hex = (text) => createHash("md5").update(text).digest("hex");
const at = "2026-02-01T10:00:00.000Z";
const project = documentOf([]).project;
const common = (type, name) => ({
  ...{ type, id: hex(`${type} ${name}`), project, config_revision: "r1", at },
  ...{ anonymous_id: `visitor-${name}`, user_id: null },
});
const exposed = (name, experiment_id, variant) => ({
  ...common("experiment_exposed", name),
  ...{ id: hex(`${experiment_id} ${name}`), experiment_id, iteration: 1, variant, reason: "split", exposed_at: at },
  request: { host: "shop.example", path: "/", method: "GET", device: name % 3 ? "mobile" : "desktop" },
});
const bought = (name, value) => ({
  ...common("experiment_converted", name),
  ...{ conversion_event: "purchase", value, currency: "EUR", converted_at: "2026-02-01T11:00:00.000Z" },
  ...{ channel: "page", properties: {} },
});
const send = (events, to = platform) =>
  to.env.EVENTS.send({ schema: 1, source: "isolate-1", seq: seq++, events }, { contentType: "json" });
const results = async (id, of = platform) =>
  JSON.parse((await of.ask(`/_sortition/experiments/${id}.json`, { headers: HEADERS })).text);
const counts = (table, of = platform) =>
  Promise.all(
    BINDINGS.filter((name) => of.env[name]).map(
      async (name) => (await of.env[name].prepare(`SELECT count(*) AS n FROM ${table}`).first()).n,
    ),
  );
const total = async (table) => (await counts(table)).reduce((sum, n) => sum + n, 0);
const tick = (of = platform) => of.worker.scheduled({ cron: "*/5 * * * *", scheduledTime: new Date() });
const numbers = ({ units, verdict, metrics, segments, days }) => ({ units, verdict, metrics, segments, days });
const gate = async (of = platform) => {
  await of.env.LEDGER.exec("DELETE FROM readouts");
  return (await results("live", of)).gates.find(({ name }) => name === "record");
};

describe("what has outlived its time", () => {
  let then;

  test("goes from every database, also where one of them was away; the results stay", async () => {
    const visitors = Array.from({ length: 96 }, (_, name) => name);
    for (const id of ["hero", "live"])
      await send(visitors.map((name) => exposed(name, id, name % 2 ? "control" : "bold")));
    await send(visitors.filter((name) => name % 4 === 0).map((name) => bought(name, 10 + name)));
    const stored = async () => (await total("exposed")) === 192 && (await total("conversions")) === 24;
    await until(stored, () => `the record:\n${platform.log().slice(-2000)}`, 30_000);
    const divided = await counts("exposed");
    assert.ok(
      divided.every((n) => n > 20),
      `${divided}`,
    );
    then = await results("hero");
    assert.equal(then.units, 96);
    assert.deepEqual(
      then.gates.filter(({ name }) => name === "record").map(({ level }) => level),
      ["green"],
    );

    // while one does not answer nothing goes: what it holds would be missing from what is kept
    await platform.env.CONFIG.put("config", JSON.stringify(document(30)));
    await platform.env.LEDGER_2.exec("ALTER TABLE segments RENAME TO away");
    await tick();
    await until(() => /keeping the record|question of the readout failed/.test(platform.log()), "the schedule to end");
    assert.equal(await total("exposed"), 192);
    await platform.env.LEDGER_2.exec("ALTER TABLE away RENAME TO segments");

    // one cannot be marked: the others go, and the rest with the next run
    await platform.env.LEDGER_1.exec(
      "CREATE TRIGGER stop BEFORE UPDATE ON iterations BEGIN SELECT RAISE(ABORT, 'it is away'); END",
    );
    await tick();
    await until(() => platform.log().includes("it is away"), "the schedule to fail");
    assert.deepEqual(numbers(await results("hero")), numbers(then), "half way");
    await platform.env.LEDGER_1.exec("DROP TRIGGER stop");
    await tick();
    await until(
      async () => (await total("exposed")) === 96,
      () => `the exposures to go:\n${platform.log().slice(-2000)}`,
    );
    const now = await results("hero");
    assert.deepEqual(numbers(now), numbers(then));
    assert.equal(now.computed_by, "D1");
    assert.equal(now.gates.find(({ name }) => name === "record").level, "green");
    assert.equal((await results("live")).units, 96);
  });

  test("what comes late changes nothing, also in a database that has never heard of the iteration", async () => {
    await platform.env.LEDGER_1.exec(
      "DELETE FROM exposed_counts WHERE iteration_no = (SELECT number FROM iterations WHERE expired = 1)",
    );
    await platform.env.LEDGER_1.exec("DELETE FROM iterations WHERE expired = 1");
    // the shop goes on meanwhile, so that the record knows of more than what was kept
    const now = new Date().toISOString();
    await send([{ ...exposed(999, "live", "bold"), at: now, exposed_at: now }]);
    await until(async () => (await total("exposed")) === 97, "who comes now");
    const before = await counts("exposed");
    const late = Array.from({ length: 30 }, (_, name) => exposed(1000 + name, "hero", "bold"));
    await send(late);
    await until(async () => (await total("exposed")) === 127, "the late exposures");
    assert.ok((await counts("exposed"))[1] > before[1]);
    const found = await results("hero");
    assert.deepEqual(numbers(found), numbers(then));
    assert.equal(found.gates.find(({ name }) => name === "record").level, "green");
    await tick();
    await until(async () => (await total("exposed")) === 97, "the late exposures to go");
    assert.deepEqual(numbers(await results("hero")), numbers(then));
  });

  test("a step of the schedule that cannot be done keeps no other from being done", async () => {
    await platform.env.CONFIG.put("config", JSON.stringify(document(null)));
    // somebody waits to be carried, and the step before cannot be done
    await platform.env.LEDGER.exec("ALTER TABLE exposures_before RENAME TO away");
    await platform.env.LEDGER.exec("CREATE VIEW exposures_before AS SELECT * FROM nowhere");
    await platform.env.LEDGER.exec(`INSERT INTO moves VALUES ('${project}', 'vnobody', 1, 1)`);
    await tick();
    await until(() => /keeping the record: .*nowhere/.test(platform.log()), "the first step to fail");
    await platform.env.LEDGER.exec("DROP VIEW exposures_before");
    await platform.env.LEDGER.exec("ALTER TABLE away RENAME TO exposures_before");
    await tick();
    await until(async () => (await platform.rows("SELECT count(*) AS n FROM moves"))[0].n === 0, "it to be carried");
  });
});

describe("a database that is not the one that it was", () => {
  const problem = async () => (await platform.health()).record.problems.join();
  const placed = async (binding) =>
    (await platform.env[binding].prepare("SELECT databases, number FROM placement").first()).databases;

  for (const [name, binding, also] of [
    ["a new one in the place of one that held people", "LEDGER_1"],
    ["a new one in the place of the first", "LEDGER", "DELETE FROM homes"],
  ])
    test(`${name}: it is said, and not taken in`, async () => {
      // somebody who logged in, so that databases know where people live
      await send(
        Array.from({ length: 9 }, (_, name) => ({ ...common("identified", name), user_id: `user-${name % 3}` })),
      );
      await until(async () => (await counts("homes")).every((n) => n > 0), "them to be at home", 30_000);
      const settled = async () => (await platform.rows("SELECT count(*) AS n FROM moves"))[0].n === 0;
      await until(settled, "nothing to be carried");
      assert.equal((await gate()).level, "green");
      const homes = also ? (await platform.env[binding].prepare("SELECT * FROM homes").all()).results : [];
      await platform.env[binding].exec("UPDATE placement SET databases = 1, number = 0");
      if (also) await platform.env[binding].exec(also);
      assert.match(await problem(), new RegExp(`^${binding} is bound to a new database`));
      const { level, text } = await gate();
      assert.equal(level, "red");
      assert.match(text, /health says which/);
      const before = await counts("exposed");
      const since = platform.log().length;
      await tick();
      await send(Array.from({ length: 30 }, (_, name) => exposed(2000 + seq * 100 + name, "live", "bold")));
      const refused = () =>
        platform.log().slice(since).includes(`delivered again: ${binding} is bound to a new database`);
      await until(refused, () => `the consumer to say why:\n${platform.log().slice(since)}`, 30_000);
      assert.equal(await placed(binding), 1);
      const number = BINDINGS.indexOf(binding);
      // why: what others got of the batch they keep, for it comes again
      assert.equal((await counts("exposed"))[number], before[number]);
      // the right one again
      await platform.env[binding].exec(`UPDATE placement SET databases = 3, number = ${number}`);
      for (const { project, name, root, home, version } of homes)
        await platform.env[binding]
          .prepare("INSERT OR IGNORE INTO homes VALUES (?1, ?2, ?3, ?4, ?5)")
          .bind(project, name, root, home, version)
          .run();
      assert.equal(await problem(), "");
    });
});

describe("fewer than there are", () => {
  for (const [name, bindings, of, said, refused] of [
    ["with a gap", ["LEDGER", "LEDGER_2"], undefined, /LEDGER_2 is bound, and LEDGER_1 is not/, /LEDGER_1 is not/],
    [
      "one alone",
      ["LEDGER"],
      undefined,
      /lies in 3 databases, and the worker has 1 of them/,
      /3 databases, and 1 is bound/,
    ],
  ])
    test(`${name}: nothing is recorded, nothing goes, and the readout says that it does not know`, async () => {
      const less = await startHarness({ origin: origin.url, document: document(30), change: bind(bindings, of) });
      try {
        await less.env.LEDGER.exec("UPDATE placement SET databases = 3, number = 0");
        const at = exposed(1, "hero", "bold");
        await send([at], less);
        await until(
          () => refused.test(less.log()),
          () => `the consumer to refuse it:\n${less.log()}`,
          30_000,
        );
        assert.deepEqual(
          await counts("exposed", less),
          bindings.map(() => 0),
        );
        const { level, text } = await gate(less);
        assert.equal(level, "red");
        assert.match(text, said);
        // what lies there outlives its time, and stays, for the others' is not known
        await less.env.LEDGER.exec(
          `INSERT INTO iterations (project, experiment_id, iteration) VALUES ('${project}', 'hero', 1)`,
        );
        await less.env.LEDGER.exec("INSERT INTO variants (id) VALUES ('bold')");
        await less.env.LEDGER.exec("INSERT INTO revisions (id) VALUES ('r1')");
        await tick(less);
        assert.equal((await less.rows("SELECT expired FROM iterations"))[0].expired, 0);
        assert.deepEqual(await less.archived(`results/${project}/hero/`), []);
      } finally {
        await less.close();
      }
    });
});
