// Crawlers see one page: the control, the same bytes every time, and are counted apart.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { BROWSER, documentOf, experiment, ours, startWorld, treatment } from "./world.mjs";

const HELLO = [{ select: "h1", do: "set_text", value: "Hello" }];
const DOCUMENT = documentOf([treatment(HELLO)]);
const CRAWLERS = [
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
  "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
  "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
  "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
  "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
  "curl/8.5.0",
];

let world;
before(async () => {
  world = await startWorld({ document: DOCUMENT });
  await world.ask("/warm");
});
after(() => world.close());
beforeEach(() => world.forget());

/** Everything of an answer but the date. */
const whole = (answer) => [answer.status, answer.fields.filter(([name]) => name !== "date"), answer.text];

describe("policy control", () => {
  before(() => world.publish(DOCUMENT));

  test("the control: no cookie, no header, no event; the origin is told, and gets no visitor", async () => {
    for (const agent of CRAWLERS) {
      world.origin.forget();
      const answer = await world.ask("/", { headers: { "User-Agent": agent } });
      assert.match(answer.text, /Welcome/, agent);
      assert.deepEqual(answer.setCookies, []);
      assert.deepEqual(ours(answer.fields), []);
      const told = ours(world.origin.of("/")[0].fields).map(([name, value]) => `${name.toLowerCase()}: ${value}`);
      assert.deepEqual(told, ["sortition-variants: hero=control"]);
      assert.equal(world.origin.of("/")[0].headers["user-agent"], agent);
    }
    assert.deepEqual(await world.sent(), []);
    assert.equal((await world.health()).exposures, 0);
  });

  test("the same bytes and headers on every visit and for every crawler, whatever cookies it brings", async () => {
    world.origin.serve("/", {
      headers: ["Content-Type", "text/html", "ETag", '"v1"', "Cache-Control", "public, max-age=60"],
    });
    const answers = [];
    for (const agent of [...CRAWLERS, ...CRAWLERS])
      answers.push(await world.ask("/", { headers: { "User-Agent": agent } }));
    const cookie = "sortition_id=abcdefgh-1234; sortition_as=1~hero.1.bold.g16*; sortition_session=abcdefgh-5678";
    answers.push(await world.ask("/", { headers: { "User-Agent": CRAWLERS[0] }, cookie }));
    for (const answer of answers) assert.deepEqual(whole(answer), whole(answers[0]));
  });

  test("they are counted apart from people", async () => {
    const before = await world.health();
    for (let i = 0; i < 3; i++) await world.ask("/", { headers: { "User-Agent": CRAWLERS[i] } });
    await world.ask("/");
    const health = await world.health();
    assert.equal(health.crawlers_served - before.crawlers_served, 3);
    assert.equal(health.visits - before.visits, 1);
  });

  const VERIFIED = [
    { verifiedBotCategory: "Search Engine Crawler" },
    { botManagement: { verifiedBot: true, score: 1 } },
  ];
  for (const cf of VERIFIED) {
    test(`Cloudflare's word counts: ${JSON.stringify(cf)}`, async () => {
      const answer = await world.ask("/", { headers: { "User-Agent": BROWSER }, cf });
      assert.match(answer.text, /Welcome/);
      assert.deepEqual(answer.setCookies, []);
      assert.deepEqual(ours(answer.fields), []);
    });
  }

  const PEOPLE = [{ verifiedBotCategory: "" }, { botManagement: { verifiedBot: false, score: 99 } }, { country: "CH" }];
  for (const cf of PEOPLE) {
    test(`a person stays one: ${JSON.stringify(cf)}`, async () => {
      assert.match((await world.ask("/", { headers: { "User-Agent": BROWSER }, cf })).text, /Hello/);
    });
  }
});

test("the document adds agents and takes some away", async () => {
  const ask = async (agent) => (await world.ask("/", { headers: { "User-Agent": agent } })).text.includes("Hello");
  // why: what an agent says is remembered, and another document may take it for something else
  await world.publish(DOCUMENT);
  for (let visit = 0; visit < 2; visit++) {
    assert.equal(await ask(`${BROWSER} AcmeKiosk/1`), true);
    assert.equal(await ask("FriendlyBot/1.0"), false);
  }
  await world.publish({ ...DOCUMENT, crawlers: { also: ["AcmeKiosk"], except: ["FriendlyBot"] } });
  assert.equal(await ask(`${BROWSER} AcmeKiosk/1`), false);
  assert.equal(await ask("FriendlyBot/1.0"), true);
  assert.equal(await ask("OtherBot/1.0"), false);
  assert.equal(await ask(BROWSER), true);
});

describe("other policies", () => {
  const agent = { headers: { "User-Agent": CRAWLERS[0] } };

  test("baseline: the experiment's baseline, still without cookies and events", async () => {
    await world.publish({
      ...DOCUMENT,
      experiments: [treatment(HELLO, { baseline: "bold" })],
      crawlers: { policy: "baseline" },
    });
    const answer = await world.ask("/", agent);
    assert.match(answer.text, /Hello/);
    assert.deepEqual(answer.setCookies, []);
    assert.deepEqual(ours(answer.fields), []);
    assert.equal(world.origin.of("/")[0].headers["sortition-variants"], "hero=bold");
    assert.deepEqual(await world.sent(), []);
  });

  test("mirror: by the page, the same for all crawlers", async () => {
    const halves = [
      { id: "control", weight: 1 },
      { id: "bold", weight: 1, rewrite: HELLO },
    ];
    await world.publish({
      ...DOCUMENT,
      experiments: [experiment({ pages: ["/m/*"], variants: halves })],
      crawlers: { policy: "mirror" },
    });
    const seen = new Set();
    for (let page = 0; page < 12; page++) {
      const answers = [];
      for (const name of CRAWLERS) answers.push(await world.ask(`/m/${page}`, { headers: { "User-Agent": name } }));
      for (const answer of answers) assert.deepEqual(whole(answer), whole(answers[0]));
      assert.deepEqual(answers[0].setCookies, []);
      seen.add(answers[0].text.includes("Hello"));
    }
    assert.deepEqual([...seen].sort(), [false, true], "different pages mirror different variants");
  });
});
