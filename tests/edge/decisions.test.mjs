// Decisions by call, asked of the built worker: OFREP and choose.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { cookieOf, documentOf, experiment, Jar, startWorld } from "./world.mjs";

const TOKEN = "api-token";
const EVEN = [
  { id: "control", weight: 1 },
  { id: "bold", weight: 1 },
];
const HERO = experiment({ id: "hero", key: "Hero Banner", tags: ["home"], pages: ["/"], variants: EVEN });
const PAY = experiment({ id: "pay", unit: "user", else_unit: "visitor", pages: ["/checkout"], variants: EVEN });
const STAFF = experiment({
  id: "staff",
  kind: "permission",
  audience: { "custom.role": "staff" },
  variants: [
    { id: "off", weight: 0 },
    { id: "on", weight: 1 },
  ],
});
const DRAFT = experiment({ id: "later", status: "draft" });
const DOCUMENT = {
  ...documentOf([HERO, PAY, STAFF, DRAFT]),
  api: { cors_origins: ["https://app.example"], max_age_seconds: 30 },
};

let world;
before(async () => {
  world = await startWorld({ document: DOCUMENT, vars: { API_TOKEN: TOKEN, SORTITION_SECRET: "secret" } });
  await world.ask("/warm");
});
after(() => world.close());
beforeEach(() => world.forget());

const FLAGS = "/_sortition/ofrep/v1/evaluate/flags";
const json = { "content-type": "application/json" };
const server = { ...json, authorization: `Bearer ${TOKEN}` };

/** Posts a body and reads the answer. */
async function post(path, body, headers = server, more = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await world.ask(path, { method: "POST", headers, body: text, ...more });
  return { ...answer, json: answer.text ? JSON.parse(answer.text) : undefined };
}

/** The headers of a browser on a page of the worker's own site. */
const browser = () => ({ ...json, origin: new URL(world.url).origin, "sec-fetch-site": "same-origin" });

const exposures = async () =>
  (await world.sent()).flatMap(({ events }) => events).filter(({ type }) => type === "experiment_exposed");

describe("OFREP for a server", () => {
  test("a flag by its key, with value, reason, variant and metadata", async () => {
    const { status, json, headers } = await post(`${FLAGS}/Hero%20Banner`, { context: { targetingKey: "visitor-17" } });
    assert.equal(status, 200);
    assert.match(headers["content-type"], /^application\/json/);
    assert.equal(json.key, "Hero Banner");
    assert.equal(json.reason, "SPLIT");
    assert.equal(json.value, json.variant);
    assert.equal(json.metadata.experiment, "hero");
    assert.deepEqual(await exposures(), [], "an evaluation is no exposure");
  });

  test("the same unit has the same variant by call and by page", async () => {
    for (let n = 0; n < 20; n++) {
      const visitor = `visitor-of-both-${n}`;
      const page = await world.ask("/", { cookie: `sortition_id=${visitor}` });
      const { json } = await post(`${FLAGS}/hero`, { context: { targetingKey: visitor } });
      assert.match(page.headers["sortition-variants"], new RegExp(`hero=${json.metadata.variant}`));
    }
  });

  test("all flags, with what is off left to the client", async () => {
    const { status, json, headers } = await post(FLAGS, { context: { targetingKey: "user-17", role: "staff" } });
    assert.equal(status, 200);
    const flags = Object.fromEntries(json.flags.map((flag) => [flag.key, flag]));
    assert.deepEqual(Object.keys(flags), ["Hero Banner", "pay", "staff", "later"]);
    assert.deepEqual([flags.staff.value, flags.staff.reason], [true, "SPLIT"]);
    assert.deepEqual([flags.later.reason, "value" in flags.later], ["DISABLED", false]);
    assert.match(headers.etag, /^"[^"]+"$/);
    assert.match(headers["cache-control"], /private/);
    assert.match(headers["cache-control"], /max-age=30/);
  });

  test("an entity tag changes with the decisions and the revision, and with nothing else", async () => {
    const of = async (context, headers = server) =>
      post(FLAGS, { context: { targetingKey: "user-1", ...context } }, headers);
    const first = await of({});
    assert.equal((await of({ unrelated: 1 })).headers.etag, first.headers.etag);
    assert.notEqual((await of({ role: "staff" })).headers.etag, first.headers.etag);
    const again = await of({}, { ...server, "if-none-match": first.headers.etag });
    assert.deepEqual([again.status, again.text], [304, ""]);
    await world.publish({ ...DOCUMENT, revision: "another" });
    const pushed = await of({}, { ...server, "if-none-match": first.headers.etag });
    assert.equal(pushed.status, 200);
    await world.publish(DOCUMENT);
  });

  test("one evaluation exposes where it is asked to, under the id of a page's exposure", async () => {
    const context = { targetingKey: "visitor-exposed", visitor_id: "visitor-exposed", expose: true };
    const { json } = await post(`${FLAGS}/hero`, { context });
    const [event, ...more] = await exposures();
    assert.deepEqual(more, []);
    assert.deepEqual(
      [event.experiment_id, event.variant, event.anonymous_id, event.reason],
      ["hero", json.metadata.variant, "visitor-exposed", "split"],
    );
    world.forget();
    await world.ask("/", { cookie: "sortition_id=visitor-exposed" });
    assert.equal((await exposures())[0].id, event.id);
  });
});

describe("who polls", () => {
  const unchanged = async () => (await world.health()).calls_unchanged;
  const poll = (headers, body, etag, more) =>
    post(FLAGS, body, etag ? { ...headers, "if-none-match": etag } : headers, more);

  for (const [what, headers, cookie] of [
    ["a server", () => server],
    ["a browser", browser, "sortition_id=visitor-who-polls"],
  ]) {
    test(`${what} costs no decision while nothing changes`, async () => {
      const body = { context: { targetingKey: `polls-${what}` } };
      const first = await poll(headers(), body, undefined, { cookie });
      assert.equal(first.status, 200);
      const before = await unchanged();
      for (let n = 0; n < 5; n++) {
        const { status, text, headers: told } = await poll(headers(), body, `W/"x", ${first.headers.etag}`, { cookie });
        assert.deepEqual([status, text, told.etag], [304, "", first.headers.etag]);
        assert.match(told["cache-control"], /private, max-age=30/);
      }
      assert.equal(await unchanged(), before + 5);
      const other = await poll(headers(), { context: { ...body.context, role: "staff" } }, first.headers.etag, {
        cookie,
      });
      assert.equal(other.status, 200, "another context is another question");
      assert.equal((await poll(headers(), body, '"another"', { cookie })).status, 200);
      assert.equal(await unchanged(), before + 5);
      world.setKey("kill", { experiments: ["hero"] });
      await world.settled(({ killed_count }) => killed_count === 1);
      const killed = await poll(headers(), body, first.headers.etag, { cookie });
      assert.equal(killed.status, 200);
      assert.equal(killed.json.flags[0].reason, "DISABLED");
      world.setKey("kill", undefined);
      await world.settled(({ killed_count }) => killed_count === 0);
      assert.equal((await poll(headers(), body, first.headers.etag, { cookie })).status, 304, "as it was");
    });
  }

  test("another visitor's browser is told its own", async () => {
    const body = { context: {} };
    const answers = [];
    for (let n = 0; n < 8; n++)
      answers.push(await poll(browser(), body, undefined, { cookie: `sortition_id=visitor-${n}` }));
    const tags = answers.map(({ headers }) => headers.etag);
    for (let n = 0; n < 8; n++) {
      const { status, text } = await poll(browser(), body, tags[0], { cookie: `sortition_id=visitor-${n}` });
      assert.equal(status, tags[n] === tags[0] ? 304 : 200);
      if (status === 200) assert.equal(text, answers[n].text);
    }
  });

  test("a time that comes is a change", async () => {
    const ends = new Date(Date.now() + 5_000).toISOString();
    await world.publish({ ...DOCUMENT, experiments: [{ ...HERO, ends_at: ends }] });
    const body = { context: { targetingKey: "waits" } };
    const first = await poll(server, body);
    const second = await poll(server, body, first.headers.etag);
    // why: on a busy machine the time may have come already; tests/it/decisions.rs has the law without a clock
    if (Date.now() < Date.parse(ends)) assert.equal(second.status, 304);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, Date.parse(ends) - Date.now()) + 50));
    const after = await poll(server, body, first.headers.etag);
    assert.equal(after.status, 200);
    assert.equal(after.json.flags[0].reason, "DISABLED");
    await world.publish(DOCUMENT);
  });
});

describe("what is refused", () => {
  for (const [what, headers, status] of [
    ["nobody", json, 401],
    ["another token", { ...json, authorization: "Bearer another" }, 401],
    ["an empty token", { ...json, "x-api-key": "" }, 401],
    ["another site's page", { ...json, origin: "https://evil.example", "sec-fetch-site": "cross-site" }, 403],
  ]) {
    test(`${what}: ${status}`, async () => {
      for (const path of [FLAGS, `${FLAGS}/hero`, "/_sortition/choose"]) {
        assert.equal((await post(path, { context: { targetingKey: "a" } }, headers)).status, status, path);
      }
    });
  }

  test("a token in the query is none", async () => {
    assert.equal((await post(`${FLAGS}?token=${TOKEN}&api_key=${TOKEN}`, "{}", json)).status, 401);
  });

  for (const [what, body, status, code] of [
    ["no body", "", 400, "PARSE_ERROR"],
    ["half a body", '{"context"', 400, "PARSE_ERROR"],
    ["200 levels", `{"context":${"[".repeat(200)}${"]".repeat(200)}}`, 400, "PARSE_ERROR"],
    ["70 KiB", JSON.stringify({ context: { targetingKey: "a", text: "x".repeat(70_000) } }), 400, "PARSE_ERROR"],
    ["no context", "{}", 400, "INVALID_CONTEXT"],
    ["no targeting key", '{"context": {}}', 400, "TARGETING_KEY_MISSING"],
    ["a number for a key", '{"context": {"targetingKey": 7}}', 400, "INVALID_CONTEXT"],
  ]) {
    test(`${what}: ${code}`, async () => {
      const single = await post(`${FLAGS}/hero`, body);
      assert.deepEqual([single.status, single.json.key, single.json.errorCode], [status, "hero", code]);
      const bulk = await post(FLAGS, body);
      assert.deepEqual([bulk.status, "key" in bulk.json, bulk.json.errorCode], [status, false, code]);
    });
  }

  test("but not what stands beside the context: OFREP's schema is open to it", async () => {
    const body = '{"context": {"targetingKey": "a"}, "more": 1}';
    for (const path of [`${FLAGS}/hero`, FLAGS]) assert.equal((await post(path, body)).status, 200, path);
  });

  test("a flag that is not there, also of 10 KB", async () => {
    for (const key of ["nothing", "x".repeat(10_000), "%00", "%E0%A4%A"]) {
      const { status, json } = await post(`${FLAGS}/${key}`, { context: { targetingKey: "a" } });
      assert.deepEqual([status, json.errorCode], [404, "FLAG_NOT_FOUND"]);
      assert.ok(JSON.stringify(json).length < 1000);
    }
  });

  test("other methods", async () => {
    assert.equal((await world.ask(FLAGS)).status, 405);
    assert.equal((await world.ask("/_sortition/choose", { method: "DELETE" })).status, 405);
  });
});

describe("a browser", () => {
  test("is the visitor of its cookie, whatever it says", async () => {
    const cookie = "sortition_id=visitor-in-browser";
    const page = await world.ask("/", { cookie });
    const context = { targetingKey: "somebody-else", user_id: "user-9", visitor_id: "somebody-else" };
    const { json, setCookies } = await post(FLAGS, { context }, browser(), { cookie });
    const hero = json.flags.find(({ key }) => key === "Hero Banner");
    assert.match(page.headers["sortition-variants"], new RegExp(`hero=${hero.metadata.variant}`));
    assert.deepEqual(setCookies, []);
  });

  test("without a cookie is given one, and is the same visitor on the page after", async () => {
    const jar = new Jar();
    const answer = jar.take(await post(FLAGS, { context: {} }, browser()));
    assert.ok(cookieOf(answer, "sortition_id"));
    const hero = answer.json.flags.find(({ key }) => key === "Hero Banner");
    const page = await world.ask("/", { cookie: jar.header });
    assert.match(page.headers["sortition-variants"], new RegExp(`hero=${hero.metadata.variant}`));
  });

  test("that is a crawler gets the control, no cookie and no exposure", async () => {
    const headers = { ...browser(), "user-agent": "Googlebot/2.1 (+http://www.google.com/bot.html)" };
    const { json, setCookies } = await post(`${FLAGS}/hero`, { context: { expose: true } }, headers);
    assert.deepEqual([json.reason, json.metadata.variant, setCookies], ["DEFAULT", "control", []]);
    assert.deepEqual(await exposures(), []);
  });

  test("without consent gets the control, no cookie and no exposure", async () => {
    await world.publish({ ...DOCUMENT, consent: { cookie: "consent", granted: ["yes"] } });
    const { json, setCookies } = await post(`${FLAGS}/hero`, { context: { expose: true } }, browser());
    assert.deepEqual([json.reason, json.metadata.variant, setCookies], ["DEFAULT", "control", []]);
    assert.deepEqual(await exposures(), []);
    await world.publish(DOCUMENT);
  });

  for (const [what, mode, essential] of [
    ["is told to wait", "hold", false],
    ["asks for what is essential", "strict", true],
  ]) {
    test(`without consent that ${what} gets its variant, and nothing is recorded`, async () => {
      const experiments = DOCUMENT.experiments.map((it) => ({ ...it, essential }));
      const consent = { cookie: "consent", granted: ["yes"], mode };
      await world.publish({ ...DOCUMENT, experiments, consent });
      const cookie = "sortition_id=visitor-without";
      const { json } = await post(`${FLAGS}/hero`, { context: { expose: true } }, { ...browser(), cookie });
      assert.equal(json.metadata.reason, "split");
      const chosen = await post("/_sortition/choose", { names: ["hero"], expose: true }, { ...browser(), cookie });
      const [{ reason, exposure }] = chosen.json.decisions;
      assert.deepEqual([reason, exposure], ["split", null]);
      assert.deepEqual(await exposures(), []);
      const consents = { ...browser(), cookie: `${cookie}; consent=yes` };
      await post(`${FLAGS}/hero`, { context: { expose: true } }, consents);
      assert.equal((await exposures()).length, 1);
      await world.publish(DOCUMENT);
    });
  }

  test("that is told to wait is recorded once its visitor consents, by a call or by a page, with the time of then", async () => {
    await world.publish({ ...DOCUMENT, consent: { cookie: "consent", granted: ["yes"], mode: "hold" } });
    for (const [how, ask] of [
      ["a call", (cookie) => post("/_sortition/choose", { names: ["hero"], expose: true }, { ...browser(), cookie })],
      ["a page", (cookie) => world.ask("/", { cookie })],
    ]) {
      await world.forget();
      const met = Date.now();
      const jar = new Jar();
      const first = jar.take(await post(`${FLAGS}/hero`, { context: { expose: true } }, browser()));
      assert.deepEqual([first.json.metadata.reason, await exposures()], ["split", []], how);
      const waited = jar.header;
      await post(FLAGS, { context: {} }, { ...browser(), cookie: `${waited}; consent=yes` });
      assert.deepEqual(await exposures(), [], `${how}: a bulk evaluation exposes nothing`);
      await new Promise((done) => setTimeout(done, 1100));
      await ask(`${waited}; consent=yes`);
      const [exposed, ...more] = (await exposures()).filter(({ experiment_id }) => experiment_id === "hero");
      assert.deepEqual([exposed?.variant, more], [first.json.metadata.variant, []], how);
      const waitedFor = Date.parse(exposed.at) - Date.parse(exposed.exposed_at);
      assert.ok(
        waitedFor >= 1000 && Date.parse(exposed.exposed_at) >= met - 1000,
        `${how}: ${JSON.stringify(exposed)}`,
      );
    }
    await world.publish(DOCUMENT);
  });

  test("that asks again is exposed once, as on pages", async () => {
    const first = await post(`${FLAGS}/hero`, { context: { expose: true } }, browser());
    const cookie = first.setCookies.map((line) => line.split(";")[0]).join("; ");
    for (let call = 0; call < 2; call++) {
      await post(`${FLAGS}/hero`, { context: { expose: true } }, { ...browser(), cookie });
    }
    assert.equal((await exposures()).length, 1);
  });

  test("that only prepares a page exposes nothing", async () => {
    const headers = { ...browser(), cookie: "sortition_id=visitor-ahead", "sec-purpose": "prefetch;prerender" };
    const { json } = await post(`${FLAGS}/hero`, { context: { expose: true } }, headers);
    assert.equal(json.metadata.reason, "split");
    assert.deepEqual(await exposures(), []);
  });

  test("of a listed origin names its visitor, never a user, and gets CORS answers", async () => {
    const headers = { ...json, origin: "https://app.example", "sec-fetch-site": "cross-site" };
    const context = { targetingKey: "visitor-in-app", user_id: "user-9" };
    const answer = await post(`${FLAGS}/pay`, { context }, headers);
    assert.equal(answer.headers["access-control-allow-origin"], "https://app.example");
    assert.match(answer.headers["access-control-expose-headers"], /ETag/i);
    assert.match(answer.headers["access-control-expose-headers"], /Retry-After/i);
    const byServer = await post(`${FLAGS}/pay`, {
      context: { targetingKey: "visitor-in-app", visitor_id: "visitor-in-app" },
    });
    assert.equal(answer.json.metadata.variant, byServer.json.metadata.variant);
    assert.deepEqual(answer.setCookies, []);
    const preflight = await world.ask(FLAGS, {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-method": "POST" },
    });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers["access-control-allow-methods"], /POST/);
    assert.match(preflight.headers["access-control-allow-headers"], /content-type/i);
    const refused = await world.ask(FLAGS, {
      method: "OPTIONS",
      headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
    });
    assert.equal(refused.headers["access-control-allow-origin"], undefined);
  });

  test("of a listed origin is told where it names no visitor, and may choose", async () => {
    const headers = { ...json, origin: "https://app.example", "sec-fetch-site": "cross-site" };
    for (const targetingKey of ["u1", "a b", "me@example.org"]) {
      for (const path of [FLAGS, `${FLAGS}/hero`]) {
        const { status, json: told } = await post(path, { context: { targetingKey } }, headers);
        assert.deepEqual([status, told.errorCode], [400, "INVALID_CONTEXT"], `${path} ${targetingKey}`);
      }
    }
    const context = { targetingKey: "visitor-in-app" };
    const { json: flag } = await post(`${FLAGS}/hero`, { context }, headers);
    const units = { visitor: "visitor-in-app", user: "user-9" };
    const chosen = await post("/_sortition/choose", { units, names: ["hero"] }, headers);
    assert.equal(chosen.headers["access-control-allow-origin"], "https://app.example");
    const [{ variant, exposure }] = chosen.json.decisions;
    assert.deepEqual(
      [variant, exposure.anonymous_id, exposure.user_id],
      [flag.metadata.variant, units.visitor, undefined],
    );
    const nobody = await post("/_sortition/choose", { units: { user: "user-9" } }, headers);
    assert.deepEqual([nobody.status, nobody.json.field], [400, "units.visitor"]);
  });
});

describe("choose", () => {
  const CHOOSE = "/_sortition/choose";

  test("by name and tag", async () => {
    const body = { units: { visitor: "visitor-17", user: "user-17" }, names: ["pay"], tags: ["home"] };
    const { status, json } = await post(CHOOSE, body);
    assert.equal(status, 200);
    assert.deepEqual(
      json.decisions.map(({ experiment, reason }) => [experiment, reason]),
      [
        ["hero", "split"],
        ["pay", "split"],
      ],
    );
    assert.equal(json.decisions[0].exposure.anonymous_id, "visitor-17");
    assert.deepEqual(await exposures(), []);
  });

  test("exposes what it returns where it is asked to", async () => {
    await post(CHOOSE, { units: { visitor: "visitor-18", user: "user-18" }, names: ["hero", "pay"], expose: true });
    assert.deepEqual((await exposures()).map(({ experiment_id }) => experiment_id).sort(), ["hero", "pay"]);
  });

  test("a batch, in its order", async () => {
    const batch = Array.from({ length: 1000 }, (_, n) => ({ units: { user: `user-${n}` } }));
    const { status, json } = await post(CHOOSE, { names: ["pay"], batch });
    assert.equal(status, 200);
    assert.equal(json.batch.length, 1000);
    const one = await post(CHOOSE, { names: ["pay"], units: { user: "user-777" } });
    assert.deepEqual(json.batch[777].decisions, one.json.decisions);
  });

  for (const [what, body, path] of [
    ["a name that nobody has", { units: { user: "u" }, names: ["heroo"] }, /names\[0\].*did you mean `hero`/],
    ["a tag that nobody has", { units: { user: "u" }, tags: ["hom"] }, /tags\[0\].*did you mean `home`/],
    ["nobody", { names: ["hero"] }, /units/],
    ["a field that is none", { units: { user: "u" }, name: "hero" }, /name.*did you mean `names`/],
    ["no body", "", /empty/],
  ]) {
    test(`${what} is an error that names the field`, async () => {
      const { status, json, headers } = await post(CHOOSE, body);
      assert.equal(status, 400);
      assert.match(headers["content-type"], /^application\/problem\+json/);
      assert.match(json.detail, path);
    });
  }

  test("more than 1 MiB is refused", async () => {
    const body = JSON.stringify({ units: { user: "u" }, attributes: { text: "x".repeat(1_100_000) } });
    assert.equal((await post(CHOOSE, body)).status, 413);
  });
});

test("after many wrong tokens the worker makes one wait", async () => {
  const wrong = { ...json, authorization: "Bearer wrong" };
  let answer;
  for (let n = 0; n < 40; n++) answer = await post(FLAGS, "{}", wrong);
  assert.equal(answer.status, 429);
  assert.ok(Number(answer.headers["retry-after"]) > 0);
  assert.equal((await post(FLAGS, { context: { targetingKey: "a" } })).status, 200, "the right one is still heard");
});

test("what fails inside is an error of the same form, and the shop goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sortition-broken-"));
  cpSync(at("build"), folder, { recursive: true });
  // why: a module that is none of the services' cannot be brought up
  cpSync(at("build", "index_bg.wasm"), join(folder, "services_bg.wasm"));
  const broken = await startWorld({ document: DOCUMENT, vars: { API_TOKEN: TOKEN }, build: folder });
  try {
    const ask = (path) =>
      broken.ask(path, { method: "POST", headers: server, body: '{"context":{"targetingKey":"a"}}' });
    assert.equal((await broken.ask("/")).status, 200);
    for (const path of [FLAGS, `${FLAGS}/hero`]) {
      const { status, headers, text } = await ask(path);
      assert.deepEqual([status, headers["content-type"]], [500, "application/json"]);
      assert.match(JSON.parse(text).errorDetails, /ask again/);
    }
    const { status, headers } = await ask("/_sortition/choose");
    assert.deepEqual([status, headers["content-type"]], [500, "application/problem+json"]);
    assert.equal((await broken.ask("/")).status, 200);
  } finally {
    await broken.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
