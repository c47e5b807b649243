// The visits of `sortition verify`. Run by script.rs; SORTITION_SCRIPT has `{health, visits: [{name, url, headers, steps}]}`.
// Prints one JSON line: `{health, answers: {NAME: {status, headers, body, steps} or {error}}}`.

const { health, visits } = JSON.parse(process.env.SORTITION_SCRIPT);
// More of a page than this is not looked at.
const MOST_BYTES = 4 << 20;
const PATIENCE_MS = 20_000;

async function ask(url, options = {}) {
  const answer = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS), ...options });
  const text = (await answer.text()).slice(0, MOST_BYTES);
  return { status: answer.status, headers: [...answer.headers], body: text };
}

/** What a visitor keeps of an answer's cookies. */
function keep(jar, headers) {
  for (const [name, value] of headers) {
    if (name !== "set-cookie") continue;
    const [pair] = value.split(";");
    jar.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
  }
}

async function visit({ url, headers, steps }) {
  const jar = new Map();
  for (const pair of headers.cookie?.split("; ") ?? []) {
    jar.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
  }
  const cookie = () => [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  const page = await ask(url, { headers });
  keep(jar, page.headers);
  const done = [];
  for (const { method = "GET", path, headers: own, body, json } of steps) {
    const sent = { ...headers, ...(json && { "content-type": "application/json" }), ...own, cookie: cookie() };
    const content = json === undefined ? body : JSON.stringify(json);
    const answer = await ask(new URL(path, url), { method, headers: sent, body: content });
    keep(jar, answer.headers);
    done.push({ path, status: answer.status, said: answer.status < 400 ? "" : answer.body.slice(0, 200) });
  }
  return { ...page, steps: done };
}

const answers = {};
for (const one of visits) {
  try {
    answers[one.name] = await visit(one);
  } catch (error) {
    answers[one.name] = { error: String(error?.cause?.message ?? error?.message ?? error) };
  }
}
let told = null;
try {
  told = JSON.parse((await ask(health)).body);
} catch {}
console.log(`@sortition ${JSON.stringify({ health: told, answers })}`);
