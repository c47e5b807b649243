// What only the runtime can tell of a user: what they were assigned on other devices, and whether their token is signed.

import * as core from "sortition-core";
import { decode } from "./decode.js";
import { pause } from "./ship.js";

// How long a page waits for the object of its user.
const JOIN_BUDGET_MS = 150;
// How long a call waits that asks for many users at once.
const BATCH_BUDGET_MS = 5000;

/** Asks the object of a user. */
async function ask(env, object, init) {
  const people = env.PEOPLE;
  const answer = await people.get(people.idFromName(object)).fetch("https://person/", init);
  if (!answer.ok) throw new Error(`the object of a user answered ${answer.status}`);
  return answer.text();
}

/** What the object of a user answers: `=` and the text, or `late`; then it is told all the same, behind the answer. */
export async function join({ object, shown }, env, ctx) {
  const asked = ask(env, object, { method: "POST", body: shown });
  ctx.waitUntil(asked.catch((error) => console.error(`sortition: a user's devices were not joined: ${error}`)));
  const answer = await Promise.race([asked.catch(() => undefined), pause(JOIN_BUDGET_MS)]);
  core.generation();
  core.person_answered(answer !== undefined, Date.now());
  return answer === undefined ? "late" : `=${answer}`;
}

/** The same of a question as the wasm writes it. */
export const verified = (question, env) => isSigned(decode(question), env);

/**
 * What the objects of users answer to what a call has shown them: a text each, null for one that failed or is late. What
 * is null among the objects is not asked.
 */
export async function joinAll(objects, shown, env) {
  const late = pause(objects.length > 1 ? BATCH_BUDGET_MS : JOIN_BUDGET_MS);
  const answers = objects.map(() => null);
  const asked = objects.map(async (object, at) => {
    if (object === null) return;
    try {
      answers[at] = await ask(env, object, { method: "POST", body: shown[at] });
    } catch (error) {
      console.error(`sortition: a user's assignments were not asked for: ${error}`);
    }
  });
  await Promise.race([Promise.all(asked), late]);
  // why: one that comes later must not change what is decided by
  return [...answers];
}

/** Tells objects of users, by name and by what was shown; what fails is lost. */
export async function tellAll(objects, shown, env) {
  const told = objects.map((object, at) => ask(env, object, { method: "POST", body: shown[at] }));
  for (const { reason } of await Promise.allSettled(told)) {
    if (reason) console.error(`sortition: a user's assignment was not kept: ${reason}`);
  }
}

/** Tells the object of a user what was shown for the first time: its name, a line break, and that. */
export function tell(news, env, ctx) {
  const end = news.indexOf("\n");
  const told = ask(env, news.slice(0, end), { method: "POST", body: news.slice(end + 1) });
  ctx.waitUntil(told.catch((error) => console.error(`sortition: a user's assignment was not kept: ${error}`)));
}

const ALGORITHMS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
};
// The last key that was imported: a document has one.
let imported = { text: "", alg: "", key: undefined };

/** Whether a token's signature holds. */
export async function isSigned({ alg, key, signed, signature }, env) {
  const text = key || env.USER_JWT_SECRET || "";
  const algorithm = ALGORITHMS[alg];
  if (!text || !algorithm) return false;
  try {
    if (imported.text !== text || imported.alg !== alg) {
      const importing = crypto.subtle.importKey("jwk", JSON.parse(text), algorithm, false, ["verify"]);
      imported = { text, alg, key: await importing };
    }
    const bytes = (base64) =>
      Uint8Array.from(atob(base64.replaceAll("-", "+").replaceAll("_", "/")), (it) => it.charCodeAt(0));
    return await crypto.subtle.verify(algorithm, imported.key, bytes(signature), new TextEncoder().encode(signed));
  } catch (error) {
    console.error(`sortition: a user's token could not be verified: ${error}`);
    return false;
  }
}

// Users whose objects are to be emptied: `sortition events forget` writes such keys.
const FORGET = "forget:";

/** Empties the objects of users who are to be forgotten. What fails is tried again on the next run. */
export async function forget(env) {
  if (!env.CONFIG) return;
  const { keys } = await env.CONFIG.list({ prefix: FORGET });
  for (const { name } of keys) {
    try {
      if (env.PEOPLE) await ask(env, name.slice(FORGET.length), { method: "DELETE" });
      await env.CONFIG.delete(name);
    } catch (error) {
      // why: one object that fails must not keep the others' from being emptied
      console.error(`sortition: a user's assignments were not forgotten, the next run tries again: ${error}`);
    }
  }
}
