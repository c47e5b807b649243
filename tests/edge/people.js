// A module around the worker whose objects of users do what a test says: answer, fail, or never answer.

import worker, { Person as Real } from "index.js";

let behaviour = "ok";
let calls = 0;

// why: told to be patient it waits for an object as long as a busy machine takes
const JOIN_BUDGET_MS = 150;
const wait = globalThis.setTimeout;
globalThis.setTimeout = (act, milliseconds, ...values) =>
  wait(act, behaviour === "patient" && milliseconds === JOIN_BUDGET_MS ? 60_000 : milliseconds, ...values);

export class Person {
  constructor(state, env) {
    this.real = new Real(state, env);
  }

  fetch(request) {
    calls++;
    if (behaviour === "hang") return new Promise(() => {});
    if (behaviour === "fail") throw new Error("this object is told to fail");
    return this.real.fetch(request);
  }
}

export default {
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith("/test/people/")) return worker.fetch(request, env, context);
    const [, , , word, user] = pathname.split("/");
    const object = () => env.PEOPLE.get(env.PEOPLE.idFromName(`acme-shop/${user}`));
    if (word === "calls") {
      const count = calls;
      calls = 0;
      return new Response(String(count));
    }
    if (word === "join") return object().fetch("https://person/", { method: "POST", body: await request.text() });
    if (word === "forget") return object().fetch("https://person/", { method: "DELETE" });
    behaviour = word;
    return new Response(behaviour);
  },
};
