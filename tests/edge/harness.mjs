// The worker of wrangler.toml on wrangler's whole local platform: KV, the queue with its consumer, D1, R2.
//
// What the worker fetches goes through Node's `fetch` here; for the bytes of answers there is world.mjs.

import { fileURLToPath } from "node:url";
import { createTestHarness, unstable_readConfig as readConfig } from "wrangler";
import { ask, until } from "./client.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Starts the platform.
 *
 * @param {object} options
 * @param {string} options.origin The origin's URL.
 * @param {object | string} [options.document] What KV holds under `config`.
 * @param {object[]} [options.workers] Further workers, as wrangler's configurations.
 * @param {(config: object) => void} [options.change] Changes the worker's configuration before it is used.
 */
export async function startHarness({ origin, document, workers = [], change } = {}) {
  const read = structuredClone(readConfig({ config: `${root}/wrangler.toml` }, { hideWarnings: true }));
  const { name, main, no_bundle, rules, compatibility_date, compatibility_flags } = read;
  const { kv_namespaces, queues, d1_databases, r2_buckets, triggers, durable_objects, migrations } = read;
  const vars = { ...read.vars, ADMIN_TOKEN: "test-admin-token", ORIGIN_URL: origin, CONFIG_TTL_SECONDS: "0" };
  // why: batches of one second, so that tests need not wait for them
  for (const consumer of queues.consumers) consumer.max_batch_timeout = 1;
  const platform = { kv_namespaces, queues, d1_databases, r2_buckets, durable_objects, migrations, triggers };
  const built = { main, no_bundle, rules, compatibility_date, compatibility_flags };
  const config = { name, ...built, ...platform, vars };
  change?.(config);
  const server = createTestHarness({ root, workers: [config, ...workers].map((config) => ({ config })) });
  const { url } = await server.listen();
  const worker = server.getWorker();
  const env = await worker.getEnv();
  for (const { binding } of config.d1_databases ?? []) await worker.applyD1Migrations(binding);
  if (document) await env.CONFIG.put("config", typeof document === "string" ? document : JSON.stringify(document));
  const rows = async (sql, ...values) =>
    (
      await env.LEDGER.prepare(sql)
        .bind(...values)
        .all()
    ).results;
  return {
    server,
    worker,
    env,
    url,
    ask: (path, options) => ask(url, path, options),
    health: async () => {
      const headers = { Authorization: `Bearer ${config.vars.ADMIN_TOKEN}` };
      return JSON.parse((await ask(url, "/_sortition/health", { headers })).text);
    },
    log: () =>
      server
        .getLogs()
        .map((line) => line.message)
        .join("\n"),
    /** The rows of the record that a statement finds. */
    rows,
    /** The first of them, once there is one. */
    row: (sql, ...values) => until(async () => (await rows(sql, ...values))[0], `a row of ${sql} ${values}`, 60_000),
    /** Every object of the archive whose key begins so, with its text. */
    async archived(prefix = "") {
      const objects = [];
      let cursor;
      do {
        const page = await env.ARCHIVE.list({ prefix, cursor });
        for (const { key } of page.objects) objects.push({ key, text: await (await env.ARCHIVE.get(key)).text() });
        cursor = page.truncated ? page.cursor : undefined;
      } while (cursor);
      return objects;
    },
    close: () => server.close(),
  };
}
