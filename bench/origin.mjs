// What stands around the worker under load: the shop's server, the KV store and the queue, in a process of their own.
//
// The runtime speaks plain HTTP to all three. KV: `GET /<key>?urlencoded=true`. Queue: `POST /message`, the body is the
// message, or `POST /batch`, the body has all of them, in base 64. Counting what they tell of is how a round knows that its
// exposures arrived.

import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

/** The headline that the rewrites replace. */
export const HEADLINE = "Gear that lasts";

/** As many bytes of HTML as a typical category page of a shop has. */
const PAGE_BYTES = 59_000;

function page() {
  const card = (number) => `
    <article class="card" data-sku="tarn-${number}">
      <a href="/p/tarn-${number}"><img src="/image-${number}.webp" alt="Tent number ${number}" width="320" height="240" loading="lazy"></a>
      <h3 class="card-title"><a href="/p/tarn-${number}">Tarn ${number}, a tent for ${1 + (number % 4)}</a></h3>
      <p class="card-text">Two doors, three seasons, ${1200 + number * 7} grams &amp; a promise: we mend it for as long as you own it.</p>
      <p class="card-price"><span class="price">€${199 + number}.00</span> <span class="stars" aria-label="4.6 of 5">★★★★★</span></p>
      <form method="post" action="/cart"><input type="hidden" name="sku" value="tarn-${number}"><button class="button">Add to cart</button></form>
    </article>`;
  const head = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tents</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css"><script src="/page.js" defer></script></head>
<body><header><nav><a href="/">Home</a> <a href="/c/tents">Tents</a> <a href="/cart">Cart</a></nav></header>
<main><h1 id="headline">${HEADLINE}</h1><p id="lead">Tents, packs and stoves.</p><p id="note">Free delivery above €50.</p><section class="grid">`;
  const tail = "\n</section></main></body></html>\n";
  let html = head;
  for (let number = 0; html.length + tail.length < PAGE_BYTES; number++) html += card(number);
  return Buffer.from(html + tail);
}

const PAGE = page();
const GZIPPED = gzipSync(PAGE);
const IMAGE = Buffer.alloc(24_000, 0x5a);

function shop(request, response) {
  if (request.url.startsWith("/image")) {
    response.writeHead(200, {
      "content-type": "image/webp",
      "content-length": IMAGE.length,
      "cache-control": "public, max-age=31536000, immutable",
    });
    return response.end(IMAGE);
  }
  pages++;
  const head = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "public, max-age=60",
    etag: '"1f2e3d4c"',
  };
  if (request.url.startsWith("/v2/")) head["x-served"] = "v2";
  if (request.url.startsWith("/untagged")) delete head.etag;
  const zipped = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
  const body = zipped ? GZIPPED : PAGE;
  if (zipped) Object.assign(head, { "content-encoding": "gzip", vary: "Accept-Encoding" });
  response.writeHead(200, { ...head, "content-length": body.length });
  response.end(body);
}

const listen = (handle) =>
  new Promise((done) => {
    const server = createServer(handle);
    server.keepAliveTimeout = 60_000;
    server.listen(0, "127.0.0.1", () => done(server.address().port));
  });

const stores = new Map();
const copies = new Map();
let messages = 0;
let pages = 0;
let last = "";

const store = (name) =>
  listen((request, response) => {
    const value = stores.get(name)?.[decodeURIComponent(new URL(request.url, "http://kv").pathname.slice(1))];
    response.writeHead(value === undefined ? 404 : 200);
    response.end(value);
  });

/** How many visits a message tells of; one where it is the hand-written worker's. */
function visitsOf(body) {
  try {
    return JSON.parse(body).visits?.length ?? 1;
  } catch {
    return 1;
  }
}

function queue(request, response) {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const text = Buffer.concat(parts).toString();
    const together = request.url.endsWith("/batch") ? JSON.parse(text).messages : undefined;
    const bodies = together ? together.map(({ body }) => Buffer.from(body, "base64").toString()) : [text];
    // why: a message tells of several visits, and what is proved is that none is lost
    for (const body of bodies) messages += visitsOf(body);
    last = bodies.at(-1);
    response.writeHead(200, { "content-type": "application/json" });
    response.end('{"metadata":{"metrics":{"backlogCount":0,"backlogBytes":0,"oldestMessageTimestamp":0}}}');
  });
}

/**
 * What stands behind the Cache API: a copy is put as a whole HTTP/1.1 response in the body, and asked for by a GET that
 * is answered with it, or with 504, and says which in `CF-Cache-Status`.
 */
function cache(request, response) {
  const key = `${request.headers.host}${request.url}`;
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    if (request.method === "PUT") {
      const whole = Buffer.concat(parts);
      const end = whole.indexOf("\r\n\r\n");
      const [, ...lines] = whole.subarray(0, end).toString("latin1").split("\r\n");
      const headers = lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
      const isChunked = headers.some(([name, value]) => /^transfer-encoding$/i.test(name) && /chunked/i.test(value));
      const body = whole.subarray(end + 4);
      const kept = headers.filter(([name]) => !/^(transfer-encoding|content-length)$/i.test(name));
      copies.set(key, { headers: kept, body: isChunked ? joined(body) : body });
      response.writeHead(204);
      return response.end();
    }
    const copy = copies.get(key);
    if (!copy) {
      response.writeHead(504, { "CF-Cache-Status": "MISS" });
      return response.end();
    }
    const length = ["content-length", String(copy.body.length)];
    response.writeHead(200, [...copy.headers, length, ["CF-Cache-Status", "HIT"]].flat());
    response.end(copy.body);
  });
}

/** The content of a chunked body. */
function joined(body) {
  const parts = [];
  for (let at = 0; ; ) {
    const end = body.indexOf("\r\n", at);
    const length = Number.parseInt(body.subarray(at, end).toString("latin1"), 16);
    if (!length) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

// A child of the benchmark: it is told the stores' contents, says its ports, and answers how many messages came.
if (process.send) {
  process.on("message", async ({ ask, documents }) => {
    if (ask === "messages") return process.send({ messages, pages, last });
    const ports = { shop: await listen(shop), queue: await listen(queue), cache: await listen(cache), stores: {} };
    for (const [name, values] of Object.entries(documents)) {
      stores.set(name, values);
      ports.stores[name] = await store(name);
    }
    process.send(ports);
  });
  process.on("disconnect", () => process.exit());
}
