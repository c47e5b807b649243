// The page's script: what the visitor was given, and what they did. Served minified as /_sortition/client.js.
//
// Reads the bridge that the worker put into the page (`data-sortition` of <html>, or the JSON block `#sortition`), and
// reports by sendBeacon, so that a page that is left loses nothing. Reports that cannot be sent wait in localStorage.
// Who the visitor is, the worker reads from the cookie: nothing here is believed about somebody else.

const here = document.currentScript?.src;
const ENDPOINT = new URL("/_sortition/events", here || location.href).href;
// Which cookie holds the visitor id, and whether it has a tag behind it: the worker that serves this script says so.
const [COOKIE, SIGNED] = "%visitor-cookie%,".replace(/^%.*%/, "sortition_id").split(",");
const WAITING = "sortition_waiting";
const MOST_WAITING = 50;

function read() {
  const block = document.getElementById("sortition");
  const text = document.documentElement.getAttribute("data-sortition") || block?.textContent;
  try {
    return JSON.parse(text) || {};
  } catch {
    return {};
  }
}

const bridge = read();
const own = (map, id) => (map && Object.hasOwn(map, id) ? map[id] : undefined);
const met = new Map();

function waiting() {
  try {
    return JSON.parse(localStorage.getItem(WAITING)) || [];
  } catch {
    return [];
  }
}

function keep(events) {
  try {
    if (events.length) localStorage.setItem(WAITING, JSON.stringify(events.slice(-MOST_WAITING)));
    else localStorage.removeItem(WAITING);
  } catch {}
}

function later(event) {
  keep([...waiting(), event]);
}

function id() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join("");
}

// One event a body: what the worker refuses of one must not take another along.
function send(event) {
  if (navigator.onLine === false) return later(event);
  const body = JSON.stringify({ sent_at: new Date().toISOString(), events: [event] });
  try {
    if (navigator.sendBeacon?.(ENDPOINT, body)) return;
  } catch {}
  fetch(ENDPOINT, { method: "POST", body, keepalive: true, credentials: "same-origin" }).then(
    (answer) => answer.status >= 500 && later(event),
    () => later(event),
  );
}

function flush() {
  const events = waiting();
  keep([]);
  events.forEach(send);
}

/** The visitor id as events and the record have it, where a cookie holds one: without its tag. */
function idOf(pair) {
  const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
  const id = SIGNED ? value.slice(0, value.lastIndexOf(".")) : value;
  return name === COOKIE && /^[\w.~-]{8,128}$/.test(id) ? id : undefined;
}

const sortition = {
  variant: (experiment) => own(bridge.variants, experiment),
  payload: (experiment) => own(bridge.payload, experiment),
  get visitorId() {
    return document.cookie.split("; ").map(idOf).find(Boolean);
  },
  trackExposure({ experiment_id, variant = sortition.variant(experiment_id) }) {
    const key = `${experiment_id}=${variant}`;
    if (!variant || met.has(key)) return;
    met.set(key, { type: "experiment_exposed", experiment_id, variant });
    send(met.get(key));
  },
  trackConversion(conversion_event, details) {
    const converted_at = new Date().toISOString();
    send({ type: "experiment_converted", id: id(), converted_at, ...details, conversion_event });
  },
  // `proof`: what the shop's server made of this visitor and user; see docs/telemetry.md.
  identify(user_id, proof) {
    send({ type: "identified", user_id: String(user_id), proof });
  },
};

window.sortition = sortition;
addEventListener("online", flush);
// Without consent the worker takes none of them; the record counts those that it took before once.
addEventListener("sortition:consent", () => {
  for (const event of met.values()) send(event);
});
flush();
