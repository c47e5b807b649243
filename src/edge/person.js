// The Durable Object `Person`: one a user of a project. It stores a text, and what becomes of it says the wasm.

import { wake } from "./services.js";

const TABLE = "CREATE TABLE IF NOT EXISTS person (id INTEGER PRIMARY KEY CHECK (id = 1), assignments TEXT NOT NULL)";
const KEEP =
  "INSERT INTO person (id, assignments) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET assignments = excluded.assignments";

export class Person {
  #storage;

  constructor({ storage }) {
    this.#storage = storage;
  }

  /** POST: takes in what a device has shown, and answers with all that is kept. DELETE: forgets. */
  async fetch(request) {
    if (request.method === "DELETE") {
      await this.#storage.deleteAll();
      return new Response(null, { status: 204 });
    }
    const [shown, services] = await Promise.all([request.text(), wake()]);
    const { sql } = this.#storage;
    // why: from here to the end nothing waits, so that of two devices at once the second one sees what the first one said
    sql.exec(TABLE);
    const [row] = sql.exec("SELECT assignments FROM person").toArray();
    const kept = row?.assignments ?? "";
    services.generation();
    const merged = services.person_merge(kept, shown);
    if (merged !== kept) sql.exec(KEEP, merged);
    return new Response(merged);
  }
}
