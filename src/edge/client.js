// The page's script: what the visitor was given, and what they did. Served minified as /_sortition/client.js.
//
// Reads the bridge that the worker put into the page (`data-sortition` of <html>, or the JSON block `#sortition`), and
// reports by requests that outlive the page, so that a page that is left loses nothing. Reports that do not arrive wait in
// localStorage. Who the visitor is, the worker reads from the cookie: nothing here is believed about somebody else.

// why: a bundle that has this script in it may come from anywhere, and a page that is a text (`srcdoc`) has no address
const here = document.currentScript?.src;
const page = location.origin === "null" ? document.baseURI : location.href;
const ENDPOINT = new URL("/_sortition/events", here?.includes("/_sortition/") ? here : page).href;
// Which cookie holds the visitor id, whether it has a tag behind it, and which cookies say yes where consent is asked for:
// the worker that serves this script says so.
const [COOKIE, SIGNED, ...CONSENT] = "%visitor-cookie%,"
  .replace(/^%v.*%/, "sortition_id")
  .split(",")
  .map(decodeURIComponent);
const WAITING = "sortition_waiting";
const MOST_WAITING = 50;

let bridge;

/** What the bridge says of an experiment; looked for until it is there, for this script may run before it. */
function told(what, id) {
  const block = document.getElementById("sortition");
  try {
    bridge ??= JSON.parse(document.documentElement.getAttribute("data-sortition") || block.textContent);
  } catch {}
  const map = bridge?.[what];
  return map && Object.hasOwn(map, id) ? map[id] : undefined;
}

const met = new Map();

// What waits where there is no room for it, until the page is left.
let unkept = [];

function waiting() {
  try {
    return [...unkept, ...JSON.parse(localStorage.getItem(WAITING))];
  } catch {
    return unkept;
  }
}

function keep(events) {
  unkept = [];
  try {
    localStorage.removeItem(WAITING);
    if (events.length) localStorage.setItem(WAITING, JSON.stringify(events.slice(-MOST_WAITING)));
  } catch {
    unkept = events.slice(-MOST_WAITING);
  }
}

function later(event) {
  // why: nothing is kept of whoever did not consent to it
  if (CONSENT[0] && (navigator.globalPrivacyControl || !cookies().some((pair) => CONSENT.includes(pair)))) return;
  // why: by then the browser may be another visitor's
  keep([...waiting(), { ...event, anonymous_id: sortition.visitorId }]);
}

/** Sends what waits, each once the one before has arrived: where nothing arrives, one attempt a page is enough. */
function flush() {
  const [event, ...rest] = waiting();
  if (event === undefined) return;
  keep(rest);
  const visitor = sortition.visitorId;
  if (event && (event.anonymous_id ?? visitor) === visitor) send(event, now(), flush);
  else flush();
}

const now = () => new Date().toISOString();

function id() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join("");
}

// One event a body: what the worker refuses of one must not take another along. `at`: the page's clock.
function send(event, at, then) {
  const body = `{"sent_at":"${at}","events":[${JSON.stringify(event)}]}`;
  if (navigator.onLine === false) return later(event);
  try {
    // why: nobody learns what became of a beacon, so it is for browsers whose requests end with the page
    if (!("keepalive" in Request.prototype) && navigator.sendBeacon(ENDPOINT, body)) return then?.();
  } catch {}
  // why: as a beacon goes, also from a page of another host of the site
  fetch(ENDPOINT, { method: "POST", body, keepalive: true, mode: "no-cors", credentials: "include" }).then(
    ({ status }) => (status > 428 ? later(event) : then?.()),
    () => later(event),
  );
}

/** Reports what happens on the page once it is shown: one that the browser renders ahead may never be. */
function report(make) {
  const tell = () => {
    try {
      // why: read once, for the worker counts from when it was sent: of an exposure and a conversion right after it the
      // conversion might have been first
      const at = now();
      send(make(at), at);
    } catch (error) {
      // why: what the page hands over may be nothing for JSON, and whoever reports must not fail for that
      console.error("sortition:", error);
    }
  };
  if (document.prerendering) document.addEventListener("prerenderingchange", tell, { once: true });
  else tell();
}

const expose = (event) => report((exposed_at) => ({ ...event, exposed_at }));

function cookies() {
  try {
    return document.cookie.split("; ");
  } catch {
    // why: a frame in a sandbox has none, and says so by throwing
    return [];
  }
}

/** The visitor id as events and the record have it, where a cookie holds one: without its tag. */
function idOf(pair) {
  const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
  const id = SIGNED ? value.slice(0, value.lastIndexOf(".")) : value;
  return name === COOKIE && /^[\w.~-]{8,128}$/.test(id) ? id : undefined;
}

const sortition = {
  variant: (experiment) => told("variants", experiment),
  payload: (experiment) => told("payload", experiment),
  get visitorId() {
    return cookies().map(idOf).find(Boolean);
  },
  trackExposure({ experiment_id, variant = sortition.variant(experiment_id) }) {
    const key = `${experiment_id}=${variant}`;
    // why: other tools number their variants, and the first is 0
    if ((variant ?? "") === "" || met.has(key)) return;
    met.set(key, { type: "experiment_exposed", experiment_id: String(experiment_id), variant: String(variant) });
    expose(met.get(key));
  },
  trackConversion(conversion_event, details) {
    report((converted_at) => ({ type: "experiment_converted", id: id(), converted_at, ...details, conversion_event }));
  },
  // `proof`: what the shop's server made of this visitor and user; see docs/telemetry.md.
  identify(user_id, proof) {
    report(() => ({ type: "identified", user_id: String(user_id), proof }));
  },
};

window.sortition = sortition;
addEventListener("online", flush);
// Without consent the worker takes none of them; the record counts those that it took before once.
addEventListener("sortition:consent", () => {
  for (const event of met.values()) expose(event);
});
flush();
