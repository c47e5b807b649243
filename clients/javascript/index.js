// What an origin says to and hears from Sortition: decisions, exposures, conversions. Fetch and Web Crypto alone, so it
// runs in Node, Deno, Bun, Workers and browsers' service workers.

const KEY = /[a-z*][\w\-.*]*/y;
const TOKEN = /[A-Za-z*][\w!#$%&'*+\-.^`|~:/]*/y;
const STRING = /"((?:[ !#-[\]-~]|\\["\\])*)"/y;
const REST = /(?:;[ ]*[a-z*][\w\-.*]*(?:=(?:[\w!#$%&'*+\-.^`|~:/?]+|"(?:[ !#-[\]-~]|\\["\\])*"))?)*/y;
const COMMA = /[ \t]*,[ \t]*/y;

/** `Sortition-Variants` → `{hero: "bold"}`, in its order: an RFC 9651 dictionary. What is no such thing says nothing. */
export function variants(header) {
  const text = (header ?? "").replace(/^ +| +$/g, "");
  const found = new Map();
  let at = 0;
  const take = (pattern) => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at = pattern.lastIndex;
    return match;
  };
  while (at < text.length) {
    const key = take(KEY)?.[0];
    if (!key || key !== key.toLowerCase() || text[at++] !== "=") return {};
    const string = take(STRING);
    const value = string ? string[1].replaceAll(/\\(.)/g, "$1") : take(TOKEN)?.[0];
    if (value === undefined) return {};
    take(REST);
    // why: a name that starts with a digit is written behind a star
    found.set(key.replace(/^\*(?=\d)/, ""), value);
    if (at === text.length) break;
    if (!take(COMMA) || at === text.length) return {};
  }
  return Object.fromEntries(found);
}

/** The value of `Sortition-Expose`: the experiments that this answer really rendered. */
export const expose = (experiments) =>
  [...new Set(experiments)].map((id) => (/^[a-z]/.test(id) ? id : JSON.stringify(id))).join(", ");

/** Hex HMAC-SHA256. */
async function hmac(secret, text) {
  const bytes = (value) => new TextEncoder().encode(value);
  const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const tag = await crypto.subtle.sign("HMAC", key, bytes(text));
  return Array.from(new Uint8Array(tag), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The value of `Sortition-Signature` for a body. */
export async function sign(body, secret, seconds = Math.floor(Date.now() / 1000)) {
  return `t=${seconds},v1=${await hmac(secret, `${seconds}.${body}`)}`;
}

/** What lets a page say that a visitor is a user: the third argument of `sortition.identify`. */
export const proof = (anonymousId, userId, secret) => hmac(secret, `${anonymousId}.${userId}`);

/** The user cookie of `visitor.user_signed`. */
export const signedUser = async (user, secret) => `${user}.${await hmac(secret, `user.${user}`)}`;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Talks to a worker. `url` is a page's of the shop; `secret` its INGEST_SECRET, `token` its API_TOKEN. What fails for the
 * moment (no connection, 429, 5xx) is tried `tries` times, after `wait` milliseconds, twice that, …
 */
export function sortition({ url, secret, token, tries = 5, wait = 1000, fetch: send = fetch }) {
  async function post(path, body, headers) {
    const target = new URL(`/_sortition/${path}`, url);
    for (let tried = 1; ; tried++) {
      let answer, problem;
      try {
        answer = await send(target, {
          method: "POST",
          body,
          headers: { "content-type": "application/json", ...(await headers()) },
          signal: AbortSignal.timeout(10_000),
        });
      } catch (error) {
        problem = error;
      }
      if (answer?.ok) return answer;
      const again = !answer || answer.status === 429 || answer.status >= 500;
      if (!again || tried >= tries) {
        throw problem ?? new Error(`sortition answers ${answer.status}: ${await answer.text()}`);
      }
      const asked = Number(answer?.headers.get("retry-after"));
      await pause(asked > 0 ? Math.min(asked, 60) * 1000 : wait * 2 ** (tried - 1));
    }
  }
  return {
    /** Reports events of this server; each names its `anonymous_id` or `user_id`. A retry is recorded once. */
    async report(events) {
      const id = () => crypto.randomUUID().replaceAll("-", "");
      const named = events.map((event) => ({ type: "experiment_converted", id: id(), ...event }));
      const body = JSON.stringify({ events: named });
      await post("conversions", body, async () => ({ "sortition-signature": await sign(body, secret) }));
    },
    /** Decisions for somebody: `{units, names, tags, url, attributes, expose}` → `{decisions, revision}`. */
    choose: async (question) =>
      (await post("choose", JSON.stringify(question), () => ({ authorization: `Bearer ${token}` }))).json(),
  };
}
