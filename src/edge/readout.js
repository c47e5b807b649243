// The readout's endpoints and its guard: asks the record and KV what the wasm wants to know, and carries out what it says.

import {
  answer_key,
  initSync,
  is_operator,
  is_shared,
  prune,
  Readout,
  ReadoutDoor,
  readout_absent,
  readout_columns,
  readout_lines,
  readout_policy,
  readout_route,
  take_along,
} from "sortition-readout";
import { answerTo, gap, ledgers, pages } from "./ledgers.js";
import { operate } from "./operate.js";
import { problem as problemOf } from "./problem.js";
import { hits } from "./rewrite.js";
import { wake as wakeServices } from "./services.js";
import { pause, ship } from "./ship.js";
import { signer } from "./signer.js";

// Answers that took longer than this are kept for so long, and shown again with the time they were computed.
const SLOW_MS = 500;
const KEPT_MS = 300_000;
// How often a webhook is tried, and how long each try may take.
const NOTICES = 3;
const NOTICE_MS = 8000;
// The newest entries of the audit trail that a page shows, and how many pages of keys are looked through for them.
const AUDIT = 20;
const AUDIT_PAGES = 10;
// How many frozen results the programme's page takes in.
const MOST_FROZEN = 200;

// The form of published results; src/readout/published.rs.
const PUBLISHED = 1;
// Where the guard keeps its notes without a record.
const NOTES = "guard/";
// The newest exposure of a project on record, whether there is any of an iteration, and whether those were let go of.
const HEARD = `SELECT (SELECT max((SELECT max(at) FROM exposed WHERE iteration_no = number)) FROM iterations WHERE project = ?1) AS heard,
EXISTS (SELECT 1 FROM exposed WHERE iteration_no = (SELECT number FROM iterations WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3)) AS here,
(SELECT expired FROM iterations WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3) AS expired`;
// How many steps a run takes along of the record of before, and how many it takes to let go of what has outlived its time:
// D1 answers 1,000 statements a run.
const STEPS = 60;
const LETTING_GO = 100;

let door;

// Where it leads.
const GUESTS = /^\/_sortition\/experiments\/([a-z0-9][a-z0-9_-]*)$/;
// What a shared link says: its end in seconds, and a tag.
const LINK = /^\d{10}\.[0-9a-f]{64}$/;

/** Brings up the readout's wasm, with the first who asks. A build without it has no readout. */
async function wake() {
  const { default: module } = await import("./readout_bg.wasm");
  initSync({ module });
}

export async function readout(request, env) {
  await wake();
  const { pathname, origin, search } = new URL(request.url);
  const [isForPeople, isForTools] = [Boolean(env.ADMIN_TOKEN), Boolean(env.OPERATOR_TOKEN)];
  const route = JSON.parse(readout_route(request.method, pathname, isForPeople, isForTools));
  if (route.page === "action") {
    const isAdmin = () => isAllowed(request, env);
    return operate(request, env, route, { answer, problem, isAdmin, wrong, summarise });
  }
  const { status, title, detail, allow } = route;
  if (allow) return problem(status, title, detail, { allow });
  // why: where there are no pages for people, there is nothing that a token could open
  if (route.page === "problem" && !isForPeople) return problem(status, title, detail);
  const guest = guestOf(request, env);
  if (!guest && !isOperator(request, env) && !(await isAllowed(request, env))) {
    const [token, scheme] = isForPeople
      ? ["send ADMIN_TOKEN as Basic password or as Bearer token", 'Basic realm="Sortition", charset="UTF-8"']
      : ["send OPERATOR_TOKEN as Bearer token", "Bearer"];
    return problem(401, "Unauthorized", token, { "www-authenticate": scheme });
  }
  if (guest) return shown(guest, env);
  if (route.page === "problem") return problem(status, title, detail);
  const { id, form } = route;
  if (route.page === "picture") return picture(env, id, route.variant);
  if (!env.LEDGER && (!env.ARCHIVE || form === "csv"))
    return problem(503, "Service unavailable", "there is no LEDGER: the readout needs the record");
  const config = await env.CONFIG.get("config");
  if (config === null) return problem(503, "Service unavailable", "there is no experiment document yet: push one");
  const one = opened(config, id);
  if (one instanceof Response) return one;
  const subject = id ? one.subject(id, form) : "list";
  if (subject === "holdout") return holdout(env, config, form);
  if (subject === "archived") return kept(env, id, form);
  if (subject === "programme" || subject === "interactions") return overall(env, config, subject);
  if (form === "csv") return answer(download(env, one.download()), "text/csv; charset=utf-8", id);
  const asked = { at: Date.now() };
  const screens = id ? await pictures(env, id) : [];
  const told = await learn(one, env, asked, id ? audit(env) : "[]");
  if (id) one.link(env.SORTITION_SECRET, origin, JSON.stringify(screens), hits());
  if (id && env.OPERATOR_TOKEN) one.operate_with(signer(env, env.OPERATOR_TOKEN));
  if (form === "json") return answer(one.json(told, asked.at), "application/json");
  return answer(one.html(told, asked.at, search), "text/html; charset=utf-8");
}

/** The readout of a document, or why there is none. */
function opened(config, id) {
  try {
    return Readout.open(config, id, false, Date.now());
  } catch (reason) {
    return problem(503, "Service unavailable", `the document cannot be read: ${reason}`);
  }
}

/** The experiment whose results a good link shows to whoever has it. */
function guestOf(request, env) {
  const { pathname, searchParams } = new URL(request.url);
  const link = searchParams.get("share") ?? "";
  const [, id] = GUESTS.exec(pathname) ?? [];
  if (!env.ADMIN_TOKEN || !id || !LINK.test(link)) return undefined;
  return is_shared(signer(env, env.ADMIN_TOKEN), id, link, Date.now()) ? id : undefined;
}

/** The results of one experiment, for a guest: without previews, pictures, and what leads elsewhere. */
async function shown(id, env) {
  const config = (env.LEDGER || env.ARCHIVE) && (await env.CONFIG.get("config"));
  if (!config) return problem(503, "Service unavailable", "there are no results to show");
  const one = opened(config, id);
  if (one instanceof Response) return one;
  // why: what the archive keeps is the page for insiders, with the trail of who did what
  if (one.size() === 0) return problem(404, "Not found", "this experiment is no longer in the document");
  one.show_to_guest();
  const asked = { at: Date.now() };
  const told = await learn(one, env, asked, "[]");
  return answer(one.html(told, asked.at, ""), "text/html; charset=utf-8");
}

/** The pages that are about all experiments. */
async function overall(env, config, subject) {
  const all = Readout.open(config, undefined, false, Date.now());
  const html = (text) => answer(text, "text/html; charset=utf-8");
  if (subject === "programme") {
    const shared = together(env, () => all.courses_shared());
    const asking = env.LEDGER ? ask(env, JSON.parse(all.courses()), undefined, shared) : [];
    const [kept, [courses], held] = await Promise.all([frozen(env), asking, heldOut(env, config)]);
    return html(all.programme(JSON.stringify(kept), courses ?? undefined, held));
  }
  const asked = { at: Date.now() };
  all.meet();
  return html(all.interactions(await learn(all, env, asked, "[]"), asked.at));
}

/** What all experiments together changed, as data; nothing where nobody is held out. */
async function heldOut(env, config) {
  let one;
  try {
    one = Readout.holdout(config, Date.now());
  } catch {
    return undefined;
  }
  const asked = { at: Date.now() };
  return one.json(await learn(one, env, asked, "[]"), asked.at);
}

/** What all experiments together changed, read as an experiment. */
async function holdout(env, config, format) {
  let one;
  try {
    one = Readout.holdout(config, Date.now());
  } catch (reason) {
    const text = `${reason}: holdout.percent in the document keeps some visitors out of all experiments.`;
    return absent(format, "No holdout", `${text[0].toUpperCase()}${text.slice(1)}`);
  }
  if (format === "csv") return problem(404, "Not found", "the holdout has a page and .json");
  const asked = { at: Date.now() };
  const told = await learn(one, env, asked, "[]");
  if (format === "json") return answer(one.json(told, asked.at), "application/json");
  return answer(one.html(told, asked.at, ""), "text/html; charset=utf-8");
}

/** The variants of an experiment that the archive has a picture of. */
async function pictures(env, id) {
  if (!env.ARCHIVE) return [];
  const prefix = `screens/${id}/`;
  const objects = await objectsOf(env, prefix);
  return objects.filter(({ key }) => key.endsWith(".png")).map(({ key }) => key.slice(prefix.length, -4));
}

/** What is not there: a page for people, a problem for others. */
function absent(format, title, text) {
  if (format !== "html") return problem(404, title, text);
  const page = answer(readout_absent(title, text), "text/html; charset=utf-8");
  return new Response(page.body, { status: 404, headers: page.headers });
}

async function picture(env, id, variant) {
  const object = await env.ARCHIVE?.get(`screens/${id}/${variant}.png`);
  return object
    ? answer(object.body, "image/png")
    : problem(404, "Not found", `there is no picture of ${id}:${variant}`);
}

/** The results of decided experiments that the archive keeps, as texts. */
async function frozen(env) {
  if (!env.ARCHIVE) return [];
  const objects = await objectsOf(env, "results/");
  // why: what other engines computed lies there, too, with a part more in its key
  const keys = objects.map(({ key }) => key).filter((key) => /^[^/]+\/[^/]+\/\d+\.json$/.test(key));
  return Promise.all(keys.slice(-MOST_FROZEN).map(async (key) => (await env.ARCHIVE.get(key))?.text() ?? null));
}

/** What the archive keeps of an experiment that has left the document: its last iteration. */
async function kept(env, id, format) {
  const missing = () => absent(format, "Not found", `Neither the document nor the archive has an experiment ${id}.`);
  if (!env.ARCHIVE || format === "csv") return missing();
  const prefix = `results/${id}/`;
  const ending = format === "json" ? ".json" : ".html";
  const objects = await objectsOf(env, prefix);
  const iteration = (key) => Number(key.slice(prefix.length, -ending.length));
  const keys = objects.map(({ key }) => key).filter((key) => key.endsWith(ending) && iteration(key) > 0);
  const last = keys.sort((a, b) => iteration(a) - iteration(b)).at(-1);
  const object = last && (await env.ARCHIVE.get(last));
  if (!object) return missing();
  return answer(object.body, format === "json" ? "application/json" : "text/html; charset=utf-8");
}

/** What came out of an experiment until now: `{summary}`, or `{why}` there is none. */
async function summarise(env, id) {
  if (!env.LEDGER && !env.ARCHIVE) return { why: "there is no record to ask." };
  try {
    const one = Readout.open(await env.CONFIG.get("config"), id, false, Date.now());
    const asked = { at: Date.now() };
    return JSON.parse(one.summary(await learn(one, env, asked, "[]"), asked.at));
  } catch (error) {
    console.error(`sortition: a result could not be summed up: ${error}`);
    return { why: "the record could not be asked: see the worker's log." };
  }
}

/** Keeps the results of decided experiments in the archive, once for a decision: JSON and page, as of then. */
export async function freeze(env) {
  if (!env.ARCHIVE) return;
  const config = await env.CONFIG.get("config");
  if (config === null) return;
  await wake();
  const decided = JSON.parse(Readout.open(config, undefined, false, Date.now()).decided());
  for (const [id, iteration, when] of decided) {
    const place = `results/${id}/${iteration}`;
    const there = await env.ARCHIVE.head(`${place}.json`);
    // why: what is decided anew is kept anew; what was kept before decisions were named there stays
    if (there && (there.customMetadata?.decided ?? when) === when) continue;
    const one = Readout.open(config, id, false, Date.now());
    const asked = { at: Date.now() };
    const told = await learn(one, env, asked, audit(env));
    // why: kept for good, so not while the record is being moved, a question failed, or nothing is published yet
    const [answers] = JSON.parse(told);
    if (!one.is_complete() || (env.LEDGER ? answers?.includes(null) : answers?.[0] == null)) continue;
    // why: the page first, so that what is looked for is there last
    await env.ARCHIVE.put(`${place}.html`, one.html(told, asked.at, ""));
    await env.ARCHIVE.put(`${place}.json`, one.json(told, asked.at), { customMetadata: { decided: when } });
  }
}

/** Asks what a readout wants to know; the answers of each of its experiments, as a text. */
async function learn(one, env, asked, trail) {
  const keys = ["kill", "kill-guard"].map((key) => env.CONFIG.get(key));
  const elsewhere = await published(one, env);
  one.divided(ledgers(env).length, gap(env));
  const shared = together(env, () => one.first_shared());
  const first = env.LEDGER ? ask(env, JSON.parse(one.first()), asked, shared) : withoutRecord(one, env, elsewhere);
  const [kill, guarded] = await Promise.all(keys);
  one.learn(JSON.stringify(await first), await trail, kill ?? undefined, guarded ?? undefined);
  one.by(JSON.stringify(elsewhere.map((kept) => kept && { ...kept, answers: undefined })));
  const [isGone, ids] = [await letGoOf(one, env), JSON.parse(one.published()).map(([, , id]) => id)];
  const all = together(env, () => one.second_shared());
  const told = JSON.parse(one.second()).map((questions, at) => {
    if (elsewhere[at]) return questions.map((question) => answerFrom(elsewhere[at], question));
    // why: a record that has let go of an experiment's exposures would say that nobody bought
    return env.LEDGER && !isGone.has(ids[at]) ? ask(env, questions, asked, all?.[at]) : questions.map(() => null);
  });
  return JSON.stringify(await Promise.all(told));
}

/**
 * What other engines computed of a readout's experiments (`sortition readout --publish`), null where there is nothing, or
 * where the record has heard of the project since.
 */
async function published(one, env) {
  const places = JSON.parse(one.published());
  if (!env.ARCHIVE || places.length === 0) return [];
  const { objects } = await env.ARCHIVE.list({ prefix: `results/${places[0][1]}/` });
  const there = new Set(objects.map(({ key }) => key));
  return Promise.all(
    places.map(async ([key, ...iteration]) => {
      if (!there.has(key)) return null;
      try {
        const kept = JSON.parse(await (await env.ARCHIVE.get(key)).text());
        if (kept.schema !== PUBLISHED)
          throw new Error(`it is of schema ${kept.schema}, and this version reads ${PUBLISHED}`);
        return (await isNewer(kept, iteration, env)) ? kept : null;
      } catch (error) {
        console.error(`sortition: published results cannot be read: ${key}: ${error}`);
        return null;
      }
    }),
  );
}

async function isNewer({ computed_at }, iteration, env) {
  const one = (database) =>
    database
      .prepare(HEARD)
      .bind(...iteration)
      .first();
  const all = await Promise.all(ledgers(env).map(one));
  // why: what comes late may come to a database that has never heard of the iteration
  if (all.some(({ expired }) => expired)) return true;
  return !all.some(({ here }) => here) || all.every(({ heard }) => heard < Date.parse(computed_at));
}

/** What several databases are asked; nothing where there is one. */
const together = (env, ask) => (ledgers(env).length > 1 ? JSON.parse(ask()) : undefined);

/** An engine's answer to a question, null where it gave none. */
const answerFrom = ({ answers }, question) => answers[answer_key(JSON.stringify(question))] ?? null;

/** What is asked first, without a record: of the newest published results, and what the guard has told of the archive. */
async function withoutRecord(one, env, elsewhere) {
  const newest = elsewhere.filter(Boolean).sort((a, b) => (a.computed_at < b.computed_at ? 1 : -1))[0];
  const questions = JSON.parse(one.first());
  const told = questions.map((question) => newest && answerFrom(newest, question));
  told[questions.length - 1] = JSON.stringify(await notes(env));
  return told.map((answer) => answer ?? null);
}

/** What the guard has done and told, where no record keeps it. */
async function notes(env) {
  const objects = await objectsOf(env, NOTES);
  return objects.map(({ key, uploaded }) => [key.slice(NOTES.length), uploaded.toISOString()]);
}

/** The archive's objects below a prefix, by their keys in order: R2 lists a thousand at a time. */
async function objectsOf(env, prefix) {
  const all = [];
  let cursor;
  do {
    const page = await env.ARCHIVE.list({ prefix, cursor });
    all.push(...page.objects);
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor);
  return all;
}

/** Writes a note of the guard's; whether it is the first to write it. */
async function claim(env, name, at) {
  if (!env.LEDGER) return (await env.ARCHIVE.put(NOTES + name, at, { onlyIf: { etagDoesNotMatch: "*" } })) !== null;
  const { meta } = await env.LEDGER.prepare("INSERT OR IGNORE INTO guard_notes VALUES (?1, ?2)").bind(name, at).run();
  return meta.changes > 0;
}

/**
 * The answers to questions, null for one that fails: the others are worth showing. What is asked twice is asked once.
 * Where they took long all of them are kept, and shown again together: a page never adds up what is of two times.
 * Without `asked` nothing is taken from there.
 */
async function ask(env, questions, asked, shared) {
  // why: only questions of one experiment are ever slow
  const isOfOne = ([sql, ...values]) => sql.startsWith("WITH ") && values.length === 0;
  const key = questions.some(isOfOne) && answer_key(JSON.stringify(questions));
  const kept = key && asked && (await recalled(env, key, questions.length));
  if (kept) {
    asked.at = Math.min(asked.at, kept.at);
    return kept.answers;
  }
  const started = Date.now();
  const [known, before] = [new Map(), new Map()];
  const answers = await Promise.all(
    questions.map(async (question, at) => {
      try {
        const text = JSON.stringify(question);
        if (!known.has(text)) known.set(text, answerTo(env, question, shared?.[at], before));
        return await known.get(text);
      } catch (error) {
        console.error(`sortition: a question of the readout failed: ${error}`);
        return null;
      }
    }),
  );
  if (key && Date.now() - started > SLOW_MS && !answers.includes(null)) {
    // why: what is computed is shown, whether or not it can be kept
    const report = (error) => console.error(`sortition: failed in keeping answers of the readout: ${error}`);
    await keep(env, key, answers, started).catch(report);
  }
  return answers;
}

/** What is kept of questions that were asked together: all their answers, as of when they were asked. */
async function recalled(env, key, count) {
  const places = Array.from({ length: count }, (_, place) => `${key}/${place}`);
  const { results } = await env.LEDGER.prepare(
    "SELECT question, answer, asked_at FROM readouts WHERE question IN (SELECT value FROM json_each(?1)) AND asked_at > ?2",
  )
    .bind(JSON.stringify(places), Date.now() - KEPT_MS)
    .all();
  const at = results[0]?.asked_at;
  if (results.length < count || results.some((row) => row.asked_at !== at)) return;
  const texts = new Map(results.map(({ question, answer }) => [question, answer]));
  return { at, answers: places.map((place) => texts.get(place)) };
}

async function keep(env, key, answers, at) {
  const statement = "INSERT OR REPLACE INTO readouts VALUES (?1, ?2, ?3)";
  await env.LEDGER.batch([
    env.LEDGER.prepare("DELETE FROM readouts WHERE asked_at < ?1").bind(at - KEPT_MS),
    ...answers.map((answer, place) => env.LEDGER.prepare(statement).bind(`${key}/${place}`, answer, at)),
  ]);
}

/** The newest entries of the audit trail, as a text. Keys sort by time, and KV lists the oldest first. */
async function audit(env) {
  let names = [];
  let cursor;
  for (let page = 0; page < AUDIT_PAGES; page++) {
    const list = await env.CONFIG.list({ prefix: "audit:", cursor });
    names = [...names, ...list.keys.map(({ name }) => name)].slice(-AUDIT);
    if (list.list_complete) break;
    cursor = list.cursor;
  }
  return JSON.stringify(await Promise.all(names.reverse().map((name) => env.CONFIG.get(name))));
}

/** The units and their outcomes, a page at a time. */
function download(env, text) {
  const [visitors, people] = JSON.parse(text);
  const encoder = new TextEncoder();
  const texts = (async function* () {
    yield readout_columns();
    for (const ask of [(at, id) => visitors.with(1, at).with(2, id), (unit) => people.with(1, unit)])
      for await (const rows of pages(env, ask)) yield JSON.parse(readout_lines(rows)).lines;
  })();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await texts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}

async function isAllowed(request, env) {
  door ??= new ReadoutDoor();
  const entry = door.enter(request.headers.get("authorization") ?? undefined, env.ADMIN_TOKEN ?? "", Date.now());
  if (entry > 0) await pause(entry);
  return entry < 0;
}

/** The wait after a wrong secret. */
async function wrong() {
  door ??= new ReadoutDoor();
  await pause(door.enter("Bearer wrong", "", Date.now()));
}

/** Whether a tool that may act asks. */
function isOperator(request, env) {
  const [, token] = /^bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  return Boolean(env.OPERATOR_TOKEN) && token !== undefined && is_operator(env.OPERATOR_TOKEN, token);
}

const COMMON = {
  "cache-control": "no-store",
  "x-robots-tag": "noindex",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  // why: of a page without a referrer browsers send forms as from nowhere, and actions are taken from here only
  "referrer-policy": "same-origin",
};

function answer(body, type, id) {
  const headers = { ...COMMON, "content-type": type, "content-security-policy": readout_policy() };
  if (id) headers["content-disposition"] = `attachment; filename="${id}.csv"`;
  return new Response(body, { headers });
}

const problem = (status, title, detail, headers, more) =>
  problemOf(status, title, detail, { ...COMMON, ...headers }, more);

/**
 * Ends what breaches its own conditions, holds and releases ramps, moves weights: the key `kill-guard` first, since harm is
 * done meanwhile; then the record, the audit trail, and whoever wants to know, each once.
 */
export async function guard(env, at) {
  if (!env.LEDGER && !env.ARCHIVE) return;
  // why: once an hour is often enough, and the schedule runs every five minutes
  if (env.LEDGER && new Date(at).getUTCMinutes() < 5) await forgetOld(env, at);
  const config = await env.CONFIG.get("config");
  if (config === null) return;
  await wake();
  const one = Readout.open(config, undefined, true, Date.now());
  if (one.size() === 0 && (await env.CONFIG.get("kill-guard")) === null) return;
  const told = await learn(one, env, undefined, "[]");
  const acts = JSON.parse(one.act(told, env.SORTITION_SECRET));
  if (acts.guard === null) await env.CONFIG.delete("kill-guard");
  else if (acts.guard) await env.CONFIG.put("kill-guard", JSON.stringify(acts.guard));
  if (acts.visits) await ship(acts.visits, env);
  for (const [key, entry] of acts.audit) {
    console.warn(`sortition: ended early: ${entry}`);
    await env.CONFIG.put(key, entry);
  }
  // why: whoever writes the note first tells; a run beside this one then stays silent
  const claimed = new Set();
  for (const [name, at] of acts.notes) {
    if (await claim(env, name, at)) claimed.add(name);
  }
  const news = acts.notify.filter(([name]) => claimed.has(name));
  await Promise.all(news.map(([, url, body, signature]) => notify(url, body, signature)));
}

/**
 * Takes what the tables of before hold along into the small record, in steps of bounded size, each whole or not at all: as
 * many as one run may ask of a database, the rest with the next.
 */
async function takeAlong(env) {
  const isLeft = async () => (await env.LEDGER.prepare("SELECT 1 FROM exposures_before LIMIT 1").all()).results.length;
  if (!(await isLeft())) return;
  await wake();
  const steps = JSON.parse(take_along()).map(([sql]) => env.LEDGER.prepare(sql));
  for (let step = 0; step < STEPS; step++) {
    const [left] = await env.LEDGER.batch(steps);
    if (left.results.length === 0) return;
  }
}

/**
 * What the schedule does for the record besides the guard: takes along what lies in the tables of before, then lets go of
 * the exposures of experiments that were decided long ago.
 */
export async function tend(env) {
  if (!env.LEDGER) return;
  const divide = async () => (await wakeServices()).tend_databases(env);
  // why: one that cannot be done, without an archive for instance, must not keep the others from being done
  for (const one of [() => takeAlong(env), () => letGo(env), divide])
    await one().catch((error) => console.error(`sortition: failed in keeping the record: ${error}`));
}

const statement = (database, [sql, ...values]) => database.prepare(sql).bind(...values);

/** The ids of experiments whose exposures the record has let go of, or is about to. */
async function letGoOf(one, env) {
  const outlived = env.LEDGER ? JSON.parse(one.outlived()) : [];
  if (outlived.length === 0) return new Set();
  const of = (database) => database.batch(outlived.map(({ state }) => statement(database, state)));
  const all = await Promise.all(ledgers(env).map(of));
  return new Set(outlived.filter((_, at) => all.some((states) => states[at].results[0]?.expired)).map(({ id }) => id));
}

/**
 * Deletes the exposures of experiments that have outlived `record.keep_days`, some thousand a run. Their answers are put into
 * the archive first, where readouts find them from then on; without an archive nothing goes.
 */
async function letGo(env) {
  const config = await env.CONFIG.get("config");
  if (!env.ARCHIVE || config === null || gap(env)) return;
  await wake();
  const now = Date.now();
  let left = LETTING_GO;
  const all = ledgers(env);
  for (const { id, state, mark, step } of JSON.parse(Readout.open(config, undefined, false, now).outlived())) {
    const states = await Promise.all(all.map((database) => statement(database, state).first()));
    if (!states.some((one) => one?.here)) continue;
    // why: once one of them has begun, they do not have the answers any more
    if (!states.some((one) => one?.expired) && !(await putAnswers(env, config, id, now))) continue;
    for (const [at, database] of all.entries())
      if (states[at] && !states[at].expired) await statement(database, mark).run();
    for (const database of all)
      for (; left > 0; left--) {
        const { meta } = await statement(database, step).run();
        if (meta.changes === 0) break;
      }
    if (left === 0) return;
  }
}

/** Puts the record's answers about an experiment into the archive; whether all of them were there. */
async function putAnswers(env, config, id, now) {
  const one = Readout.open(config, id, false, now);
  one.divided(ledgers(env).length, gap(env));
  const [shared, all] = [together(env, () => one.first_shared()), together(env, () => one.lasting_shared())];
  const first = JSON.stringify(await ask(env, JSON.parse(one.first()), undefined, shared));
  one.learn(first, "[]", undefined, undefined);
  const told = await ask(env, JSON.parse(one.lasting()), undefined, all);
  if (!one.is_complete() || told.includes(null)) return false;
  const [[key]] = JSON.parse(one.published());
  await env.ARCHIVE.put(key, one.kept(first, JSON.stringify(told)));
  return true;
}

/** Forgets what isolates told long ago. */
async function forgetOld(env, at) {
  await wake();
  const statements = JSON.parse(prune(at)).map(([sql, ...values]) => env.LEDGER.prepare(sql).bind(...values));
  try {
    await env.LEDGER.batch(statements);
  } catch (error) {
    console.error(`sortition: failed in forgetting old rows of the record: ${error}`);
  }
}

async function notify(url, body, signature) {
  const headers = { "content-type": "application/json", "user-agent": "Sortition" };
  if (signature) headers["sortition-signature"] = signature;
  let reason;
  for (let tried = 0; tried < NOTICES; tried++) {
    if (tried) await pause(1000 * 4 ** (tried - 1));
    try {
      const signal = AbortSignal.timeout(NOTICE_MS);
      const { ok, status } = await fetch(url, { method: "POST", body, headers, redirect: "manual", signal });
      if (ok) return;
      reason = status;
    } catch (error) {
      reason = error;
    }
  }
  console.error(`sortition: the webhook of notify did not take a notice, it is not sent again: ${reason}`);
}
