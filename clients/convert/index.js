// What code that was written for Convert's SDK needs of Sortition: one visitor id on server and page, `runExperience` from
// an experience's key to its variation, decisions and goals that are remembered. The worker decides, by the experiments
// that `sortition import convert` wrote; or this module does, from Convert's own configuration, as its SDKs do.

/** The visitor id of a `Cookie` header or of `document.cookie`: Convert's, or where that is missing the worker's. */
export function visitorId(cookies = globalThis.document?.cookie ?? "") {
  const found = {};
  for (const pair of cookies.split(";")) {
    const at = pair.indexOf("=");
    if (at > 0) found[pair.slice(0, at).trim()] ??= pair.slice(at + 1).trim();
  }
  const id = found.convert_visitor_id;
  if (!id) return found.sortition_id;
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

/** MurmurHash3 (x86, 32 bit) of a text's UTF-8. */
function murmur3(text, seed) {
  const bytes = new TextEncoder().encode(text);
  const whole = bytes.length & ~3;
  const scrambled = (k) => {
    const product = Math.imul(k, 0xcc9e2d51);
    return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
  };
  let hash = seed;
  for (let at = 0; at < whole; at += 4) {
    hash ^= scrambled(bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8) | bytes[at];
  if (whole < bytes.length) hash ^= scrambled(rest);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const SEED = 9999;
const BUCKETS = 10_000;
const LAST_PACKED = 11;

/** The bucket of a visitor in an experience, from 0 to 9,999. */
export const bucketOf = (experienceId, visitor) =>
  Math.floor((murmur3(`${experienceId}${visitor}`, SEED) / 2 ** 32) * BUCKETS);

const allocation = ({ traffic_allocation: share }) => (Number.isFinite(share) ? share : 100);
const isRunning = ({ status }) => status === undefined || status === null || status === "running";

/**
 * Variations one after the other, in the order of an object's keys: a variation that grows pushes those behind it on.
 * Experiences up to version 11.
 */
export function packed(variations) {
  const running = variations.filter((it) => isRunning(it) && allocation(it) > 0);
  const ids = Object.keys(Object.fromEntries(running.map((it) => [it.id, it])));
  let from = 0;
  return ids.map((id) => {
    const to = from + allocation(running.findLast((it) => String(it.id) === id)) * 100;
    const range = { id, from, to };
    from = to;
    return range;
  });
}

/**
 * Each variation at its own place, as wide as its share of the traffic: one that grows moves nobody. Experiences after
 * version 11.
 */
export function anchored(variations) {
  const weights = variations.map(allocation);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let before = 0;
  const ranges = variations.map((it, index) => {
    const from = total > 0 ? (before / total) * BUCKETS : 0;
    before += weights[index];
    return { id: String(it.id), from, to: from + allocation(it) * 100, acts: isRunning(it) && allocation(it) > 0 };
  });
  return ranges.filter(({ acts }) => acts).map(({ id, from, to }) => ({ id, from, to }));
}

/** How the variations of an experience lie, by its version. */
export const layoutOf = ({ version }) => (Number(version) > LAST_PACKED ? anchored : packed);

/** Decides from Convert's configuration. What it would need rules for it does not decide: the worker does. */
export function byConfiguration(config, { layout } = {}) {
  const experiences = config.experiences ?? [];
  const find = (key) => experiences.find((it) => it.key === key);
  return {
    prefix: `${config.account_id}-${config.project?.id}`,
    keys: () => experiences.map(({ key }) => key),
    goal: (key) => config.goals?.find((goal) => goal.key === key)?.id,
    experience: (key) => find(key)?.id,
    async decide(key, visitor, stored) {
      const experience = find(key);
      if (!experience || config.archived_experiences?.map(String).includes(String(experience.id))) return;
      const has = (list) => (Array.isArray(list) ? list.length > 0 : Boolean(list && Object.keys(list).length > 0));
      if (has(experience.audiences) || has(experience.locations) || has(experience.site_area)) {
        throw new Error(`the experience ${key} has audiences or locations: let the worker decide (byWorker)`);
      }
      const variation = (id) => experience.variations.find((it) => String(it.id) === String(id));
      const kept = stored !== undefined ? variation(stored) : undefined;
      const bucket = bucketOf(config.bucketing?.excludeExperienceIdHash ? "" : experience.id, visitor);
      const ranges = () => (layout ? { packed, anchored }[layout] : layoutOf(experience))(experience.variations);
      const found = kept ?? variation(ranges().find(({ from, to }) => from <= bucket && bucket < to)?.id);
      return (
        found && { id: String(found.id), key: found.key, experienceId: String(experience.id), changes: found.changes }
      );
    },
  };
}

/**
 * Lets the worker decide, and expose.
 *
 * @param {object} [options]
 * @param {string} [options.base] Where the worker is: the page's own site by default.
 * @param {string} [options.token] API_TOKEN, on a server.
 * @param {object} [options.context] More that conditions ask for: `url`, `user_id`, attributes.
 */
export function byWorker({ base = "", token, context = {} } = {}) {
  const ask = async (path, body) => {
    const headers = { "content-type": "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    const init = { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin" };
    const answer = await fetch(`${base}/_sortition/ofrep/v1/evaluate/flags${path}`, init);
    const said = await answer.json().catch(() => ({}));
    // why: an experience that the worker does not know is one that nobody is in
    if (answer.ok || said.errorCode === "FLAG_NOT_FOUND") return said;
    throw new Error(`no decision: ${answer.status} ${said.errorDetails ?? said.detail ?? ""}`);
  };
  const ACTS = new Set(["SPLIT", "TARGETING_MATCH", "STATIC"]);
  return {
    prefix: "sortition",
    exposes: true,
    goal: (key) => key,
    experience: (key) => key,
    async keys(visitor) {
      const { flags = [] } = await ask("", { context: { ...context, targetingKey: visitor } });
      return flags.map(({ key }) => key);
    },
    async decide(key, visitor, _stored, expose) {
      const path = `/${encodeURIComponent(key)}`;
      const flag = await ask(path, { context: { ...context, targetingKey: visitor, expose } });
      if (!ACTS.has(flag.reason) || flag.variant === undefined) return;
      return { id: flag.variant, key: flag.variant, experienceId: key, payload: flag.value };
    },
  };
}

/** A store that forgets with the process or the page. */
export const inMemory = (kept = new Map()) => ({
  get: (key) => kept.get(key),
  set: (key, value) => kept.set(key, value),
});

/** A store in the browser's local storage. */
export const inBrowser = (storage = globalThis.localStorage) => ({
  get(key) {
    try {
      return JSON.parse(storage.getItem(key)) ?? undefined;
    } catch {
      return undefined;
    }
  },
  set(key, value) {
    try {
      storage.setItem(key, JSON.stringify(value));
    } catch {}
  },
});

/**
 * A visitor's context, as `createContext` of Convert's SDK gives one.
 *
 * @param {string} visitor The visitor id; see `visitorId`.
 * @param {object} options
 * @param {object} options.decider `byWorker(…)` or `byConfiguration(…)`.
 * @param {{get: (key: string) => any, set: (key: string, value: any) => any}} [options.store] What remembers decisions and
 *   goals, by `ACCOUNT-PROJECT-VISITOR` as Convert's data store does, so that a store of its SDK goes on.
 * @param {(events: object[]) => any} [options.report] What sends events, such as `report` of `@sortition/origin` or
 *   `fromBrowser()` of `@sortition/openfeature`.
 */
export function createContext(visitor, { decider, store = inMemory(), report = () => {} }) {
  const place = `${decider.prefix}-${visitor}`;
  const exposed = new Set();
  const read = async () => (await store.get(place)) ?? {};
  // why: of two calls at once the second must see what the first wrote
  let queue = Promise.resolve();
  const inTurn = (work) => {
    const done = queue.then(work);
    queue = done.catch(() => {});
    return done;
  };

  async function run(key, { enableTracking = true } = {}) {
    const known = await read();
    const experience = decider.experience(key);
    const variation = await decider.decide(key, visitor, known.bucketing?.[experience], enableTracking);
    if (!variation) return undefined;
    if (known.bucketing?.[experience] !== variation.id) {
      await store.set(place, { ...known, bucketing: { ...known.bucketing, [experience]: variation.id } });
    }
    if (enableTracking && !decider.exposes && !exposed.has(key)) {
      const exposed_at = new Date().toISOString();
      await report([
        { type: "experiment_exposed", anonymous_id: visitor, experiment_id: key, variant: variation.key, exposed_at },
      ]);
      // why: what was not sent is sent the next time
      exposed.add(key);
    }
    return { experienceKey: key, ...variation };
  }

  return {
    /** The variation of an experience; undefined where the visitor is in none. */
    runExperience: (key, options) => inTurn(() => run(key, options)),

    /** The variations of all experiences that the visitor is in. */
    runExperiences: (options) =>
      inTurn(async () => {
        const found = [];
        for (const key of await decider.keys(visitor)) found.push(await run(key, options));
        return found.filter(Boolean);
      }),

    /** Counts a goal, once for each visitor; whether it was counted. */
    trackConversion: (key, { conversionData = [], conversionSetting = {} } = {}) =>
      inTurn(async () => {
        const goal = decider.goal(key);
        if (goal === undefined) return false;
        const known = await read();
        if (known.goals?.[goal] && !conversionSetting.forceMultipleTransactions) return false;
        const data = Object.fromEntries(conversionData.map(({ key, value }) => [key, value]));
        const event = { type: "experiment_converted", anonymous_id: visitor, conversion_event: key };
        event.converted_at = new Date().toISOString();
        if (data.amount !== undefined) event.value = Number(data.amount);
        if (data.currency !== undefined) event.currency = data.currency;
        if (data.transactionId !== undefined) event.transaction_id = String(data.transactionId);
        event.id = [...crypto.getRandomValues(new Uint8Array(16))]
          .map((byte) => (byte + 256).toString(16).slice(1))
          .join("");
        await report([event]);
        if (!known.goals?.[goal]) await store.set(place, { ...known, goals: { ...known.goals, [goal]: true } });
        return true;
      }),
  };
}
