// The kill switch while visitors come all the time: how long until nobody is treated any more, and what the record then
// knows of before, meanwhile and after.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { until } from "./client.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const TTL_SECONDS = 1;
/** What a busy machine may add. */
const MARGIN_SECONDS = 15;
const BETWEEN_REQUESTS_MS = 25;

const halves = (id) =>
  experiment({
    id,
    variants: [
      { id: "control", weight: 1 },
      { id: "bold", weight: 1, rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] },
    ],
  });

let origin;
let platform;
before(async () => {
  origin = await startOrigin();
  platform = await startHarness({
    origin: origin.url,
    document: documentOf([halves("hero"), halves("price")]),
    change: (config) => {
      config.vars.CONFIG_TTL_SECONDS = String(TTL_SECONDS);
    },
  });
});
after(async () => {
  await platform.close();
  await origin.close();
});

/** What a visitor is given: experiment id → variant id. */
async function visit(id) {
  const { status, headers } = await platform.ask("/", { cookie: `sortition_id=${id}` });
  assert.equal(status, 200);
  const members = (headers["sortition-variants"] ?? "").split(", ").filter(Boolean);
  return { id, at: Date.now(), given: Object.fromEntries(members.map((member) => member.split("="))) };
}

/** New visitors, one after the other, until `stop` is called. */
function load() {
  const visits = [];
  let over = false;
  const running = (async () => {
    const underWay = [];
    while (!over) {
      underWay.push(visit(`visitor-${String(visits.length + underWay.length).padStart(6, "0")}-${Date.now()}`));
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_REQUESTS_MS));
      if (underWay.length >= 8) visits.push(...(await Promise.all(underWay.splice(0))));
    }
    visits.push(...(await Promise.all(underWay)));
  })();
  return {
    visits,
    async stop() {
      over = true;
      await running;
    },
  };
}

const recorded = async (experiment) => {
  const sql = "SELECT anonymous_id AS id, variant, exposed_at FROM exposures WHERE experiment_id = ?";
  const { results } = await platform.env.LEDGER.prepare(sql).bind(experiment).all();
  return results.map((row) => ({ ...row, at: Date.parse(row.exposed_at) }));
};

test("a kill under load reaches everybody within the TTL, and the record tells before from after", async (t) => {
  const regulars = Array.from({ length: 10 }, (_, number) => `regular-visitor-${number}`);
  const at = {};
  // why: on a busy machine the first requests of an isolate may pass through before KV has answered
  await until(async () => (await platform.health()).config_revision === "r1", "the document to be used");
  const atFirst = await Promise.all(regulars.map(visit));
  const running = load();
  const sawHero = (since) => running.visits.some((one) => one.at > since && one.given.hero);
  await until(() => sawHero(0) && running.visits.length > 40, "visitors to come");

  await platform.env.CONFIG.put("kill", JSON.stringify({ experiments: ["hero"] }));
  at.killed = Date.now();
  await until(
    () => running.visits.slice(-40).every((one) => one.at > at.killed && !one.given.hero),
    "everybody to get the control",
    (TTL_SECONDS + MARGIN_SECONDS) * 1000,
  );
  at.restoring = Date.now();
  await platform.env.CONFIG.delete("kill");
  await until(() => sawHero(at.restoring), "the experiment to come back", (TTL_SECONDS + MARGIN_SECONDS) * 1000);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await running.stop();
  const atLast = await Promise.all(regulars.map(visit));

  const { visits } = running;
  const treated = visits.filter((one) => one.given.hero);
  const before = treated.filter((one) => one.at < at.restoring);
  const after = treated.filter((one) => one.at >= at.restoring);
  const last = Math.max(...before.map((one) => one.at));
  t.diagnostic(`the last treated answer came ${last - at.killed} ms after the kill, of ${visits.length} answers`);
  assert.ok(last - at.killed < (TTL_SECONDS + MARGIN_SECONDS) * 1000);
  assert.ok(before.length > 0 && after.length > 0 && treated.length < visits.length);
  assert.ok(
    visits.every((one) => one.given.price),
    "the other experiment goes on",
  );
  for (const [index, one] of atFirst.entries()) assert.deepEqual(atLast[index].given, one.given, one.id);

  // what the record has, against what the visitors saw: everybody who was treated, nobody who was not
  const expected = [...treated, ...atFirst].map((one) => `${one.id} ${one.given.hero}`).sort();
  let hero;
  const complete = async () => {
    hero = await recorded("hero");
    return hero.length >= expected.length;
  };
  await until(complete, () => `${expected.length} exposures to be recorded; there are ${hero.length}`, 60_000);
  assert.deepEqual(hero.map((row) => `${row.id} ${row.variant}`).sort(), expected);
  await until(async () => (await recorded("price")).length >= visits.length + regulars.length, "the others", 60_000);

  // by their times alone: before and after fall apart, with nothing between them
  const early = hero.filter((row) => row.at <= last).map((row) => row.id);
  const late = hero.filter((row) => row.at >= at.restoring).map((row) => row.id);
  assert.deepEqual(early.sort(), [...before, ...atFirst].map((one) => one.id).sort());
  assert.deepEqual(late.sort(), after.map((one) => one.id).sort());
});
