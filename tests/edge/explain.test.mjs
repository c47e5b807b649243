// What `sortition explain` says, and what the worker then does: the same document, visitor and request, asked of both.
// Headers to the origin and to the client, cookies, redirects, rewrites, exposures, and which origin is asked.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { at, target } from "../../scripts/setup.mjs";
import { startOrigin } from "./origin.mjs";
import { BROWSER, documentOf, experiment, startWorld } from "./world.mjs";

const run = promisify(execFile);
const SECRET = "a secret of this test";
const HOST = "shop.example";
const PAGE = `<!doctype html><html><head><title>Shop</title></head><body><h1>Welcome</h1><p id="lead">Tents</p></body></html>`;
const PHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1";
const GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const DAY_AGO = new Date(Date.now() - 86_400_000).toISOString();
const TOMORROW = new Date(Date.now() + 86_400_000).toISOString();

const folder = mkdtempSync(join(tmpdir(), "sortition-explain-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const built = spawnSync("cargo", ["build", "--quiet", "--bin", "sortition"], { cwd: at(), encoding: "utf8" });
assert.equal(built.status, 0, built.stderr);

/** Runs the tool where no file of this project can help it. */
async function sortition(...args) {
  const env = { ...process.env, SORTITION_SECRET: SECRET };
  const { stdout } = await run(join(target, "debug", "sortition"), [...args, "--json"], { cwd: folder, env });
  return JSON.parse(stdout);
}

/** Two halves; each says in the page that it was here. */
function halves(id, rest = {}) {
  const step = (variant) => [{ select: "#lead", do: "append", value: `[${id}=${variant}]` }];
  const variants = [
    { id: "control", weight: 50 },
    { id: "new", weight: 50, rewrite: step("new") },
  ];
  return experiment({ id, variants, ...rest });
}

/** Everybody in the second variant, so that new visitors, whose ids are random, are decided alike. */
const all = (id, rest = {}) =>
  experiment({
    id,
    variants: [
      { id: "control", weight: 0 },
      { id: "new", weight: 1, rewrite: [{ select: "#lead", do: "append", value: `[${id}=new]` }] },
    ],
    ...rest,
  });

const everyStatus = [
  halves("draft", { status: "draft" }),
  halves("paused", { status: "paused" }),
  halves("completed", { status: "completed" }),
  halves("scheduled", { starts_at: TOMORROW }),
  halves("ended", { ends_at: DAY_AGO }),
  halves("release", { kind: "release" }),
  halves("won", { winner: "new" }),
  halves("ramped", { traffic: 1, ramp: [{ at: DAY_AGO, traffic: 60 }] }),
];
const audiences = [
  halves("us", { audience: { country: "US" } }),
  halves("phone", { audience: { device: "mobile" } }),
  halves("asn", { audience: { asn: { $gt: 64000 } } }),
  halves("language", { audience: { language: "de" } }),
  halves("campaign", { audience: { "utm.source": "größe" } }),
  halves("from", { audience: { referrer_host: "news.example" } }),
  halves("staff", { overrides: [{ audience: { "cookie.staff": "1" }, variant: "new" }] }),
];
const pages = [
  halves("home", { pages: ["/"] }),
  halves("products", { pages: ["/p/*"] }),
  halves("umlaut", { pages: ["/gr%C3%B6%C3%9Fe"] }),
  halves("regex", { pages: [{ regex: "^/p/[a-m]" }] }),
  halves("query", { pages: [{ contains: "promo=1", of: "query" }] }),
  halves("host", { pages: undefined, hosts: ["www.shop.example"] }),
  halves("post", { pages: undefined, methods: ["POST"] }),
];
const together = [
  halves("one", { layer: "l", slots: [0, 4000] }),
  halves("two", { layer: "l", slots: [4000, 9000] }),
  halves("small", { traffic: 12.34 }),
  halves("high", { conflicts: ["area"], priority: 2, traffic: 50 }),
  halves("low", { conflicts: ["area"], priority: 1 }),
  halves("after", { requires: [{ experiment: "small", variant: "new" }] }),
];
const units = [
  halves("visitor"),
  halves("user", { unit: "user" }),
  halves("either", { unit: "user", else_unit: "visitor" }),
  halves("session", { unit: "session" }),
  halves("once", { display: "once" }),
  halves("visit", { display: "once_per_visit" }),
  halves("fickle", { sticky: false }),
];
const redirecting = (id, to, rest = {}) =>
  experiment({
    id,
    variants: [
      { id: "control", weight: 1 },
      { id: "new", weight: 1, redirect: { to, status: 302 } },
    ],
    ...rest,
  });
const withHeaders = experiment({
  id: "headers",
  pages: ["/", "/p/*"],
  seo: { allow: ["Content-Language"] },
  variants: [
    { id: "control", weight: 1, response_headers: { "X-Shop": "as ever" } },
    { id: "new", weight: 1, response_headers: { "X-Shop": "new", "Content-Language": "de" } },
  ],
});

/** What is asked of every document: overrides of a plain GET of `/` by a visitor who is known. */
const REQUESTS = [
  {},
  { method: "HEAD" },
  { method: "POST" },
  { scheme: "https" },
  { path: "/?promo=1&utm_source=gr%C3%B6%C3%9Fe#part", headers: { "Accept-Language": "de-CH,de;q=0.9" } },
  { path: "/p/tent", cf: { country: "US", asn: 64500 }, headers: { "User-Agent": PHONE } },
  { path: "/p/../größe", headers: { Referer: "https://news.example/today" } },
  { path: "/nowhere", host: "www.shop.example" },
  { path: "/b?x=1" },
  { path: "/_sortition/nothing" },
  { headers: { "Sec-Purpose": "prefetch" } },
  { headers: { "Sortition-Variants": "one=new", "Sortition-Visitor": "somebody-else" } },
  { headers: { "User-Agent": GOOGLEBOT } },
  { headers: { "If-None-Match": '"1"', "Accept-Encoding": "gzip, br, zstd" } },
  { cookies: { staff: "1", uid: "user-7", sortition_session: "session-0001" } },
  { cookies: { consent: "granted", sortition_as: "1~one.1.new.gu2*" } },
  { cookies: { consent: "granted", "sec-gpc": "1" }, headers: { "Sec-GPC": "1" } },
];
const VISITORS = ["visitor-0002", "7c1f8a52-8a0e-4b6c-9d3e-1f2a3b4c5d6e"];

/**
 * The documents, each with what else is asked of it. `anew`: visitors without an id are asked about too. `apart`: each
 * request is another visitor's, for the worker remembers whom it exposed when the cookie was already sent.
 */
const WORLDS = {
  "every status": { experiments: everyStatus },
  audiences: { experiments: audiences },
  pages: { experiments: pages },
  "layers, conflicts, requirements, a holdout": {
    experiments: together,
    rest: { layers: { l: {} }, holdout: { percent: 20.5 } },
  },
  units: {
    experiments: units,
    rest: { visitor: { user_cookie: "uid" } },
    cookies: { sortition_session: "session-0002" },
  },
  "new visitors": {
    experiments: [all("one"), all("two", { kind: "ops" }), all("three", { unit: "session" })],
    anew: true,
  },
  "cookies of another name and domain": {
    experiments: [all("one")],
    rest: { visitor: { cookie: "v", domain: "shop.example", http_only: true, max_age_days: 30 } },
    anew: true,
    cookie: "v",
  },
  "signed ids": { experiments: [all("one")], rest: { visitor: { signed: true } }, anew: true },
  consent: { experiments: together.slice(2, 3), rest: { consent: { cookie: "consent", granted: ["granted"] } } },
  redirects: { experiments: [redirecting("hero", "/b"), redirecting("shop", "/c?y=2", { pages: ["/p/*"] })] },
  "headers of variants": { experiments: [withHeaders] },
  "a bridge by attribute": { experiments: [halves("one"), halves("two")], rest: { bridge: "attribute" } },
  "a bridge by script": { experiments: [halves("one")], rest: { bridge: "script" } },
  "no headers to the client": {
    experiments: [halves("one")],
    rest: { headers: { to_origin: true, to_client: false } },
  },
  "no headers to the origin": {
    experiments: [halves("one")],
    rest: { headers: { to_origin: false, to_client: true } },
  },
  "exposed when met": {
    experiments: [halves("one", { expose: "selector" }), halves("two", { expose: "origin" })],
    apart: true,
  },
  "crawlers at the baseline": {
    experiments: [halves("one", { baseline: "new" }), halves("two")],
    rest: { crawlers: { policy: "baseline" } },
  },
  "crawlers as a mirror": { experiments: [halves("one"), halves("two")], rest: { crawlers: { policy: "mirror" } } },
  "killed by the document": { experiments: [halves("one")], rest: { kill: true } },
  "killed by the switch": { experiments: [halves("one"), halves("two")], kill: { experiments: ["two"] } },
  "a page of another origin": { experiments: [], elsewhere: true },
};

describe("explain says what the worker does", () => {
  let world;
  let other;
  before(async () => {
    world = await startWorld({ vars: { SORTITION_SECRET: SECRET } });
    other = await startOrigin();
    const answer = (_request, response) => {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
      response.end(PAGE);
    };
    for (const origin of [world.origin, other]) origin.on("*", answer);
  });
  after(() => Promise.all([world.close(), other.close()]));

  for (const [name, made] of Object.entries(WORLDS)) {
    test(name, async () => {
      const variants = (act) => [
        { id: "control", weight: 1 },
        { id: "new", weight: 1, origin: act },
      ];
      const experiments = made.elsewhere
        ? [
            experiment({ id: "beside", variants: variants({ path_prefix: "/b" }) }),
            experiment({ id: "away", pages: ["/p/*"], variants: variants({ url: other.url }) }),
          ]
        : made.experiments;
      const document = documentOf(experiments, made.rest);
      world.setKey("kill", made.kill);
      const revision = await world.publish(document);
      const file = join(folder, "document.json");
      writeFileSync(file, JSON.stringify({ ...document, revision }));
      const known = (visitor, place) => (made.apart ? `${visitor}.${place}` : visitor);
      const cases = VISITORS.flatMap((visitor) =>
        REQUESTS.map((request, place) => ({ visitor: known(visitor, place), ...request })),
      );
      if (made.anew) cases.push(...REQUESTS);
      const more = { ...made, file };
      await compare(cases, more);
    });
  }

  test("previews", async () => {
    const document = documentOf([halves("one"), halves("draft", { status: "draft" })]);
    const revision = await world.publish(document);
    const file = join(folder, "document.json");
    writeFileSync(file, JSON.stringify({ ...document, revision }));
    const { token } = await sortition("preview", "one:new", "draft:new");
    const cases = VISITORS.flatMap((visitor) => [
      { visitor, path: `/?a=1&sortition_preview=${token}` },
      { visitor, path: "/?sortition_preview=" },
      { visitor, path: "/?sortition_preview=1.forged" },
      { visitor, cookies: { sortition_preview: token } },
      { visitor, cookies: { sortition_preview: `${token}x` } },
      { visitor, cookies: { sortition_preview: token }, headers: { "User-Agent": GOOGLEBOT } },
    ]);
    await compare(cases, { file });
  });

  async function compare(cases, made) {
    await world.forget();
    const exposed = [];
    for (const four of chunks(cases, 4)) {
      const tolds = await Promise.all(four.map((one) => explained(one, made)));
      for (const [index, one] of four.entries()) exposed.push(...(await compareOne(one, tolds[index], made)));
    }
    const events = (await world.sent()).flatMap(({ events }) => events);
    const sent = events.map((event) => {
      const isKnown = cases.some(({ visitor }) => visitor === event.anonymous_id);
      const id = isKnown ? event.anonymous_id : "SOMEBODY";
      return `${event.experiment_id}=${event.variant} ${event.reason} ${id}`;
    });
    assert.deepEqual(sent.sort(), exposed.sort());
  }

  /** Compares one request, and returns whom the tool says it exposes to what. */
  async function compareOne(one, told, made) {
    world.origin.forget();
    other.forget();
    const answer = await asked(one, made);
    const seen = [...world.origin.requests, ...other.requests];
    const what = `${JSON.stringify(one)}\n${JSON.stringify(told)}`;
    const same = (is, should, of) => assert.deepEqual(is, should, `${of}: ${what}`);
    same(seen.length, told.origin.asked ? 1 : 0, "how often the origin was asked");
    if (told.handling === "endpoint") return [];
    const unnamed = plain(told, answer, made);
    compareAnswer(answer, told, unnamed, same);
    if (seen.length > 0) compareForwarded(seen[0], one, told, made, unnamed, same);
    comparePage(answer.text, one, told, same);
    const decided = [...told.answer.exposed, ...told.answer.exposed_when_met].map((id) =>
      told.experiments.find(({ experiment }) => experiment === id),
    );
    const besides = told.answer.exposed_besides.map((one) => ({ ...one, reason: "split" }));
    return [...decided, ...besides].map(({ experiment, variant, reason }) =>
      unnamed.tool(`${experiment}=${variant} ${reason} ${told.visitor.id}`),
    );
  }

  /** Status and every header of the answer, but those of the connection. */
  function compareAnswer(answer, told, unnamed, same) {
    same(answer.status, told.answer.status ?? 200, "status");
    const connection = ["date", "connection", "keep-alive", "transfer-encoding", "content-length"];
    const origins = told.answer.status ? [] : [["content-type", "text/html; charset=utf-8"]];
    const is = lines(answer.fields, connection).map(unnamed.worker);
    same(is, applied(origins, told.answer.headers).map(unnamed.tool), "the answer's headers");
  }

  /** Which origin was asked for what, with which headers. */
  function compareForwarded({ headers, url }, one, told, made, unnamed, same) {
    const away = told.origin.elsewhere;
    const changes = [...told.origin.headers, ...(away?.headers ?? [])];
    const expected = Object.fromEntries(applied(Object.entries(asSent(one, made)), changes));
    const changed = changes.map(({ name }) => name.toLowerCase());
    const names = new Set([...Object.keys(expected), ...changed, "sortition-variants", "sortition-visitor", "cookie"]);
    for (const name of names)
      same(unnamed.worker(headers[name] ?? ""), unnamed.tool(expected[name] ?? ""), `the origin's ${name}`);
    same(other.requests.length, away?.url ? 1 : 0, "which origin was asked");
    const { pathname, search } = new URL(told.request.url);
    same(url, `${away?.path_prefix ?? ""}${pathname}${search}`, "what was asked of it");
  }

  /** What the page was rewritten with: every step leaves a mark. */
  function comparePage(text, { method }, told, same) {
    const inserted = told.answer.rewrite.map(({ step }) => step.value);
    const marks = method === "HEAD" ? [] : (text.match(/\[\w+=\w+\]/g) ?? []);
    same(marks.sort(), inserted.sort(), "what the page was rewritten with");
    const bridge = text
      .match(/id="sortition">(.*?)<\/script>|data-sortition="(.*?)"/)
      ?.slice(1)
      .find(Boolean);
    same(bridge?.replaceAll("&quot;", '"') ?? null, told.answer.bridge, "the bridge");
  }

  const scheme = (one) => one.scheme ?? "http";
  const cookies = (one, made) => ({
    ...(one.visitor ? { [made.cookie ?? "sortition_id"]: one.visitor } : {}),
    ...made.cookies,
    ...one.cookies,
  });

  function explained(one, made) {
    const args = ["explain", made.file, "--url", `${scheme(one)}://${one.host ?? HOST}${one.path ?? "/"}`];
    args.push("--method", one.method ?? "GET");
    if (made.kill) args.push("--kill", JSON.stringify(made.kill));
    for (const [name, value] of Object.entries(cookies(one, made))) args.push("--cookie", `${name}=${value}`);
    for (const [name, value] of Object.entries({ "User-Agent": BROWSER, ...one.headers }))
      args.push("--header", `${name}: ${value}`);
    for (const [name, value] of Object.entries(one.cf ?? {})) args.push("--cf", `${name}=${value}`);
    return sortition(...args);
  }

  function asked(one, made) {
    const url = new URL(`${scheme(one)}://${HOST}${one.path ?? "/"}`);
    const cookie = Object.entries(cookies(one, made)).map(([name, value]) => `${name}=${value}`);
    return world.ask(`${url.pathname}${url.search}`, {
      method: one.method,
      // why: a body of unknown length would keep the request from a variant's own origin
      body: one.method === "POST" ? "" : undefined,
      host: one.host ?? HOST,
      headers: { ...one.headers, "X-Forwarded-Proto": scheme(one) },
      cookie: cookie.join("; ") || undefined,
      cf: one.cf,
    });
  }

  /** What of the request's headers reaches the worker, apart from those that every hop sets itself. */
  function asSent(one, made) {
    const headers = { "User-Agent": BROWSER, ...one.headers };
    const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    const cookie = Object.entries(cookies(one, made)).map(([name, value]) => `${name}=${value}`);
    if (cookie.length > 0) sent.cookie = cookie.join("; ");
    for (const name of Object.keys(sent)) if (name.startsWith("sortition-")) delete sent[name];
    return sent;
  }
});

const chunks = (list, size) =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, index) => list.slice(index * size, (index + 1) * size));

/** Header lines after the changes that the tool tells of, by name. */
function applied(fields, changes) {
  const values = new Map();
  for (const [name, value] of fields) values.set(name, [value]);
  for (const { do: how, name, value } of changes) {
    const key = name.toLowerCase();
    if (how === "set") values.set(key, [value]);
    else if (how === "append") values.set(key, [...(values.get(key) ?? []), value]);
    else values.delete(key);
  }
  return [...values]
    .flatMap(([name, list]) => (name === "set-cookie" ? list.map((one) => [name, one]) : [[name, list.join(", ")]]))
    .filter(([, value]) => value !== undefined)
    .sort();
}

const lines = (fields, without) =>
  applied(
    [],
    fields.map(([name, value]) => ({ do: "append", name, value })),
  ).filter(([name]) => !without.includes(name));

/** Takes out of texts what is random: the ids of new visitors and sessions, each side's own. */
function plain(told, answer, made) {
  const cookie = (name) =>
    answer.setCookies.map((line) => line.match(new RegExp(`^${name}=([^;]+)`))?.[1]).find(Boolean);
  const without = (ids) => {
    const replace = (text) => {
      const random = ids.filter(Boolean);
      const named = random.reduce((text, id) => text.replaceAll(id, "SOMEBODY"), text);
      if (random.length === 0) return named;
      // why: tags are bound to the ids, and assignments name a session by a piece of its hash
      return named
        .replace(/^sortition_as=2~[\w-]{22}~([^~;]*)~[\w-]*~/, "sortition_as=2~TAG~$1~SESSION~")
        .replace(/^(new|known);([^;]*);[\w-]{22}$/, "$1;$2;TAG");
    };
    return (value) => (Array.isArray(value) ? value.map(replace) : replace(String(value)));
  };
  const isNew = told.visitor && !told.visitor.returning;
  const id = cookie(made.cookie ?? "sortition_id");
  const toldCookie = (name) =>
    told.answer.headers.map(({ value }) => value?.match(new RegExp(`^${name}=([^;]+)`))?.[1]).find(Boolean);
  const toldId = toldCookie(made.cookie ?? "sortition_id");
  return {
    worker: without([isNew && id, isNew && id?.split(".")[0], cookie("sortition_session")]),
    tool: without([isNew && toldId, isNew && told.visitor.id, toldCookie("sortition_session")]),
  };
}
