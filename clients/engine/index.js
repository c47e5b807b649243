// The engine, the same wasm that the worker decides with. It asks nobody and records nothing.

import { readFileSync } from "node:fs";
import { initSync, Engine as Wasm } from "./dist/engine.js";

initSync({ module: readFileSync(new URL("./dist/engine_bg.wasm", import.meta.url)) });

/** What is wrong with a question: `problem` is the answer that the worker would give. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.errorDetails ?? problem.title ?? `refused with ${status}`);
    this.name = "Refused";
    this.status = status;
    this.problem = problem;
  }
}

/** A document, checked and compiled. */
export class Engine {
  #wasm;

  /** @param {string | object} document The document; fails with every problem, one a line. */
  constructor(document) {
    try {
      this.#wasm = new Wasm(typeof document === "string" ? document : JSON.stringify(document));
    } catch (problems) {
      throw problems instanceof Error ? problems : new Error(problems);
    }
  }

  /** The document's revision. */
  get revision() {
    return this.#wasm.revision();
  }

  /** Sets the kill switch: `{ all: true }`, `{ experiments: ["hero"] }`, or `{}` for none. */
  kill(kill) {
    try {
      this.#wasm.kill(JSON.stringify(kill));
    } catch (problem) {
      throw problem instanceof Error ? problem : new Error(problem);
    }
  }

  /** Decisions for a question of the worker's endpoint `choose`, at a time in milliseconds since 1970. */
  choose(question, now = Date.now()) {
    return this.#answered("choose", question, now);
  }

  /** The evaluation of a flag, or without a key of all of them, as OFREP has it. */
  evaluate(context, key, now = Date.now()) {
    const path = `ofrep/v1/evaluate/flags${key === undefined ? "" : `/${encodeURIComponent(key)}`}`;
    return this.#answered(path, { context }, now);
  }

  #answered(path, body, now) {
    const answer = this.#wasm.answer(path, JSON.stringify(body), undefined, now);
    if (answer === undefined) throw new Refused(404, { detail: "there is no flag without a key" });
    const [status, , ...text] = answer.split("\n");
    const value = JSON.parse(text.join("\n"));
    if (status !== "200") throw new Refused(Number(status), value);
    return value;
  }
}
