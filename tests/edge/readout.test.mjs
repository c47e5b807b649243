// The readout's endpoints in workerd: who gets in, what leaves, and that nothing from outside is markup.

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { until } from "./client.mjs";
import { documentOf, experiment } from "./documents.mjs";
import { startHarness } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const TOKEN = "correct horse: battery staple";
const SECRET = "signing-key";
const HOSTILE = `<script>alert("1")</script>'&<img src=x onerror=alert(2)>`;
const half = [
  { id: "control", weight: 50 },
  { id: "bold", weight: 50, rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] },
];
const measured = (rest) =>
  experiment({
    metrics: {
      primary: "buyers",
      secondary: ["revenue", "basket"],
      guardrails: [{ metric: "revenue", min_relative: -0.02 }],
    },
    analysis: { mde: 0.1 },
    variants: half,
    ...rest,
  });

let origin;
let platform;
let hook;
const notices = [];
before(async () => {
  origin = await startOrigin();
  hook = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      notices.push({ body, signature: request.headers["sortition-signature"] });
      // why: the first try fails, so that there is a second
      response.writeHead(notices.length === 1 ? 503 : 204).end();
    });
  });
  await new Promise((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const document = documentOf(
    [
      measured({ name: HOSTILE, hypothesis: HOSTILE, owner: HOSTILE, rollback: { owner: HOSTILE, when: "errors" } }),
      measured({ id: "quiet", pages: ["/quiet"] }),
      measured({ id: "careful", pages: ["/careful"], rollback: { owner: "", when: "guardrail or srm" } }),
      measured({ id: "sick", pages: ["/sick"], rollback: { owner: "", when: "5xx errors" } }),
      experiment({ id: "flag", kind: "release", pages: ["/flag"] }),
    ],
    {
      metrics: {
        buyers: { event: "purchase", kind: "proportion" },
        revenue: { event: "purchase", kind: "mean", cap: 1000 },
        basket: { event: "purchase", kind: "ratio", per: "purchase" },
      },
      notify: { url: `http://127.0.0.1:${hook.address().port}/hook` },
    },
  );
  platform = await startHarness({
    origin: origin.url,
    document,
    change: (config) => Object.assign(config.vars, { ADMIN_TOKEN: TOKEN, SORTITION_SECRET: SECRET }),
  });
});
after(async () => {
  await platform.close();
  await origin.close();
  hook.close();
});

const basic = (token, user = "anybody") => `Basic ${Buffer.from(`${user}:${token}`).toString("base64")}`;
const get = (path, authorization = basic(TOKEN), more = {}) =>
  platform.ask(`/_sortition/${path}`, { ...more, headers: { ...(authorization && { Authorization: authorization }) } });
// why: an answer that took long is kept for minutes, and on a busy machine any does
const forgetKept = () => platform.env.LEDGER.exec("DELETE FROM readouts");
const json = async (path) => JSON.parse((await get(path)).text);
/** Rows into the record as texts: an exposure as `[visitor, project, experiment, variant, time, device, country]`. */
const insert = async (table, rows) => {
  const fields = (from, number) => Array.from({ length: number }, (_, n) => `value ->> ${from + n}`);
  const statements =
    table === "exposures"
      ? [
          "INSERT OR IGNORE INTO iterations (project, experiment_id, iteration) SELECT value ->> 1, value ->> 2, 1 FROM json_each(?1)",
          "INSERT OR IGNORE INTO variants (id) SELECT value ->> 3 FROM json_each(?1)",
          "INSERT OR IGNORE INTO revisions (id) VALUES (substr('r1', 1, length(?1)))",
          `INSERT OR IGNORE INTO segments (device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions)
           SELECT value ->> 5, value ->> 6, '', 'chrome', '', 'new', '', '', '{}' FROM json_each(?1)`,
          `INSERT INTO exposed SELECT i.number, 0, value ->> 0, value ->> 0, unixepoch(value ->> 4) * 1000, v.number, s.number, 1, 0, NULL, NULL
           FROM json_each(?1) JOIN iterations i ON i.project = value ->> 1 AND i.experiment_id = value ->> 2
           JOIN variants v ON v.id = value ->> 3 JOIN segments s ON s.device = value ->> 5 AND s.country = value ->> 6`,
        ]
      : [
          `INSERT INTO ${table} SELECT ${fields(0, { conversions: 17 }[table] ?? rows[0].length)} FROM json_each(?1) WHERE true`,
        ];
  const { LEDGER } = platform.env;
  await LEDGER.batch(statements.map((sql) => LEDGER.prepare(sql).bind(JSON.stringify(rows))));
  await forgetKept();
};

/** Units of an experiment, every `nth` of a variant with an order of the given cents. */
async function units(id, variant, number, nth, cents, { device = "mobile", day = "2026-11-18" } = {}) {
  const at = `${day}T10:00:00.000Z`;
  const name = (n) => `${id}-${variant}-${day}-${device}-${n}`;
  const all = Array.from({ length: number }, (_, n) => name(n));
  await insert(
    "exposures",
    all.map((anon) => [anon, "acme-shop", id, variant, at, device, "DE"]),
  );
  const buyers = all.filter((_, n) => n % nth === 0);
  const order = (anon, n) => [
    ...[`o-${anon}`, "acme-shop", "purchase", cents + n, "EUR", `=order ${anon}`, null, anon, null, null, null],
    ...[`${day}T11:00:00.000Z`, "page", "r1", "{}", "x"],
  ];
  await insert("conversions", buyers.map(order));
  return buyers.map((_, n) => cents + n);
}

/** The names of every attribute of a page, in which every `<` has to begin a tag whose values are in double quotes. */
function attributes(page) {
  const whole = /^(?:!DOCTYPE html|\/?[a-z][a-z0-9]*(?: [a-zA-Z][\w:-]*(?:="[^"<>]*")?)*\/?)>/;
  const pieces = page
    .replace(/<style>[^<]*<\/style>/, "")
    .split("<")
    .slice(1);
  return pieces.flatMap((piece) => {
    const [tag] = whole.exec(piece) ?? [];
    assert.ok(tag, `no tag that can be read: <${piece.slice(0, 300)}`);
    return [...tag.matchAll(/ ([a-zA-Z][\w:-]*)(?:="[^"]*")?/g)].map(([, name]) => name);
  });
}

describe("who gets in", () => {
  test("whoever has the token, as a Basic password or as Bearer", async () => {
    for (const authorization of [basic(TOKEN), basic(TOKEN, ""), `Bearer ${TOKEN}`, `bearer ${TOKEN}`]) {
      assert.equal((await get("experiments", authorization)).status, 200, authorization);
    }
  });

  test("nobody else: 401 that asks for a password, and does not hurry", async () => {
    const without = await get("experiments", null);
    assert.equal(without.status, 401);
    assert.match(without.headers["www-authenticate"], /^Basic realm=/);
    for (const wrong of [basic("wrong"), basic(""), "Bearer wrong", "Digest x", "Basic %%%", basic(`${TOKEN}x`)]) {
      const started = performance.now();
      const answer = await get("experiments/hero.json", wrong);
      assert.equal(answer.status, 401, wrong);
      assert.ok(performance.now() - started > 250, "a failed try waits");
      assert.ok(!answer.text.includes("hypothesis"));
      assert.equal(answer.headers["cache-control"], "no-store");
    }
    assert.equal((await get("experiments")).status, 200, "the right one still gets in");
  });

  test("without a token the endpoints do not exist", async () => {
    const bare = await startHarness({
      origin: origin.url,
      document: documentOf([experiment()]),
      change: (config) => delete config.vars.ADMIN_TOKEN,
    });
    try {
      for (const path of ["experiments", "experiments.json", "experiments/hero", "experiments/hero.csv"]) {
        const answer = await bare.ask(`/_sortition/${path}`, { headers: { Authorization: basic("") } });
        assert.equal(answer.status, 404, path);
        assert.equal(answer.headers["www-authenticate"], undefined);
      }
    } finally {
      await bare.close();
    }
  });
});

describe("the pages", () => {
  test("nothing known yet is no error", async () => {
    const quiet = await json("experiments/quiet.json");
    assert.equal(quiet.units, 0);
    assert.equal(quiet.verdict.state, "empty");
    assert.equal((await get("experiments/quiet")).status, 200);
    assert.equal((await get("experiments/unknown")).status, 404);
    assert.equal((await get("experiments/flag")).status, 404, "a flag is no experiment");
    assert.equal((await get("experiments.csv")).status, 404);
    assert.equal((await get("experiments/quiet", basic(TOKEN), { method: "POST" })).status, 405);
  });

  test("the numbers are those of the record, and the interval is the published formula", async () => {
    const control = await units("hero", "control", 3000, 10, 5000);
    const bold = await units("hero", "bold", 3000, 7, 5200);
    const hero = await json("experiments/hero.json");
    assert.deepEqual(
      hero.variants.map(({ id, units }) => [id, units]),
      [
        ["control", 3000],
        ["bold", 3000],
      ],
    );
    const [buyers, revenue, basket] = hero.metrics;
    assert.deepEqual(buyers.means, [300 / 3000, 429 / 3000]);
    const sum = (list) => list.reduce((a, b) => a + b, 0);
    const close = (found, expected) => assert.ok(Math.abs(found / expected - 1) < 1e-9, `${found} is not ${expected}`);
    close(revenue.means[1], sum(bold) / 100 / 3000);
    close(basket.means[0], sum(control) / 100 / control.length);
    // Waudby-Smith et al., arXiv:2103.06476, at alpha 5 % and tuned to 5,000 units
    const [pA, pB] = buyers.means;
    const error = Math.sqrt((pA * (1 - pA)) / 3000 + (pB * (1 - pB)) / 3000);
    const k = (6000 * (-2 * Math.log(0.05) + Math.log(1 - 2 * Math.log(0.05)))) / 5000;
    const half = error * Math.sqrt(((2 * (k + 1)) / k) * (Math.log(1 + k) / 2 - Math.log(0.05)));
    close(buyers.comparisons[0].interval[0], pB - pA - half);
    close(buyers.comparisons[0].interval[1], pB - pA + half);
    assert.equal(hero.verdict.state, "winner");
    assert.match(hero.verdict.text, /^bold wins: buyers 14\.3 % against 10\.0 %, \+43\.0 %/);
    assert.equal(hero.metrics[1].comparisons[0].guardrail, "pass");
    const list = await json("experiments.json");
    assert.deepEqual(
      list.experiments.map(({ id }) => id),
      ["hero", "quiet", "careful", "sick"],
    );
    assert.equal(list.experiments[0].verdict.text, hero.verdict.text);
  });

  test("what leaves is private, not indexed, not framed, and runs nothing", async () => {
    for (const path of ["experiments", "experiments/hero"]) {
      const { headers, text } = await get(path);
      const style = text.match(/<style>([\s\S]*?)<\/style>/)[1];
      const hash = createHash("sha256").update(style).digest("base64");
      assert.equal(
        headers["content-security-policy"],
        `default-src 'none'; style-src 'sha256-${hash}'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
      );
      assert.equal(headers["cache-control"], "no-store");
      assert.equal(headers["x-robots-tag"], "noindex");
      assert.equal(headers["x-content-type-options"], "nosniff");
      assert.equal(headers["x-frame-options"], "DENY");
      assert.equal(headers["content-type"], "text/html; charset=utf-8");
      assert.equal(text.match(/<style/g).length, 1);
      assert.doesNotMatch(text, /<script|<link|<iframe/);
      for (const name of attributes(text)) assert.doesNotMatch(name, /^(?:style|on.*)$/i);
      for (const [, image] of text.matchAll(/<svg([^>]*)>/g)) assert.match(image, /role="img" aria-label="[^"]+"/);
    }
  });

  test("names, events and reasons reach the page as text only", async () => {
    await units("hero", "control", 120, 9, 100, { device: HOSTILE });
    await units("hero", "bold", 120, 9, 100, { device: HOSTILE });
    await insert("endings", [["e1", "acme-shop", "hero", HOSTILE, HOSTILE, "2026-11-18T12:00:00.000Z"]]);
    const entry = { at: "2026-11-17T00:00:00Z", who: HOSTILE, action: HOSTILE, to: HOSTILE, summary: [HOSTILE] };
    await platform.env.CONFIG.put("audit:2026-11-17T00:00:00Z:r1", JSON.stringify(entry));
    await platform.env.CONFIG.put("audit:2026-11-17T00:00:01Z:r2", "<not json>");
    for (const path of ["experiments", "experiments/hero"]) {
      const { text } = await get(path);
      assert.ok(text.includes("&lt;script&gt;"));
      assert.ok(!text.includes("<script") && !text.includes("<img"), path);
      const outside = text.replace(/<style>[\s\S]*?<\/style>/, "");
      const tags = new Set([...outside.matchAll(/<([a-z0-9]+)/gi)].map(([, tag]) => tag.toLowerCase()));
      for (const tag of ["script", "img", "iframe", "object"]) assert.ok(!tags.has(tag), tag);
    }
    assert.equal((await json("experiments/hero.json")).audit[0].who, HOSTILE, "as data it is what it was");
  });

  test("the rows: one for each unit and outcome, and no formula", async () => {
    const { text, headers } = await get("experiments/hero.csv");
    assert.equal(headers["content-type"], "text/csv; charset=utf-8");
    const [head, ...lines] = text.trimEnd().split("\r\n");
    assert.match(head, /^unit,variant,contaminated,exposed_at/);
    assert.equal(lines.length, 6240);
    assert.equal(lines.filter((line) => line.includes('"purchase"')).length, 300 + 429 + 28);
    assert.ok(text.includes(`"'=order hero-`), "a text that starts as a formula is none");
    assert.equal(new Set(lines).size, lines.length);
  });

  test("a gate that is red leaves no winner", async () => {
    await units("quiet", "control", 2000, 20, 100);
    await units("quiet", "bold", 1500, 5, 100);
    const quiet = await json("experiments/quiet.json");
    assert.equal(quiet.verdict.state, "untrusted");
    assert.match(
      quiet.verdict.text,
      /^No winner is shown: 2,000 \/ 1,500 visitors where the weights promise 50\.0 % \/ 50\.0 %/,
    );
    assert.equal(quiet.gates.find((gate) => gate.name === "srm").level, "red");
    assert.ok(quiet.metrics[0].comparisons[0].significant, "it would have been a winner");
    const { text } = await get("experiments/quiet");
    assert.ok(text.includes("✕ stop: Sample ratio") && !text.includes(" wins"));
  });
});

describe("the guard", () => {
  const health = (variant, requests, errors, source = "isolate") => [
    ...["acme-shop", "hero", 1, variant, "2026-11-18T10", source, requests, errors],
    ...[requests, 0, 0, 0, 0, 0, 0, 0],
  ];
  const tick = () => platform.worker.scheduled({ cron: "*/5 * * * *" });
  const kill = async () => JSON.parse((await platform.env.CONFIG.get("kill-guard")) ?? "null");

  test("errors of both variants alike, or too few of them, end nothing", async () => {
    await insert("origin_health", [health("control", 5000, 500), health("bold", 5000, 520)]);
    await tick();
    assert.equal(await kill(), null);
  });

  test("errors of one variant only: control everywhere, beside what was killed before; recorded, told once, on the page", async () => {
    const people = JSON.stringify({ experiments: ["flag"] });
    await platform.env.CONFIG.put("kill", people);
    await platform.env.LEDGER.exec("DELETE FROM origin_health");
    await insert("origin_health", [
      health("control", 300, 0),
      health("bold", 200, 3),
      health("bold", 100, 37, "other"),
    ]);
    await tick();
    assert.deepEqual(await kill(), { experiments: ["hero"] });
    assert.equal(await platform.env.CONFIG.get("kill"), people, "what people wrote is left alone");
    await until(async () => {
      const { text } = await platform.ask("/");
      return !text.includes("Hello");
    }, "the control");
    for (let visit = 0; visit < 12; visit++) assert.doesNotMatch((await platform.ask("/")).text, /Hello/);
    const ending = await until(
      () => platform.env.LEDGER.prepare("SELECT * FROM endings WHERE ended_reason LIKE 'errors%'").first(),
      "the record of it",
      60_000,
    );
    assert.equal(ending.experiment_id, "hero");
    assert.equal(ending.variant, "bold");
    assert.match(ending.ended_reason, /^errors in iteration 1: the origin failed for bold in 40 of 300 requests/);
    assert.equal(notices.length, 2, "tried again after a failure");
    const { body, signature } = notices[1];
    const [, t, tag] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature);
    assert.equal(tag, createHmac("sha256", SECRET).update(`${t}.${body}`).digest("hex"));
    const told = JSON.parse(body);
    assert.equal(told.type, "experiment_ended_early");
    assert.equal(told.experiment_id, "hero");
    await tick();
    await tick();
    assert.equal(notices.length, 2, "once is enough");
    const { text } = await get("experiments/hero");
    assert.match(text, /Ended early because of bold: errors in iteration 1/);
    assert.match(text, /<span class="chip bad">killed<\/span>/);
    assert.match(text, /kill by sortition/);
    assert.equal(
      (await json("experiments/hero.json")).gates.find((gate) => gate.name === "ended_early").level,
      "amber",
    );
  });

  test("a broken guardrail ends what names it", async () => {
    await units("careful", "control", 4000, 4, 9000);
    await units("careful", "bold", 4000, 8, 9000);
    const before = await json("experiments/careful.json");
    assert.equal(before.metrics[1].comparisons[0].guardrail, "harm");
    await tick();
    assert.deepEqual(await kill(), { experiments: ["hero", "careful"] });
    assert.match(JSON.parse(notices.at(-1).body).ended_reason, /^guardrail in iteration 1: revenue is worse in bold/);
  });

  test("an origin that answers one variant with 5xx: control for everybody, without anybody", async () => {
    origin.on("/sick", (request, response) => {
      const fails = (request.headers["sortition-variants"] ?? "").includes("sick=bold");
      response.writeHead(fails ? 500 : 200, { "Content-Type": "text/html" });
      response.end("<h1>Sick</h1>");
    });
    const visit = async () => (await platform.ask("/sick")).status;
    const told = await until(
      async () => {
        // why: an isolate tells of its origin every ten seconds, with other news
        await Promise.all(Array.from({ length: 10 }, visit));
        await platform.ask("/");
        await new Promise((resolve) => setTimeout(resolve, 500));
        const sum = "SELECT sum(errors) AS errors FROM origin_health WHERE experiment_id = 'sick' AND variant = ?";
        const { errors } = await platform.env.LEDGER.prepare(sum).bind("bold").first();
        // why: enough of them that the test is sure, however visitors happened to be split
        return errors > 40 && { control: (await platform.env.LEDGER.prepare(sum).bind("control").first()).errors };
      },
      "the health of the origin",
      90_000,
    );
    assert.deepEqual(told, { control: 0 });
    await tick();
    assert.deepEqual(await kill(), { experiments: ["hero", "careful", "sick"] });
    await until(async () => (await visit()) === 200, "the control");
    assert.deepEqual(await Promise.all(Array.from({ length: 20 }, visit)), Array(20).fill(200));
    const page = await until(async () => {
      const { text } = await get("experiments/sick");
      return text.includes("Ended early") && text;
    }, "the timeline");
    assert.match(
      page,
      /Ended early because of bold: errors in iteration 1: the origin failed for bold in \d+ of \d+ requests/,
    );
    assert.match(page, /within \d+ ms/);
  });

  test("a ramp that waits lets nobody in before the guard takes its step, whatever the clock says", async () => {
    const before = JSON.parse(await platform.env.CONFIG.get("config"));
    const hours = (n) => new Date(Date.now() + n * 3_600_000).toISOString();
    const ramped = (revision, min_hours) => {
      const ramp = [{ at: hours(-0.5), traffic: 100, if: "healthy", min_hours }];
      const one = measured({ id: "ramped", pages: ["/ramped"], traffic: 0, starts_at: hours(-2), ramp });
      const experiments = [...before.experiments.filter(({ id }) => id !== "ramped"), one];
      return platform.env.CONFIG.put("config", JSON.stringify({ ...before, revision, experiments }));
    };
    const assigned = async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => platform.ask("/ramped")));
      return answers.filter(({ headers }) => /ramped=/.test(headers["sortition-variants"] ?? "")).length;
    };
    const hold = async () => JSON.parse((await platform.env.CONFIG.get("kill-guard")) ?? "{}").hold?.ramped;
    await ramped("ramp-1", 24);
    await tick();
    assert.equal(await hold(), 0, "it has run for two hours of 24");
    await until(async () => (await assigned()) === 0, "nobody in it");
    const { text } = await get("experiments/ramped");
    assert.match(text, /Held at 0 % of traffic, where the document would have 100 %: it waits for the step before/);
    assert.match((await get("experiments")).text, /held at 0 %/);
    await ramped("ramp-2", 1);
    await until(
      async () => (await get("health", undefined)).text.includes('"ramp-2"') && (await assigned()) === 0,
      "the new document, and still nobody",
    );
    await tick();
    assert.equal(await hold(), 100);
    await until(async () => (await assigned()) === 8, "everybody in it");
    await platform.env.CONFIG.put("config", JSON.stringify(before));
  });

  test("a decided experiment's results are kept in the archive, and shown when it has left the document", async () => {
    const before = JSON.parse(await platform.env.CONFIG.get("config"));
    const decision = { what: "ship", variant: "bold", by: "ada", at: "2026-11-20T00:00:00Z", why: "It sells <more>." };
    decision.summary = "It sold <more>, then.";
    const decided = structuredClone(before);
    Object.assign(
      decided.experiments.find(({ id }) => id === "careful"),
      { decision, winner: "bold" },
    );
    await platform.env.CONFIG.put("config", JSON.stringify(decided));
    await tick();
    const kept = await until(() => platform.env.ARCHIVE.get("results/careful/1.json"), "the frozen results");
    const { verdict, units } = JSON.parse(await kept.text());
    assert.match(verdict.text, /^Decided: bold ships\. It sells <more>\. \(20 Nov 2026 by ada\)/);
    assert.ok(units > 0);
    const first = (await platform.env.ARCHIVE.head("results/careful/1.json")).etag;
    await tick();
    assert.equal((await platform.env.ARCHIVE.head("results/careful/1.json")).etag, first, "frozen is frozen");
    const programme = await get("experiments/programme");
    assert.match(programme.text, /bold shipped/);
    assert.match(programme.text, /It sold &lt;more&gt;, then\./);
    assert.match(programme.text, /It sells &lt;more&gt;\./);
    Object.assign(
      decided.experiments.find(({ id }) => id === "careful"),
      { decision: { ...decision, what: "keep", at: "2026-11-20T01:00:00.000Z" }, winner: undefined },
    );
    await platform.env.CONFIG.put("config", JSON.stringify(decided));
    const pages = async () => (await get("experiments/programme")).text;
    assert.match(await pages(), /Decided<\/dt><dd>1 experiment</, "what is decided anew counts once");
    await tick();
    decided.experiments = decided.experiments.filter(({ id }) => id !== "careful");
    await until(
      async () =>
        JSON.parse(await (await platform.env.ARCHIVE.get("results/careful/1.json")).text()).decision.what === "keep",
      "the results of the new decision",
    );
    assert.match(await pages(), /Decided<\/dt><dd>1 experiment</);
    await platform.env.CONFIG.put("config", JSON.stringify(decided));
    const gone = await get("experiments/careful");
    assert.equal(gone.status, 200);
    assert.match(gone.text, /Decided: control stays/);
    assert.match(gone.text, /What was known then: It sold &lt;more&gt;, then\./);
    assert.equal((await json("experiments/careful.json")).units, units);
    assert.equal((await get("experiments/never")).status, 404);
    await platform.env.CONFIG.put("config", JSON.stringify(before));
  });

  test("the board filters and sorts by its query, and takes nothing else from it", async () => {
    const names = async (query) => {
      const { text } = await get(`experiments?${query}`);
      assert.doesNotMatch(text.replace(/<style>[\s\S]*?<\/style>/, ""), /<script|<img/);
      return [...text.matchAll(/<a href="\/_sortition\/experiments\/([a-z]+)">/g)]
        .map(([, id]) => id)
        .filter((id) => !["interactions", "holdout", "programme"].includes(id));
    };
    assert.deepEqual(await names("q=quie"), ["quiet"]);
    assert.deepEqual(await names("q=nothing-is-called-so"), []);
    assert.deepEqual((await names("sort=units")).slice(0, 1), ["careful"]);
    assert.deepEqual(await names(`q=${encodeURIComponent(HOSTILE)}&owner=${encodeURIComponent(HOSTILE)}`), ["hero"]);
    assert.ok((await names("status=killed")).includes("hero"));
  });

  test("a kill key that cannot be read is not touched: it kills everything as it is", async () => {
    await platform.env.CONFIG.put("kill", "{broken");
    await platform.env.LEDGER.exec("DELETE FROM endings");
    await tick();
    assert.equal(await platform.env.CONFIG.get("kill"), "{broken");
  });
});
