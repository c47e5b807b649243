// Actions on experiments: a form on the page of results, which asks once, and the same as an API for other tools. What an
// action changes says the wasm; this reads and writes it, or makes a pull request of it.

import {
  operate as carry,
  confirm_page,
  done_page,
  form_has,
  form_token,
  is_operator,
  refused_page,
  repository,
  share,
} from "sortition-readout";
import { body } from "./bounded.js";
import { pause } from "./ship.js";
import { signer } from "./signer.js";

// Whatever happens to the document in git, harm is stopped at once.
const AT_ONCE = new Set(["kill", "lift", "comment"]);
const LONGEST_BODY = 256 * 1024;
// As deep as the wasm reads, with what is put around it.
const DEEPEST = 100;
const LONGEST_NAME = 64;
// A confirmation is good for five minutes; its use is remembered for longer.
const USED_SECONDS = 600;
const MOST_USED = 1000;
const DAY_MS = 86_400_000;
const MOST_DAYS = 90;

// The confirmations that this isolate carried out.
const used = new Set();

// How long an action waits for the one before it, and how often it looks.
const TURN_MS = 5000;
const LOOK_MS = 10;

/** What is under way, of the switch and of the document. */
const underWay = {};

/**
 * Has actions on the same thing come one after another, as far as this isolate knows: of two at once the second would write
 * what it read before the first. One that does not end is not waited for by a kill for ever.
 */
async function inTurn(action, act) {
  const what = AT_ONCE.has(action) ? "switch" : "document";
  const until = Date.now() + TURN_MS;
  while (underWay[what] && Date.now() < until) await pause(LOOK_MS);
  const turn = {};
  underWay[what] = turn;
  try {
    return await act();
  } finally {
    const ended = Date.now();
    // why: the next note is kept by its time, too
    while (Date.now() === ended) await pause(1);
    if (underWay[what] === turn) underWay[what] = undefined;
  }
}

/** Why something is not done: a status, and what to say. */
class Refused extends Error {
  constructor(status, title, detail, problems) {
    super(detail);
    Object.assign(this, { status, title, problems });
  }
}

/** Answers an action on an experiment. */
export async function operate(request, env, { id, action }, { answer, problem, isAdmin, wrong, summarise }) {
  const [, bearer] = /^bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  const asked = { request, env, id, action, summarise };
  const html = (text, status) => {
    const page = answer(text, "text/html; charset=utf-8");
    return status === undefined ? page : new Response(page.body, { status, headers: page.headers });
  };
  if (bearer !== undefined) {
    if (!is_operator(env.OPERATOR_TOKEN, bearer)) {
      await wrong();
      return problem(401, "Unauthorized", "send OPERATOR_TOKEN as Bearer token", { "www-authenticate": "Bearer" });
    }
    try {
      return answer(JSON.stringify(await byTool(asked)), "application/json");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { status, title, message, problems } = error;
      return problem(status, title, message, {}, { errors: problems });
    }
  }
  if (!isOwnPage(request)) return problem(403, "Forbidden", "actions are taken from the pages of results only");
  if (!(await isAdmin())) {
    return problem(401, "Unauthorized", "send OPERATOR_TOKEN as Bearer token, or act from the page of results", {
      "www-authenticate": 'Basic realm="Sortition", charset="UTF-8"',
    });
  }
  try {
    return html(await byPerson(asked, wrong));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return html(refused_page(id, action, error.message), error.status);
  }
}

/** Whether a page of this worker sent the form. Browsers say so; whoever does not say is no browser. */
function isOwnPage(request) {
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  if (site !== null && site !== "same-origin") return false;
  return origin === null ? site === "same-origin" : origin === new URL(request.url).origin;
}

async function bodyOf(request) {
  const bytes = await body(request, LONGEST_BODY);
  if (!bytes) throw new Refused(413, "Content too large", `at most ${LONGEST_BODY / 1024} KiB`);
  try {
    // why: what is no UTF-8 would be changed silently, and stand so in the audit trail
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Refused(400, "Bad request", "the body is no UTF-8");
  }
}

/** Refuses what no document and no note can hold: texts that end in the middle of a character, and what nests without end. */
function check(value, place = "", depth = 0) {
  if (depth > DEEPEST) throw new Refused(400, "Bad request", `the body nests deeper than ${DEEPEST} levels`);
  if (typeof value === "string" && !value.isWellFormed()) throw half(place);
  if (value === null || typeof value !== "object") return;
  for (const [name, inside] of Object.entries(value)) {
    const shown = name.toWellFormed().slice(0, LONGEST_NAME);
    const below = Array.isArray(value) ? `${place}[${name}]` : `${place && `${place}.`}${shown}`;
    if (!name.isWellFormed()) throw half(below);
    check(inside, below, depth + 1);
  }
}

function half(path) {
  const message = "it has half of a character, such as \\ud800 alone: send whole ones";
  return new Refused(400, "Bad request", `${path}: ${message}`, [{ path, message }]);
}

/** A tool's call: JSON in, JSON out. */
async function byTool({ request, env, id, action, summarise }) {
  const text = await bodyOf(request);
  let given;
  try {
    given = text.trim() === "" ? {} : JSON.parse(text);
  } catch (error) {
    throw new Refused(400, "Bad request", `the body is no JSON: ${error.message}`);
  }
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new Refused(400, "Bad request", "send a JSON object");
  }
  check(given);
  const { who = "api", dry_run = false, ...said } = given;
  if (typeof who !== "string") throw new Refused(400, "Bad request", "who: write a name");
  if (typeof dry_run !== "boolean") throw new Refused(400, "Bad request", "dry_run: write true or false");
  const asked = { id, action, arguments: said, who };
  if (action === "share") return shared(request, env, id, said.days);
  return inTurn(action, async () => {
    const live = await read(env, action);
    const plan = await withSummary(asked, { env, summarise }, () => planned(live, asked));
    if (dry_run) return { ...plan.acted, written: false };
    return carriedOut(env, live, asked, plan);
  });
}

/** A person's form: the first one is shown what it would do, the second does it. */
async function byPerson({ request, env, id, action, summarise }, wrong) {
  const fields = new URLSearchParams(await bodyOf(request));
  const secret = signer(env, env.OPERATOR_TOKEN);
  const field = (name) => fields.get(name) ?? "";
  const content = field("content");
  if (content) {
    if (!form_has(secret, id, action, content, field("token"), Date.now())) {
      throw new Refused(403, "Forbidden", "This confirmation is too old, or of another page: go back and begin again.");
    }
    const { asked, base } = JSON.parse(content);
    return inTurn(action, async () => {
      const live = await read(env, action);
      if ((await baseOf(live)) !== base) {
        throw new Refused(409, "Conflict", "Somebody changed it meanwhile: go back and look again.");
      }
      const plan = planned(live, asked);
      await useOnce(env, field("token"));
      return done_page(id, action, JSON.stringify(await carriedOut(env, live, asked, plan)));
    });
  }
  if (!form_has(secret, id, action, "", field(`token.${action}`), Date.now())) {
    throw new Refused(403, "Forbidden", "This form is too old, or of another page: go back, reload, and try again.");
  }
  if (!is_operator(env.OPERATOR_TOKEN, field("operator"))) {
    await wrong();
    throw new Refused(401, "Unauthorized", "The operator's token is another one.");
  }
  if (action === "share") {
    return done_page(id, action, JSON.stringify(await shared(request, env, id, field("days"))));
  }
  const [what, variant] = field("what").split(" ");
  const said = { text: field("text"), why: field("text"), percent: field("percent"), what, variant };
  const asked = { id, action, arguments: said, who: field("who") };
  const live = await read(env, action);
  const plan = await withSummary(asked, { env, summarise }, () => planned(live, asked));
  const next = JSON.stringify({ asked, base: await baseOf(live), nonce: crypto.randomUUID() });
  const token = form_token(secret, id, action, next, Date.now());
  return confirm_page(id, action, JSON.stringify(plan.acted), next, token, Boolean(live.git));
}

/** A confirmation is carried out once: by this isolate's memory, and by KV for the others. */
async function useOnce(env, token) {
  const key = `acted:${token}`;
  const isNew = !used.has(key);
  // why: before anything is waited for, so that of two at once the second finds it
  used.add(key);
  if (used.size > MOST_USED) used.delete(used.values().next().value);
  if (!isNew || (await env.CONFIG.get(key)) !== null) {
    throw new Refused(409, "Conflict", "This was done already.");
  }
  await env.CONFIG.put(key, "1", { expirationTtl: USED_SECONDS });
}

/** What is live, and where the document of git is, if an action goes there. */
async function read(env, action) {
  const [config, kill, guard] = await Promise.all(["config", "kill", "kill-guard"].map((key) => env.CONFIG.get(key)));
  if (config === null) throw new Refused(503, "Service unavailable", "there is no experiment document yet: push one");
  const place = AT_ONCE.has(action) ? undefined : repository(config);
  if (place === undefined) return { config, kill, guard };
  if (!env.GITHUB_TOKEN) {
    const detail =
      "the document is kept in git (policy.git), and GITHUB_TOKEN is not set: set it, or change the document there";
    throw new Refused(409, "Conflict", detail);
  }
  const git = JSON.parse(place);
  const file = await github(env, git, `contents/${path(git.path)}?ref=${encodeURIComponent(git.branch)}`);
  if (typeof file.content !== "string" || file.encoding !== "base64") {
    throw new Refused(409, "Conflict", `policy.git: ${git.path} is no file of at most 1 MB`);
  }
  const bytes = Uint8Array.from(atob(file.content.replaceAll("\n", "")), (letter) => letter.charCodeAt(0));
  return { config: new TextDecoder().decode(bytes), kill, guard, git: { ...git, sha: file.sha } };
}

/** What an answer was given against: what is live, in so far as an action changes it. */
async function baseOf({ config, kill, guard }) {
  const bytes = new TextEncoder().encode(JSON.stringify([config, kill, guard]));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function planned({ config, kill, guard, git }, asked) {
  const text = JSON.stringify({ config, kill, guard, in_git: Boolean(git), ...asked });
  const plan = JSON.parse(carry(text, Date.now()));
  if (!plan.problems) return plan;
  const lines = plan.problems.map(({ path, message }) => (path ? `${path}: ${message}` : message));
  throw new Refused(422, "Refused", lines.join("\n"), plan.problems);
}

/** What becomes of a decision that keeps what came out until now, unless it says that itself. */
async function withSummary({ id, action, arguments: said }, { env, summarise }, plan) {
  if (action !== "decide" || said.summary) return plan();
  // why: what is refused anyway costs no question to the record
  plan();
  const { summary, why } = await summarise(env, id);
  if (summary) said.summary = summary;
  const next = plan();
  if (why) {
    const message = `the decision keeps no summary of the result: ${why} To give one, send \`summary\`.`;
    next.acted.check.push({ severity: "warning", path: "decision.summary", message });
  }
  return next;
}

/** Writes what the tool would: what stops harm first, then the copy and the note, then the document. */
async function carriedOut(env, { git }, asked, { acted, config, kill, guard, audit }) {
  if (acted.unchanged) return acted;
  const [key, entry] = audit;
  if (git) {
    const url = await pullRequest(env, git, asked, acted, config);
    const note = JSON.parse(entry);
    await env.CONFIG.put(key, `${JSON.stringify({ ...note, summary: [...note.summary, `proposed: ${url}`] })}\n`);
    return { ...acted, written: false, pull_request: url };
  }
  for (const [name, value] of [
    ["kill", kill],
    ["kill-guard", guard],
  ]) {
    if (value === null) await env.CONFIG.delete(name);
    else if (value !== undefined) await env.CONFIG.put(name, `${JSON.stringify(value)}\n`);
  }
  if (config !== undefined) await env.CONFIG.put(`config:${acted.revision}`, config);
  await env.CONFIG.put(key, entry);
  if (config !== undefined) await env.CONFIG.put("config", config);
  return acted;
}

/** A link to the results of one experiment, for whoever is sent it. */
async function shared(request, env, id, days) {
  if (!env.ADMIN_TOKEN) throw new Refused(409, "Conflict", "there are no pages of results: ADMIN_TOKEN is not set");
  const length = Number(days ?? 7);
  if (!(length > 0 && length <= MOST_DAYS)) {
    throw new Refused(422, "Refused", `days: write a number above 0, up to ${MOST_DAYS}`);
  }
  const until = Math.floor((Date.now() + length * DAY_MS) / 1000) * 1000;
  const url = new URL(`/_sortition/experiments/${id}`, request.url);
  url.searchParams.set("share", share(signer(env, env.ADMIN_TOKEN), id, until));
  return { ok: true, action: "share", url: url.href, ends_at: new Date(until).toISOString() };
}

const path = (text) => text.split("/").map(encodeURIComponent).join("/");

/** A branch with the edited document, and a pull request for it: its URL. */
async function pullRequest(env, git, { id, action }, { summary, who }, config) {
  const { object } = await github(env, git, `git/ref/heads/${path(git.branch)}`);
  const branch = `sortition/${action}-${id}-${Date.now()}`;
  await github(env, git, "git/refs", { ref: `refs/heads/${branch}`, sha: object.sha });
  const title = `${id}: ${action}`;
  const bytes = new TextEncoder().encode(config);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  const message = `${title}\n\n${summary.join("\n")}\n\nAsked for by ${who} on the page of results.`;
  const file = { message, content: btoa(binary), sha: git.sha, branch };
  await github(env, git, `contents/${path(git.path)}`, file, "PUT");
  const text = `${summary.map((line) => `- ${line}`).join("\n")}\n\nAsked for by ${who} on the page of results.`;
  const { html_url } = await github(env, git, "pulls", { title, head: branch, base: git.branch, body: text });
  return html_url;
}

/** Asks GitHub's API about the repository. */
async function github(env, { repository, api }, place, body, method = body ? "POST" : "GET") {
  const base = (api ?? "https://api.github.com").replace(/\/$/, "");
  let answer;
  try {
    answer = await fetch(`${base}/repos/${repository}/${place}`, {
      method,
      body: body && JSON.stringify(body),
      headers: {
        accept: "application/vnd.github+json",
        authorization: `Bearer ${env.GITHUB_TOKEN}`,
        "user-agent": "Sortition",
        "x-github-api-version": "2022-11-28",
        ...(body ? { "content-type": "application/json" } : {}),
      },
      redirect: "manual",
      signal: AbortSignal.timeout(8000),
    });
  } catch (error) {
    throw new Refused(502, "Bad gateway", `GitHub did not answer: ${error.message}`);
  }
  if (!answer.ok) {
    const said = (await answer.text().catch(() => "")).slice(0, 500);
    console.error(`sortition: GitHub answers ${answer.status} to ${method} ${place}: ${JSON.stringify(said)}`);
    const detail = `GitHub answers ${answer.status} to ${method} ${place.split("?")[0]}: check policy.git and GITHUB_TOKEN`;
    throw new Refused(502, "Bad gateway", detail);
  }
  return answer.json();
}
