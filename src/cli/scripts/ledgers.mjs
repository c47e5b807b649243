// The databases of the record that a configuration binds. Stands before scripts that need it; src/cli/script.rs.

const MOST_LEDGERS = 16;

/** Their bindings, in the order of their numbers; fails where they are not what the worker takes. */
export function ledgersOf(databases = []) {
  const bound = databases.map(({ binding }) => binding).filter((name) => /^LEDGER(_\d+)?$/.test(name));
  const names = Array.from({ length: MOST_LEDGERS }, (_, number) => (number ? `LEDGER_${number}` : "LEDGER"));
  const strange = bound.find((name) => !names.includes(name));
  if (strange)
    throw new Error(`${strange} is none of the record's databases: those are LEDGER and LEDGER_1 to LEDGER_15`);
  const ordered = names.filter((name) => bound.includes(name));
  const missing = names.slice(0, ordered.length).find((name) => !bound.includes(name));
  if (missing) throw new Error(`${ordered.at(-1)} is bound, and ${missing} is not: nothing is recorded with a gap`);
  return ordered;
}
