// D1 and R2 for the tool, through wrangler, which owns the credentials: one JSON line in, one out, marked, since wrangler
// may print too. Run by store.rs as `node --eval`; SORTITION_STORE says where the data is.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const { local, persistTo, environment } = JSON.parse(process.env.SORTITION_STORE);
const answer = (value) => process.stdout.write(`@sortition ${JSON.stringify(value)}\n`);

const folder = mkdtempSync(join(tmpdir(), "sortition-store-"));

/** wrangler's bindings of database and bucket alone. */
async function open() {
  const { getPlatformProxy } = await import("wrangler");
  const read = await configurationOf({ env: environment });
  const only = (bindings, name) =>
    bindings.filter(({ binding }) => name.test(binding)).map((binding) => ({ ...binding, remote: !local }));
  const configPath = join(folder, "wrangler.json");
  const { name, account_id, compatibility_date } = read;
  writeFileSync(
    configPath,
    JSON.stringify({
      name,
      account_id,
      compatibility_date,
      d1_databases: only(read.d1_databases, /^LEDGER(_([1-9]|1[0-5]))?$/),
      r2_buckets: only(read.r2_buckets, /^ARCHIVE$/),
    }),
  );
  const state = join(persistTo ?? join(dirname(read.configPath), ".wrangler", "state"), "v3");
  return getPlatformProxy({ configPath, persist: { path: state }, remoteBindings: !local });
}

let platform;
let closed;
try {
  platform = await open();
} catch (error) {
  closed = error;
}
const bound = (binding) => {
  if (!platform.env[binding])
    throw new Error(
      `the configuration binds no ${binding}: add it (docs/deploy.md), or name the environment that has it`,
    );
  return platform.env[binding];
};

const operations = {
  // the databases of the record, by their numbers
  databases() {
    const names = Array.from({ length: 16 }, (_, number) => (number ? `LEDGER_${number}` : "LEDGER"));
    const there = names.filter((name) => platform.env[name]);
    const missing = names.slice(0, there.length).find((name) => !platform.env[name]);
    if (missing) throw new Error(`the configuration binds ${there.at(-1)}, and no ${missing}`);
    return there.length;
  },
  archive: () => Boolean(platform.env.ARCHIVE),
  async list({ prefix }) {
    const keys = [];
    let cursor;
    do {
      const page = await bound("ARCHIVE").list({ prefix, cursor });
      keys.push(...page.objects.map(({ key }) => key));
      cursor = page.truncated ? page.cursor : undefined;
    } while (cursor);
    return keys;
  },
  get: ({ keys }) => Promise.all(keys.map(async (key) => (await (await bound("ARCHIVE").get(key))?.text()) ?? null)),
  put: async ({ key, text }) => {
    await bound("ARCHIVE").put(key, text);
  },
  async fetch({ keys, folder }) {
    for (const key of keys) {
      const object = await bound("ARCHIVE").get(key);
      if (!object) continue;
      mkdirSync(dirname(join(folder, key)), { recursive: true });
      writeFileSync(join(folder, key), new Uint8Array(await object.arrayBuffer()));
    }
  },
  async send({ keys, folder }) {
    for (const key of keys) await bound("ARCHIVE").put(key, readFileSync(join(folder, key)));
  },
  etag: async ({ key }) => (await bound("ARCHIVE").head(key))?.etag ?? null,
  async swap({ key, folder, etag }) {
    const onlyIf = etag === null ? { etagDoesNotMatch: "*" } : { etagMatches: etag };
    return (await bound("ARCHIVE").put(key, readFileSync(join(folder, key)), { onlyIf }))?.etag ?? null;
  },
  async putFile({ key, file, kind }) {
    await bound("ARCHIVE").put(key, readFileSync(file), { httpMetadata: { contentType: kind } });
  },
  delete: ({ keys }) => bound("ARCHIVE").delete(keys),
  async run({ statements, number }) {
    const name = number ? `LEDGER_${number}` : "LEDGER";
    const database = bound(name);
    const prepared = statements.map(({ sql, parameters }) => database.prepare(sql).bind(...parameters));
    const results = await database.batch(prepared).catch((error) => {
      throw new Error(`${name}: ${error?.message ?? error}`);
    });
    return results.map(({ results, meta }) => ({ rows: results, changes: meta.changes ?? 0 }));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  try {
    // why: said in answer, for whoever asks can do something about it
    if (closed) throw closed;
    answer({ value: (await operations[question.op](question)) ?? null });
  } catch (error) {
    answer({ error: String(error?.message ?? error) });
  }
}
await platform?.dispose();
rmSync(folder, { recursive: true, force: true });
