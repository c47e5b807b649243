// Taking over from another tool, on the wire: a shadow leaves every byte to the origin and counts; an assignment out of
// another tool's cookie is kept from the first sight on.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cookieOf, documentOf, experiment, Jar, ours, startWorld } from "./world.mjs";

const VISITOR = "sortition_id=visitor-0001";
const shadow = (compare, rest = {}) => experiment({ mode: "shadow", shadow: { compare }, ...rest });

describe("a shadow", () => {
  let world;
  before(async () => {
    world = await startWorld({ document: documentOf([shadow("cookie.old")]) });
  });
  after(() => world.close());

  test("leaves the page, its headers and the cookies as the origin sent them", async () => {
    const body = `<!doctype html><h1>Welcome</h1>${"é雪".repeat(20_000)}`;
    const headers = [
      "Content-Type",
      "text/html; charset=utf-8",
      "ETag",
      '"abc"',
      "Cache-Control",
      "public, max-age=60",
    ];
    world.origin.serve("/", { body, headers });
    for (const cookie of [undefined, VISITOR, `${VISITOR}; old=bold`, `${VISITOR}; old=control`]) {
      await world.forget();
      const answer = await world.ask("/", { cookie, headers: { "If-None-Match": '"xyz"' } });
      assert.equal(Buffer.compare(answer.bytes, Buffer.from(body)), 0);
      assert.deepEqual(answer.setCookies, []);
      assert.deepEqual(ours(answer.fields), []);
      assert.equal(answer.headers.etag, '"abc"');
      assert.equal(answer.headers["cache-control"], "public, max-age=60");
      const [seen] = world.origin.of("/");
      assert.deepEqual(ours(seen.fields), []);
      assert.equal(seen.headers["if-none-match"], '"xyz"');
      assert.deepEqual(await world.sent(), []);
    }
  });

  test("counts how often it agrees with the old tool's cookie", async () => {
    await world.publish(documentOf([shadow("cookie.old")]));
    for (const old of ["; old=bold", "; old=bold", "; old=control", "; old=%3Cscript%3E", ""]) {
      await world.ask("/", { cookie: VISITOR + old });
    }
    await world.ask("/", { cookie: "old=bold" });
    await world.ask("/", { cookie: `${VISITOR}; old=bold`, headers: { "User-Agent": "Googlebot/2.1" } });
    await world.ask("/style.css", { cookie: `${VISITOR}; old=bold` });
    const counts = { agree: 2, differ: 1, unknown: 1, silent: 1, unidentified: 1 };
    const health = await world.health();
    assert.deepEqual(health.shadow, counts);
    assert.deepEqual(health.shadows, { hero: counts });
    assert.deepEqual(health.shadow_differences, [
      { experiment: "hero", unit: "visitor-0001", ours: "bold", reason: "split", theirs: "control" },
      { experiment: "hero", unit: "visitor-0001", ours: "bold", reason: "split", theirs: "<script>" },
    ]);
    // the public learns how many, and no names
    const told = JSON.parse((await world.ask("/_sortition/health")).text);
    assert.deepEqual(told.shadow, counts);
    assert.deepEqual([told.shadows, told.shadow_differences], [undefined, undefined]);
  });

  test("is compared with a header of the request, or of the origin's answer", async () => {
    await world.publish(documentOf([shadow("header.x-old")]));
    const headers = ["Content-Type", "text/html", "X-Old", "control"];
    world.origin.serve("/", { headers });
    await world.ask("/", { cookie: VISITOR });
    await world.ask("/", { cookie: VISITOR, headers: { "X-Old": "bold" } });
    assert.deepEqual((await world.health()).shadow, { agree: 1, differ: 1, unknown: 0, silent: 0, unidentified: 0 });
  });

  test("does not disturb a live experiment on the same page, nor take exposures", async () => {
    const live = experiment({
      id: "price",
      variants: [
        { id: "a", weight: 0 },
        { id: "b", weight: 1, rewrite: [{ select: "h1", do: "set_text", value: "Live" }] },
      ],
    });
    await world.publish(documentOf([shadow("cookie.old", { priority: 9 }), live]));
    world.origin.serve("/", {});
    await world.forget();
    const answer = await world.ask("/", { cookie: `${VISITOR}; old=bold` });
    assert.match(answer.text, /Live/);
    assert.equal(answer.headers["sortition-variants"], "price=b");
    assert.equal((await world.health()).shadow.agree, 1);
    const body = JSON.stringify({ events: [{ type: "experiment_exposed", experiment_id: "hero", variant: "bold" }] });
    const headers = { "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json" };
    const refused = await world.ask("/_sortition/events", { method: "POST", body, cookie: VISITOR, headers });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /shadow mode/);
    const exposed = (await world.sent()).flatMap((message) => message.events.map((event) => event.experiment_id));
    assert.deepEqual(exposed, ["price"]);
  });

  test("becomes live by its mode alone", async () => {
    await world.publish(documentOf([experiment()]));
    assert.match((await world.ask("/", { cookie: VISITOR })).text, /Hello/);
    assert.equal((await world.health()).shadow?.agree ?? 0, 1);
  });
});

describe("an assignment in another tool's cookie", () => {
  let world;
  const variants = [
    { id: "control", weight: 1 },
    { id: "bold", weight: 0, rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] },
  ];
  const visitor = { cookie: "gbuuid", adopt: [{ from: "growthbook" }, { from: "vwo" }] };
  const DOCUMENT = documentOf([experiment({ key: "17", variants })], { visitor });
  before(async () => {
    world = await startWorld({ document: DOCUMENT, vars: { SORTITION_SECRET: "a secret" } });
  });
  after(() => world.close());

  const bucket = encodeURIComponent(
    JSON.stringify({ attributeName: "id", attributeValue: "abc", assignments: { "17__0": "1" } }),
  );

  test("is kept from the first sight on, exposed once, and the cookie is never written", async () => {
    for (const [name, value] of [
      ["gbStickyBuckets__id||abc", bucket],
      ["_vis_opt_exp_17_combi", "2"],
    ]) {
      await world.forget();
      const jar = new Jar().set("gbuuid", "abc").set(name, value);
      const first = jar.take(await world.ask("/", { cookie: jar.header }));
      assert.match(first.text, /Hello/, name);
      assert.deepEqual(
        first.setCookies.map((cookie) => cookie.split("=")[0]),
        ["sortition_as"],
      );
      jar.set(name, "");
      const second = jar.take(await world.ask("/", { cookie: jar.header }));
      assert.match(second.text, /Hello/, "it is ours by now");
      assert.deepEqual(second.setCookies, []);
      const exposures = (await world.sent()).flatMap((message) => message.events);
      assert.deepEqual(
        exposures.map((event) => [event.experiment_id, event.variant, event.reason, event.anonymous_id]),
        [["hero", "bold", "sticky", "abc"]],
      );
    }
  });

  test("counts for nobody else, for no variant that does not exist, and breaks nothing", async () => {
    const hostile = ["3", "0", "-1", "1e9", "%00", "<script>", "{}", "2".repeat(3_000), "%F0%9F"];
    const cookies = [
      ...hostile.map((value) => `gbuuid=abc; _vis_opt_exp_17_combi=${value}`),
      ...hostile.map((value) => `gbuuid=abc; gbStickyBuckets__id||abc=${value}`),
      `gbuuid=xyz; gbStickyBuckets__id||abc=${bucket}`,
      `gbuuid=abc; gbStickyBuckets__id||abc=${"%5B".repeat(1_000)}`,
      `gbuuid=abc; ${Array.from({ length: 300 }, (_, n) => `_vis_opt_exp_${n + 100}_combi=2`).join("; ")}`,
    ];
    for (const cookie of cookies) {
      const answer = await world.ask("/", { cookie });
      assert.equal(answer.status, 200);
      assert.match(answer.text, /Welcome/, cookie.slice(0, 80));
      assert.ok((cookieOf(answer, "sortition_as") ?? "").length < 200);
    }
    assert.equal((await world.health()).status, "ok");
  });
});
