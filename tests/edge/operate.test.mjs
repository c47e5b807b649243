// Acting from the page of results, and by a tool: what is written is what the command line would write; who is not meant
// to act does not; and where the document is kept in git, a pull request is made of it.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { documentOf, experiment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const OPERATOR = "operator-secret";
const HERO = experiment({
  id: "hero",
  hypothesis: "Bold sells more.",
  ramp: [{ at: "2027-01-01T00:00:00Z", traffic: 100 }],
  traffic: 50,
  variants: [
    { id: "control", weight: 1 },
    { id: "bold", weight: 1 },
  ],
});
const TEXT = `${JSON.stringify(documentOf([HERO, experiment({ id: "nav", pages: ["/nav"] })]), null, 4)}\n`;

let origin;
let harness;
let github;
before(async () => {
  origin = await startOrigin();
  const given = { OPERATOR_TOKEN: OPERATOR, GITHUB_TOKEN: "github-secret", SORTITION_SECRET: "the shop's secret" };
  const change = ({ vars }) => Object.assign(vars, given);
  harness = await startHarness({ origin: origin.url, document: TEXT, change });
  github = await startGithub();
});
after(async () => {
  github?.close();
  await harness?.close();
  await origin?.close();
});
beforeEach(async () => {
  const { CONFIG } = harness.env;
  const { keys } = await CONFIG.list();
  for (const { name } of keys) await CONFIG.delete(name);
  await CONFIG.put("config", TEXT);
  github.calls.length = 0;
  github.fails = undefined;
});

/** A stand-in of GitHub's API for one repository. */
async function startGithub() {
  const state = { calls: [], text: undefined };
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", () => {
      const body = text ? JSON.parse(text) : undefined;
      state.calls.push({ method: request.method, path: request.url, headers: request.headers, body });
      const send = (status, value) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      if (state.fails) return send(state.fails, { message: "no" });
      if (request.headers.authorization !== "Bearer github-secret") return send(401, { message: "Bad credentials" });
      const [, place] = /^\/repos\/acme\/shop\/(.*)$/.exec(request.url) ?? [];
      if (request.method === "GET" && place === "contents/config/experiments.json?ref=main") {
        return send(200, {
          sha: "file-sha",
          encoding: "base64",
          content: Buffer.from(state.text)
            .toString("base64")
            .replace(/(.{60})/g, "$1\n"),
        });
      }
      if (request.method === "GET" && place === "git/ref/heads/main") return send(200, { object: { sha: "main-sha" } });
      if (request.method === "POST" && place === "git/refs") return send(201, {});
      if (request.method === "PUT" && place === "contents/config/experiments.json") return send(200, {});
      if (request.method === "POST" && place === "pulls")
        return send(201, { html_url: "https://github.example/acme/shop/pull/7" });
      return send(404, { message: "Not Found" });
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(state, { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() });
}

const at = (action, id = "hero") => `/_sortition/experiments/${id}/${action}`;
const basic = `Basic ${Buffer.from("me:test-admin-token").toString("base64")}`;

/** A tool's call. */
async function call(action, body = {}, { id = "hero", token = OPERATOR } = {}) {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const text = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const answer = await harness.ask(at(action, id), { method: "POST", headers, body: text });
  return { ...answer, json: JSON.parse(answer.text) };
}

/** A browser that posts a form. */
const send = (path, fields, headers = {}) =>
  harness.ask(path, {
    method: "POST",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      authorization: basic,
      origin: new URL(harness.url).origin,
      "sec-fetch-site": "same-origin",
      ...headers,
    },
    body: new URLSearchParams(fields).toString(),
  });

const plain = (text) =>
  text.replaceAll("&quot;", '"').replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
/** The hidden fields of a page. */
const hidden = (html) =>
  Object.fromEntries(
    [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(([, name, value]) => [
      name,
      plain(value),
    ]),
  );
const page = async (id = "hero") =>
  (await harness.ask(`/_sortition/experiments/${id}`, { headers: { authorization: basic } })).text;
/** The first form of the page, filled in. */
const filled = async (fields = {}) => ({
  ...hidden(await page()),
  who: "Mia",
  operator: OPERATOR,
  text: "",
  percent: "",
  what: "keep",
  days: "7",
  ...fields,
});

const live = async () => JSON.parse(await harness.env.CONFIG.get("config"));
const trail = async () => {
  const { keys } = await harness.env.CONFIG.list({ prefix: "audit:" });
  return Promise.all(keys.map(async ({ name }) => ({ key: name, ...JSON.parse(await harness.env.CONFIG.get(name)) })));
};

describe("a tool", () => {
  test("ramps: a small change of the text, a copy, a note, and what check and diff say", async () => {
    const { status, json } = await call("ramp", { percent: 75, who: "ops-bot", why: "it goes well" });
    assert.equal(status, 200, JSON.stringify(json));
    assert.deepEqual([json.ok, json.action, json.from, json.written], [true, "ramp", "r1", true]);
    assert.ok(
      json.diff.some(({ path, words }) => path === "experiments[0].traffic" && /50 → 75/.test(words)),
      JSON.stringify(json.diff),
    );
    assert.ok(json.check.every(({ severity }) => severity === "warning"));
    const text = await harness.env.CONFIG.get("config");
    const after = JSON.parse(text);
    assert.deepEqual(
      [after.experiments[0].traffic, after.experiments[0].ramp, after.revision],
      [75, undefined, json.revision],
    );
    assert.ok(text.includes('\n    "experiments": [\n        {\n            "id": "hero"'), "as it was written");
    assert.equal(await harness.env.CONFIG.get(`config:${json.revision}`), text);
    const [note, ...more] = await trail();
    assert.deepEqual(more, []);
    assert.deepEqual([note.who, note.action, note.from, note.to], ["ops-bot", "ramp", "r1", json.revision]);
    assert.ok(note.key.startsWith(`audit:${note.at}:`));
    assert.ok(note.summary.includes("why: it goes well"));
  });

  test("kills and lifts, also what the guard ended", async () => {
    assert.equal((await call("kill", { who: "mia" })).status, 200);
    assert.deepEqual(JSON.parse(await harness.env.CONFIG.get("kill")), { experiments: ["hero"] });
    assert.equal((await call("kill", {}, { id: "nav" })).json.written, true);
    assert.deepEqual(JSON.parse(await harness.env.CONFIG.get("kill")), { experiments: ["hero", "nav"] });
    assert.equal((await call("kill")).json.unchanged, false, "it was first, and is last now");
    await harness.env.CONFIG.put("kill-guard", JSON.stringify({ experiments: ["hero"], hold: { nav: 25 } }));
    assert.equal((await call("lift")).status, 200);
    assert.deepEqual(JSON.parse(await harness.env.CONFIG.get("kill")), { experiments: ["nav"] });
    assert.deepEqual(JSON.parse(await harness.env.CONFIG.get("kill-guard")), { hold: { nav: 25 } });
    assert.equal((await call("lift")).json.unchanged, true);
    await call("lift", {}, { id: "nav" });
    assert.equal(await harness.env.CONFIG.get("kill"), null);
    assert.equal(await harness.env.CONFIG.get("kill-guard"), null);
    assert.equal(await harness.env.CONFIG.get("config"), TEXT, "the document is not touched");
  });

  test("kills several at once, and every one of them is killed and noted", async () => {
    const ids = ["a", "b", "c", "d", "e"];
    const each = ids.map((id) => experiment({ id, pages: [`/${id}`] }));
    await harness.env.CONFIG.put("config", JSON.stringify(documentOf(each)));
    const killed = await Promise.all(ids.map((id) => call("kill", {}, { id })));
    assert.deepEqual(
      killed.map(({ status }) => status),
      ids.map(() => 200),
    );
    assert.deepEqual(JSON.parse(await harness.env.CONFIG.get("kill")).experiments.sort(), ids);
    assert.deepEqual((await trail()).flatMap(({ experiments }) => experiments).sort(), ids);
    const ramped = await Promise.all(ids.map((id, at) => call("ramp", { percent: at }, { id })));
    assert.equal(new Set(ramped.map(({ json }) => json.revision)).size, ids.length);
    const traffics = (await live()).experiments.map(({ traffic }) => traffic);
    assert.deepEqual(traffics, [0, 1, 2, 3, 4], "none of them took another one's back");
  });

  test("kills and lifts also where what is live cannot be read, by which workers go on with what was before", async () => {
    for (const broken of ["{ broken", JSON.stringify(documentOf([HERO], { version: 99 }))]) {
      await harness.env.CONFIG.put("config", broken);
      const killed = await call("kill");
      assert.equal(killed.status, 200, killed.text);
      assert.equal(killed.json.check.length, 1, "it says what is wrong with the document");
      assert.deepEqual(JSON.parse(await harness.env.CONFIG.get("kill")), { experiments: ["hero"] });
      assert.equal((await call("comment", { text: "Who wrote this?" })).status, 200);
      assert.equal((await call("lift")).status, 200);
      assert.equal(await harness.env.CONFIG.get("kill"), null);
      assert.equal((await call("ramp", { percent: 5 })).status, 422);
      assert.equal(await harness.env.CONFIG.get("config"), broken);
    }
  });

  test("turns nothing on that a push would refuse", async () => {
    const risky = experiment({ id: "risky", status: "draft", risk: "high", pages: ["/risky"] });
    const write = (more) =>
      harness.env.CONFIG.put(
        "config",
        JSON.stringify(documentOf([HERO, { ...risky, ...more }], { policy: { approvals: 2 } })),
      );
    await write({});
    const refused = await call("resume", {}, { id: "risky" });
    assert.deepEqual([refused.status, refused.json.errors[0].path], [422, "experiments[1].approvals"]);
    assert.equal((await live()).experiments[1].status, "draft");
    await write({ approvals: ["mia", "tom"] });
    assert.equal((await call("resume", {}, { id: "risky" })).status, 200);
    await write({ status: "running" });
    assert.equal((await call("ramp", { percent: 1 }, { id: "risky" })).status, 200, "what is live can be turned down");
  });

  test("pauses, resumes, decides, comments", async () => {
    assert.equal((await call("pause")).status, 200);
    assert.equal((await live()).experiments[0].status, "paused");
    assert.match((await call("pause")).json.detail, /only what is running can be paused/);
    assert.equal((await call("resume")).status, 200);
    assert.equal((await live()).experiments[0].status, "running");
    assert.equal((await call("comment", { text: "Sale on Friday", who: "Mia" })).status, 200);
    const decision = { what: "ship", variant: "bold", why: "Two more in a hundred.", who: "Mia" };
    const decided = await call("decide", decision);
    assert.equal(decided.status, 200);
    const [e] = (await live()).experiments;
    assert.match(e.decision.summary, /^Nobody has met it yet\. Computed \d+ \w+ 20\d\d, \d\d:\d\d UTC\.$/);
    const again = { ...decision, what: "keep", summary: "One less in a hundred." };
    assert.equal((await call("decide", again)).status, 200);
    assert.equal((await live()).experiments[0].decision.summary, "One less in a hundred.");
    assert.deepEqual(
      [e.winner, e.decision.what, e.decision.by, e.decision.why],
      ["bold", "ship", "Mia", "Two more in a hundred."],
    );
    assert.deepEqual((await trail()).map(({ action }) => action).sort(), [
      "comment",
      "decide",
      "decide",
      "pause",
      "resume",
    ]);
    assert.match(await page(), /Sale on Friday/, "the timeline shows the comment");
  });

  test("makes a draft, turns it on, and lists it", async () => {
    const draft = {
      hypothesis: "Green sells.",
      pages: ["/p/*"],
      variants: [
        { id: "control", weight: 1 },
        { id: "green", weight: 1 },
      ],
    };
    const made = await call("draft", { experiment: draft }, { id: "green" });
    assert.equal(made.status, 200, JSON.stringify(made.json));
    assert.equal((await live()).experiments[2].status, "draft");
    assert.equal((await call("draft", { experiment: draft }, { id: "green" })).status, 422);
    const wrong = await call("draft", { experiment: { ...draft, weigth: 1 } }, { id: "blue" });
    assert.deepEqual([wrong.status, /weigth/.test(wrong.json.detail)], [422, true]);
    assert.equal((await call("resume", {}, { id: "green" })).status, 200);
    const headers = { authorization: `Bearer ${OPERATOR}` };
    const list = JSON.parse((await harness.ask("/_sortition/experiments.json", { headers })).text);
    assert.deepEqual(
      list.experiments.map(({ id }) => id),
      ["hero", "nav", "green"],
    );
  });

  test("may ask what would be, and nothing is written", async () => {
    const { json } = await call("ramp", { percent: 75, dry_run: true });
    assert.deepEqual([json.written, json.diff.length > 0], [false, true]);
    assert.equal(await harness.env.CONFIG.get("config"), TEXT);
    assert.deepEqual(await trail(), []);
  });

  for (const [what, action, body, status, says] of [
    ["a percentage that is none", "ramp", { percent: "many" }, 422, /percent/],
    ["more than all", "ramp", { percent: 101 }, 422, /percent/],
    ["no reason", "decide", { what: "keep" }, 422, /why/],
    ["a variant that is none", "decide", { what: "ship", variant: "blue", why: "x" }, 422, /variant/],
    ["a decision that is none", "decide", { what: "maybe", why: "x" }, 422, /what/],
    ["no comment", "comment", { text: " " }, 422, /text/],
    ["no JSON", "comment", "{", 400, /no JSON/],
    ["a list", "comment", "[]", 400, /object/],
    ["a name that is none", "comment", { who: 7, text: "x" }, 400, /who/],
    ["too much", "comment", JSON.stringify({ text: "x".repeat(300_000) }), 413, /KiB/],
    ["an action that is none", "explode", {}, 404, /no such page or action/],
    ["half of a character", "ramp", '{"percent": 75, "why": "so \\ud800"}', 400, /^why: it has half of a character/],
    [
      "half inside",
      "draft",
      '{"experiment": {"a": ["x", {"\\udc00": 1}]}}',
      400,
      /^experiment\.a\[1\]\.\ufffd: it has half/,
    ],
    ["half a name", "comment", '{"who": "\\ud83d", "text": "x"}', 400, /^who: it has half of a character/],
    ["no UTF-8", "comment", Buffer.from('{"text": "\xff"}', "latin1"), 400, /no UTF-8/],
    [
      "what nests without end",
      "draft",
      `{"experiment": ${"[".repeat(9000)}${"]".repeat(9000)}}`,
      400,
      /deeper than 100/,
    ],
  ]) {
    test(`${what}: ${status}`, async () => {
      const { status: answered, json, headers } = await call(action, body);
      assert.deepEqual([answered, says.test(json.detail)], [status, true], JSON.stringify(json));
      assert.match(headers["content-type"], /problem\+json/);
      assert.equal(await harness.env.CONFIG.get("config"), TEXT);
      assert.deepEqual(await trail(), []);
    });
  }

  test("with another token, or the readers' one, or none does nothing", async () => {
    for (const token of ["another", "test-admin-token", `${OPERATOR}x`]) {
      assert.equal((await call("kill", {}, { token })).status, 401, token);
    }
    assert.equal((await harness.ask(at("kill"), { method: "POST", body: "{}" })).status, 403);
    assert.equal(await harness.env.CONFIG.get("kill"), null);
  });
});

describe("a person", () => {
  test("is asked once, then it is done, and a second time it is not", async () => {
    const first = await send(at("ramp"), await filled({ percent: "75", text: "it goes well" }));
    assert.equal(first.status, 200, first.text);
    assert.match(first.text, /ramp hero\?/);
    assert.match(first.text, /50 → 75/);
    assert.equal(await harness.env.CONFIG.get("config"), TEXT, "nothing is done yet");
    assert.doesNotMatch(first.text, new RegExp(OPERATOR), "the secret does not come back");
    const confirmation = hidden(first.text);
    const second = await send(at("ramp"), confirmation);
    assert.equal(second.status, 200, second.text);
    assert.match(second.text, /Done: ramp hero/);
    assert.equal((await live()).experiments[0].traffic, 75);
    const [note] = await trail();
    assert.deepEqual([note.who, note.action], ["Mia", "ramp"]);
    await harness.env.CONFIG.put("config", TEXT);
    assert.equal((await send(at("ramp"), confirmation)).status, 409, "a confirmation is good once");
    assert.equal(await harness.env.CONFIG.get("config"), TEXT);
  });

  test("kills from the page", async () => {
    const first = await send(at("kill"), await filled());
    assert.equal((await send(at("kill"), hidden(first.text))).status, 200);
    assert.deepEqual(JSON.parse(await harness.env.CONFIG.get("kill")), { experiments: ["hero"] });
  });

  test("whose document changed meanwhile is told so", async () => {
    const first = await send(at("ramp"), await filled({ percent: "75" }));
    await call("pause");
    assert.equal((await send(at("ramp"), hidden(first.text))).status, 409);
    assert.equal((await live()).experiments[0].traffic, 50);
  });

  test("who presses twice has done it once", async () => {
    const first = await send(at("comment"), await filled({ text: "Twice?" }));
    const answers = await Promise.all([1, 2, 3].map(() => send(at("comment"), hidden(first.text))));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409, 409]);
    assert.equal((await trail()).filter(({ summary }) => summary.join().includes("Twice?")).length, 1);
  });

  test("another site's form, another page's, another action's, one that was changed: nothing", async () => {
    const fields = await filled({ percent: "75" });
    for (const headers of [
      { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
      { origin: "https://evil.example", "sec-fetch-site": "same-origin" },
      { "sec-fetch-site": "same-site" },
      { origin: "null" },
    ]) {
      assert.equal((await send(at("ramp"), fields, headers)).status, 403, JSON.stringify(headers));
    }
    assert.equal((await send(at("ramp", "nav"), fields)).status, 403);
    assert.equal((await send(at("ramp"), { ...fields, "token.ramp": fields["token.kill"] })).status, 403);
    assert.equal((await send(at("ramp"), { ...fields, "token.ramp": "" })).status, 403);
    const old = `1700000000.${fields["token.ramp"].split(".")[1]}`;
    assert.equal((await send(at("ramp"), { ...fields, "token.ramp": old })).status, 403);
    const { content, token } = hidden((await send(at("ramp"), fields)).text);
    assert.equal((await send(at("ramp"), { content: content.replace("75", "99"), token })).status, 403);
    assert.equal((await send(at("kill"), { content, token })).status, 403);
    assert.equal((await send(at("ramp", "nav"), { content, token })).status, 403);
    assert.equal(await harness.env.CONFIG.get("config"), TEXT);
    assert.deepEqual(await trail(), []);
  });

  test("without the readers' password or with another operator's token: nothing", async () => {
    const fields = await filled({ percent: "75" });
    assert.equal((await send(at("ramp"), fields, { authorization: "" })).status, 401);
    assert.equal((await send(at("ramp"), { ...fields, operator: "another" })).status, 401);
    assert.equal((await send(at("ramp"), { ...fields, operator: "" })).status, 401);
    assert.equal((await send(at("ramp"), { ...fields, who: " " })).status, 422);
  });

  test("what they write comes back escaped", async () => {
    const text = `<img src=x onerror="alert(1)">`;
    const first = await send(at("comment"), await filled({ text, who: text }));
    assert.equal(first.status, 200, first.text);
    const second = await send(at("comment"), hidden(first.text));
    for (const html of [first.text, second.text, await page()]) assert.doesNotMatch(html, /<img/);
  });
});

describe("a shared link", () => {
  const open = (url, headers = {}) => harness.ask(`${new URL(url).pathname}${new URL(url).search}`, { headers });

  test("shows the results of one experiment, and nothing else", async () => {
    const { json } = await call("share", { days: 2 });
    const answer = await open(json.url);
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.text, /Bold sells more\./);
    assert.doesNotMatch(answer.text, /<form|sortition_preview|<nav|hero\.json|hero\.csv/);
    const { search } = new URL(json.url);
    for (const path of ["nav", "hero.json", "hero.csv", "holdout", "hero/screens/bold.png"]) {
      assert.equal((await harness.ask(`/_sortition/experiments/${path}${search}`)).status, 401, path);
    }
    assert.equal((await harness.ask(`/_sortition/experiments${search}`)).status, 401);
    assert.equal((await harness.ask(`${at("kill")}${search}`, { method: "POST", body: "{}" })).status, 403);
  });

  test("ends, and cannot be made longer", async () => {
    const { json } = await call("share", { days: 0.00001 });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.equal((await open(json.url)).status, 401);
    const good = new URL((await call("share", { days: 1 })).json.url);
    const [until, tag] = good.searchParams.get("share").split(".");
    good.searchParams.set("share", `${Number(until) + 1}.${tag}`);
    assert.equal((await open(good.href)).status, 401);
    assert.equal((await call("share", { days: 1000 })).status, 422);
  });

  test("lets nobody try out tokens at home, for the shop's secret is in it", async () => {
    const { json } = await call("share", { days: 2 });
    const [until, tag] = new URL(json.url).searchParams.get("share").split(".");
    const by = (key) => createHmac("sha256", key).update(`${until}/5:share/4:hero`).digest("hex");
    assert.equal(tag, by(`the shop's secret/test-admin-token`));
    assert.notEqual(tag, by("test-admin-token"));
  });

  test("to an experiment that has left the document shows nothing of what insiders keep", async () => {
    const { json } = await call("share", { days: 2 });
    await harness.env.ARCHIVE.put("results/hero/1.html", "<p>kept by Mia</p>");
    await harness.env.CONFIG.put("config", JSON.stringify(documentOf([experiment({ id: "nav" })])));
    const answer = await open(json.url);
    assert.deepEqual([answer.status, answer.text.includes("Mia")], [404, false]);
    await harness.env.ARCHIVE.delete("results/hero/1.html");
  });

  test("is made from the page, too", async () => {
    const { status, text } = await send(at("share"), await filled({ days: "3" }));
    assert.equal(status, 200, text);
    const [, url] = /href="(http[^"]*share=[^"]*)"/.exec(text);
    assert.equal((await open(plain(url))).status, 200);
  });
});

describe("where the document is kept in git", () => {
  const git = () => ({ repository: "acme/shop", path: "config/experiments.json", branch: "main", api: github.url });
  const inGit = `${JSON.stringify({ ...documentOf([HERO]), revision: undefined }, null, 2)}\n`;
  beforeEach(async () => {
    github.text = inGit;
    const text = JSON.stringify({ ...JSON.parse(TEXT), policy: { git: git() } });
    await harness.env.CONFIG.put("config", text);
  });

  test("a change becomes a pull request of the file there, and what is live stays", async () => {
    const before = await harness.env.CONFIG.get("config");
    const { status, json } = await call("ramp", { percent: 75, who: "Mia" });
    assert.equal(status, 200, JSON.stringify(json));
    assert.deepEqual([json.written, json.pull_request], [false, "https://github.example/acme/shop/pull/7"]);
    assert.equal(await harness.env.CONFIG.get("config"), before);
    const put = github.calls.find(({ method }) => method === "PUT");
    const text = Buffer.from(put.body.content, "base64").toString();
    const expected = inGit.replace('"traffic": 50', '"traffic": 75').replace(/,\s*"ramp": \[[\s\S]*?\]/, "");
    assert.equal(text, expected, "the file there, with that change and no other");
    assert.deepEqual([put.body.sha, put.body.branch.startsWith("sortition/ramp-hero-")], ["file-sha", true]);
    const pull = github.calls.at(-1).body;
    assert.deepEqual([pull.base, pull.head, pull.title], ["main", put.body.branch, "hero: ramp"]);
    assert.match(pull.body, /50 → 75[\s\S]*Mia/);
    await call("ramp", { percent: 60, who: `Mia\n\nCo-authored-by: ${"x".repeat(300)}` });
    const [, message] = github.calls.filter(({ method }) => method === "PUT").map(({ body }) => body.message);
    assert.doesNotMatch(message, /^Co-authored-by/m);
    assert.ok(message.length < 1_000, message);
    const [note] = await trail();
    assert.deepEqual([note.who, note.action, note.to], ["Mia", "ramp", note.from]);
    assert.ok(note.summary.includes("proposed: https://github.example/acme/shop/pull/7"));
  });

  test("a person is told that it becomes one", async () => {
    const first = await send(at("decide"), await filled({ what: "ship bold", text: "Two more." }));
    assert.match(first.text, /pull request/, first.text);
    assert.equal(
      github.calls.some(({ method }) => method !== "GET"),
      false,
    );
    const second = await send(at("decide"), hidden(first.text));
    assert.match(second.text, /href="https:\/\/github\.example\/acme\/shop\/pull\/7"/);
  });

  test("a kill does not wait for anybody", async () => {
    assert.equal((await call("kill")).status, 200);
    assert.deepEqual(JSON.parse(await harness.env.CONFIG.get("kill")), { experiments: ["hero"] });
    assert.deepEqual(github.calls, []);
  });

  test("what GitHub refuses is said, and nothing is written", async () => {
    github.fails = 403;
    const { status, json } = await call("ramp", { percent: 75 });
    assert.deepEqual([status, /GitHub answers 403/.test(json.detail)], [502, true]);
    assert.deepEqual(await trail(), []);
    assert.doesNotMatch(JSON.stringify(json), /github-secret/);
  });
});

describe("another method", () => {
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
    test(`${method} of an action is told that it takes POST`, async () => {
      for (const path of [at("kill"), at("share"), at("draft", "new")]) {
        const { status, headers, text } = await harness.ask(path, { method, headers: { authorization: basic } });
        assert.deepEqual([status, headers.allow], [405, "POST"], path);
        assert.equal(headers["content-type"], "application/problem+json");
        if (method !== "HEAD") assert.equal(JSON.parse(text).detail, "use POST");
      }
    });
  }

  test("POST of a page is told that it takes GET and HEAD", async () => {
    for (const path of ["", ".json", "/hero", "/hero.json", "/hero.csv", "/hero/screens/bold.png"]) {
      const headers = { authorization: `Bearer ${OPERATOR}` };
      const answer = await harness.ask(`/_sortition/experiments${path}`, { method: "POST", headers, body: "{}" });
      assert.deepEqual([answer.status, answer.headers.allow], [405, "GET, HEAD"], path);
    }
  });
});

describe("without ADMIN_TOKEN", () => {
  test("tools act and list, and nobody else gets in", async () => {
    const change = ({ vars }) => {
      vars.OPERATOR_TOKEN = OPERATOR;
      delete vars.ADMIN_TOKEN;
    };
    const other = await startHarness({ origin: origin.url, document: TEXT, change });
    try {
      const list = "/_sortition/experiments.json";
      assert.equal((await other.ask(list, { headers: { authorization: `Bearer ${OPERATOR}` } })).status, 200);
      const action = await other.ask(at("kill"));
      assert.deepEqual([action.status, action.headers.allow], [405, "POST"]);
      assert.equal((await other.ask("/_sortition/experiments/hero")).status, 404, "pages are for people");
      for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: basic }]) {
        assert.equal((await other.ask(list, { headers })).status, 401, JSON.stringify(headers));
      }
    } finally {
      await other.close();
    }
  });
});

describe("without OPERATOR_TOKEN", () => {
  test("there is no form and no action", async () => {
    const change = ({ vars }) => void delete vars.OPERATOR_TOKEN;
    const other = await startHarness({ origin: origin.url, document: TEXT, change });
    try {
      const shown = await other.ask("/_sortition/experiments/hero", { headers: { authorization: basic } });
      assert.equal(shown.status, 200);
      assert.doesNotMatch(shown.text, /<form/);
      const headers = { authorization: `Bearer ${OPERATOR}` };
      assert.equal((await other.ask(at("kill"), { method: "POST", headers, body: "{}" })).status, 401);
      const asAdmin = await other.ask(at("kill"), { method: "POST", headers: { authorization: basic }, body: "{}" });
      assert.equal(asAdmin.status, 404);
      assert.equal(await other.env.CONFIG.get("kill"), null);
    } finally {
      await other.close();
    }
  });
});
