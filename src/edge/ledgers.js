// The databases of the record as the readout asks them: one, or all of those between which people are divided.

import { shared_parameters, shared_whole } from "sortition-readout";

const NAMES = Array.from({ length: 16 }, (_, number) => (number ? `LEDGER_${number}` : "LEDGER"));

/** The databases that are bound, in the order of their numbers: those before a gap. */
export function ledgers(env) {
  const missing = NAMES.findIndex((name) => !env[name]);
  return NAMES.slice(0, missing < 0 ? NAMES.length : missing).map((name) => env[name]);
}

/** What is to be said of a database that is bound behind one that is not. */
export function gap(env) {
  const { length } = ledgers(env);
  const behind = NAMES.slice(length + 1).find((name) => env[name]);
  return behind && `${behind} is bound, and ${NAMES[length]} is not: until it is, nothing is recorded.`;
}

/** One database's answer. A row an answer's row, for D1 bounds the size of a value. */
async function said(database, [sql, ...values]) {
  const rows = await database
    .prepare(sql)
    .bind(...values)
    .raw();
  return rows.map(([row]) => row);
}

const listed = (rows) => `[${rows.join(",")}]`;

/**
 * One answer. `shared` says what of several databases makes it (src/ledger/question/shared.rs); `asked` remembers what was
 * asked before it, since a metric and its interactions ask the same.
 */
export async function answerTo(env, question, shared, asked = new Map()) {
  const all = ledgers(env);
  if (!shared || all.length < 2 || shared.whole === "First") return listed(await said(env.LEDGER, question));
  const every = async (one) => (await Promise.all(all.map((database) => said(database, one)))).map(listed);
  const before = (sql) => {
    if (!asked.has(sql)) asked.set(sql, every([sql]));
    return asked.get(sql);
  };
  const text = JSON.stringify(shared);
  const befores = JSON.stringify(shared.before ? await before(shared.before) : []);
  const values = JSON.parse(shared_parameters(text, JSON.stringify(question.slice(1)), befores));
  return shared_whole(text, befores, JSON.stringify(await every([shared.sql, ...values])));
}

/** Rows of a question of a download in the order of their first two fields, a page at a time, of all databases. */
export async function* pages(env, ask) {
  const of = ledgers(env).map((database) => ({ database, rows: [], at: ["", ""], isOver: false }));
  for (;;) {
    await Promise.all(of.filter(({ rows, isOver }) => rows.length === 0 && !isOver).map((one) => refill(one, ask)));
    const page = [];
    const left = () => of.filter(({ rows }) => rows.length > 0);
    // why: one that has run out may have what comes next on its next page
    const isFull = () => of.every(({ rows, isOver }) => rows.length > 0 || isOver);
    for (let some = left(); some.length > 0 && isFull(); some = left()) {
      const first = some.reduce((a, b) => (order(b.rows[0].key, a.rows[0].key) < 0 ? b : a));
      page.push(first.rows.shift().row);
    }
    if (page.length === 0) return;
    yield listed(page);
  }
}

async function refill(one, ask) {
  const rows = await said(one.database, ask(...one.at));
  if (rows.length === 0) {
    one.isOver = true;
    return;
  }
  one.rows = rows.map((row) => ({ row, key: JSON.parse(row).slice(0, 2) }));
  one.at = one.rows.at(-1).key;
}

/** As SQLite orders them: numbers by size, texts by their bytes. */
function order([a, b], [c, d]) {
  return a === c ? compare(b, d) : compare(a, c);
}

function compare(a, b) {
  if (typeof a === "number") return a - b;
  if (a === b) return 0;
  const [one, other] = [Array.from(a), Array.from(b)];
  const at = one.findIndex((letter, place) => letter !== other[place]);
  if (at < 0) return -1;
  return at >= other.length ? 1 : one[at].codePointAt(0) - other[at].codePointAt(0);
}
