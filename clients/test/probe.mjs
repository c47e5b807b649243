// Does with the client what standard input asks, and prints what came of it: the same program in every language.
import { readFileSync } from "node:fs";
import { expose, proof, sign, signedUser, sortition, variants } from "../javascript/index.js";

const asked = JSON.parse(readFileSync(0, "utf8"));
const client = sortition({ url: asked.url, secret: asked.secret, token: asked.token, tries: asked.tries, wait: 50 });
const caught = async (work) => {
  try {
    return { value: (await work()) ?? null };
  } catch (error) {
    return { error: error.message };
  }
};
const answer = {
  variants: asked.headers.map((header) => Object.entries(variants(header))),
  expose: expose(asked.exposed),
  sign: await sign(asked.body, asked.secret, asked.seconds),
  proof: await proof(...asked.ids, asked.secret),
  signed_user: await signedUser(asked.ids[1], asked.secret),
  report: asked.events && (await caught(() => client.report(asked.events))),
  choose: asked.question && (await caught(() => client.choose(asked.question))),
};
console.log(JSON.stringify(answer));
