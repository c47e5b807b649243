// The random histories of people that tests/it/person asks the laws of, through the built worker with the real Durable
// Objects: every page is given what the engine gives it natively, and the laws are asked once more of what came out.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { Jar, startWorld } from "./world.mjs";

const folder = mkdtempSync(join(tmpdir(), "sortition-histories-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let world;
let histories;
before(async () => {
  const file = join(folder, "histories.json");
  const args = ["test", "--quiet", "--test", "it", "person::exported"];
  const told = spawnSync("cargo", args, { cwd: at(), env: { ...process.env, SORTITION_HISTORIES: file } });
  assert.equal(told.status, 0, String(told.stderr));
  histories = JSON.parse(readFileSync(file, "utf8"));
  world = await startWorld({ document: histories[0].pages[0].document, people: true });
  await world.ask("/warm");
  // why: what comes of an object that is late is tested elsewhere
  await world.ask("/test/people/patient");
});
after(() => world?.close());

const COOKIES = ["sortition_id", "sortition_session", "user", "consent"];
const exposureOf = (it) => [it.experiment_id, it.variant, it.unit, it.anonymous_id, it.user_id, it.session_id ?? null];
const sorted = (list) => list.map((it) => JSON.stringify(it)).sort();

test("24 histories of 50 steps: each page as the engine has it, nobody flips, nobody is in two of a layer", async () => {
  const met = { pages: 0, told: 0, exposed: 0, kept: 0, users: new Set() };
  for (const { seed, pages } of histories) {
    await world.forget();
    const browsers = new Map();
    const given = new Map();
    let units;
    const expected = [];
    for (const [number, page] of pages.entries()) {
      const place = `history ${seed}, page ${number}`;
      if (page.document) {
        world.setKey("kill", page.kill);
        await world.publish(page.document);
        units = new Map(page.document.experiments.map(({ id, unit }) => [id, unit]));
      }
      if (!browsers.has(page.browser)) browsers.set(page.browser, new Jar());
      const jar = browsers.get(page.browser);
      for (const name of COOKIES) jar.set(name, page.cookies[name] ?? "");
      const { host, pathname } = new URL(page.url);
      const cf = page.country ? { country: page.country } : undefined;
      const answer = jar.take(await world.ask(pathname, { host, cf, cookie: jar.header }));
      const variants = answer.headers["sortition-variants"] ?? "";
      assert.equal(variants, page.told, place);
      expected.push(...page.exposed);

      const mine = variants ? variants.split(", ").map((it) => it.split("=")) : [];
      assert.ok(mine.filter(([id]) => ["e0", "e1", "e2"].includes(id)).length <= 1, `${place}: ${variants}`);
      for (const [id, variant] of mine) {
        const { user, sortition_session: session } = page.cookies;
        const unit = units.get(id);
        if (unit === "user" && !user) continue;
        const who = unit === "session" ? session : unit === "user" ? user : "";
        const key = JSON.stringify([page.browser, id, who]);
        if (given.has(key)) met.kept++;
        assert.equal(variant, given.get(key) ?? variant, `${place}: ${id} flipped`);
        given.set(key, variant);
        if (unit === "user") met.users.add(`${seed} ${user} ${page.browser}`);
      }
      met.pages++;
      met.told += mine.length;
    }
    const events = (await world.sent()).flatMap(({ events }) => events);
    const exposures = events.filter(({ type }) => type === "experiment_exposed");
    assert.deepEqual(sorted(exposures.map(exposureOf)), sorted(expected), `the exposures of history ${seed}`);
    met.exposed += exposures.length;
  }
  assert.equal(met.pages, 2_400);
  const { told, exposed, kept, users } = met;
  assert.ok(told > 500 && exposed > 80 && kept > 300 && users.size > 20, `${told} ${exposed} ${kept} ${users.size}`);
});
