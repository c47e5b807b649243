#!/usr/bin/env node
// The demo shop: an origin server of its own, as any shop behind an edge might
// be. Plain Node, no packages.
//
//     node demo/shop.mjs --port 8788

import { randomInt } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { send } from "./answer.mjs";
import { addToBasket, Baskets, basketCookies, basketJson, MOST_OF_ONE, setInBasket, totals } from "./baskets.mjs";
import { CATEGORIES, CURRENCY, categoryBySlug, PRODUCTS, productBySlug, search } from "./catalogue.mjs";
import { readVariants, readVisitor } from "./edge.mjs";
import * as pages from "./pages.mjs";

const HTML = "text/html; charset=utf-8";
const JSON_TYPE = "application/json";
const PROBLEM = "application/problem+json";

const FOR_EVERYBODY = "public, max-age=300";
const FOR_THIS_VISITOR = "private, no-cache";
const NEVER_KEPT = "no-store";

const BODY_LIMIT = 64 * 1024;
const QUERY_LIMIT = 100;
/** Seven parts, six pauses: about three seconds. */
const SLOW_PAUSE_MS = 500;

const file = (name) => readFileSync(new URL(name, import.meta.url));
const ART = new Map(
  readdirSync(new URL("art/", import.meta.url))
    .filter((name) => name.endsWith(".svg"))
    .map((name) => [name, file(`art/${name}`)]),
);
const STYLE = file("style.css");
const SCRIPT = file("page.js");

/** A refusal with its status, thrown where it is found, answered in one place. */
class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const staticPage = (body) => ({ type: HTML, body, cache: FOR_EVERYBODY });
const ownPage = (body, more) => ({ type: HTML, body, cache: NEVER_KEPT, etag: false, ...more });
const json = (data, more) => ({ type: JSON_TYPE, body: JSON.stringify(data), cache: NEVER_KEPT, etag: false, ...more });
const image = (body) => ({ type: "image/svg+xml", body, cache: FOR_EVERYBODY, ranges: true });
const text = (type, body) => ({ type, body, cache: FOR_EVERYBODY });
const notFound = () => ({ status: 404, type: HTML, body: pages.notFound(), cache: "public, max-age=60" });
const goTo = (location, { status = 303, cookies } = {}) => ({
  status,
  type: "text/plain; charset=utf-8",
  body: `See ${location}\n`,
  cache: status === 301 ? FOR_EVERYBODY : NEVER_KEPT,
  etag: false,
  headers: { Location: location, ...(cookies && { "Set-Cookie": cookies }) },
});

/** Path pattern → method → handler(context). HEAD follows GET. */
const ROUTES = [
  [/^\/$/, { GET: () => staticPage(pages.home("en")) }],
  [/^\/de\/$/, { GET: () => staticPage(pages.home("de")) }],
  [/^\/de$/, { GET: () => goTo("/de/", { status: 301 }) }],
  [/^\/c\/([a-z0-9-]+)$/, { GET: showCategory }],
  [/^\/p\/([a-z0-9-]+)$/, { GET: showProduct }],
  [/^\/search$/, { GET: showSearch }],
  [/^\/cart$/, { GET: showCart, POST: changeCart }],
  [/^\/checkout$/, { GET: showCheckout }],
  [/^\/checkout\/place-order$/, { POST: placeOrder }],
  [/^\/checkout\/thanks$/, { GET: showThanks }],
  [/^\/api\/products$/, { GET: listProducts }],
  [/^\/api\/products\/([a-z0-9-]+)$/, { GET: oneProduct }],
  [/^\/api\/cart$/, { GET: readCart, POST: addToCart }],
  [/^\/art\/([a-z0-9-]+\.svg)$/, { GET: ({ match }) => (ART.has(match[1]) ? image(ART.get(match[1])) : notFound()) }],
  [/^\/favicon\.svg$/, { GET: () => image(ART.get("favicon.svg")) }],
  [/^\/favicon\.ico$/, { GET: () => goTo("/favicon.svg", { status: 301 }) }],
  [/^\/style\.css$/, { GET: () => text("text/css; charset=utf-8", STYLE) }],
  [/^\/page\.js$/, { GET: () => text("text/javascript; charset=utf-8", SCRIPT) }],
  [/^\/robots\.txt$/, { GET: () => text("text/plain; charset=utf-8", robotsTxt()) }],
  [/^\/sitemap\.xml$/, { GET: () => text("application/xml; charset=utf-8", sitemap()) }],
  [/^\/slow$/, { GET: streamSlowly }],
  [/^\/fail$/, { GET: () => ownPage(pages.failed(), { status: 500 }) }],
];

/** Starts the shop on the loopback; port 0 takes a free one. */
export async function startShop({ port = 0 } = {}) {
  const baskets = new Baskets();
  const server = createServer((request, response) => {
    serve(baskets, request, response).catch((error) => {
      // Whatever failed, the answer must end: a started one can only be cut.
      if (response.headersSent) response.destroy(error);
      else send(request, response, ownPage(pages.failed(), { status: 500 }));
      console.error(`shop: ${request.method} ${request.url}:`, error);
    });
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

async function serve(baskets, request, response) {
  // Split by hand: the paths of the shop are plain ASCII, and a path that no
  // URL parser takes is simply not one of them.
  const mark = request.url.indexOf("?");
  const path = mark < 0 ? request.url : request.url.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? "" : request.url.slice(mark + 1));
  const forApi = path.startsWith("/api/");

  for (const [pattern, methods] of ROUTES) {
    const match = pattern.exec(path);
    if (match === null) continue;
    const handler = methods[request.method === "HEAD" ? "GET" : request.method];
    if (handler === undefined) {
      const allowed = Object.keys(methods).flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]));
      return send(request, response, refusal(405, "method not allowed", forApi, { Allow: allowed.join(", ") }));
    }
    try {
      const answer = await handler({ match, query, request, response, baskets });
      if (answer !== undefined) send(request, response, answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // A body that was not read to its end would be taken for the next request.
      const headers = error.status === 413 ? { Connection: "close" } : {};
      send(request, response, refusal(error.status, error.message, forApi, headers));
    }
    return;
  }
  send(request, response, forApi ? refusal(404, "no such resource", true) : notFound());
}

function refusal(status, detail, forApi, headers = {}) {
  if (forApi) return json({ type: "about:blank", status, detail }, { status, type: PROBLEM, headers });
  return ownPage(status === 405 ? pages.notAllowed() : pages.unusable(), { status, headers });
}

// --- Pages ---------------------------------------------------------------

function showCategory({ match }) {
  const category = categoryBySlug(match[1]);
  return category === undefined ? notFound() : staticPage(pages.category(category));
}

function showProduct({ match, request }) {
  const product = productBySlug(match[1]);
  if (product === undefined) return notFound();
  const badge = readVariants(request.headers["sortition-variants"]).get("badge");
  const answer = { ...staticPage(pages.product(product, badge)), vary: ["Sortition-Variants"] };
  if (badge === undefined) return answer;
  // This page was made for one visitor, control and treatment alike, and the
  // edge is told which experiment it really shows.
  return { ...answer, cache: FOR_THIS_VISITOR, headers: { "Sortition-Expose": "badge" } };
}

function showSearch({ query }) {
  const asked = (query.get("q") ?? "").trim().slice(0, QUERY_LIMIT);
  return { ...staticPage(pages.searchResults(asked, search(asked))), cache: FOR_THIS_VISITOR };
}

function showCart({ request, baskets }) {
  const session = openSession(baskets, request);
  return ownPage(pages.cart(totals(session)), { headers: { "Set-Cookie": basketCookies(session, new Date()) } });
}

function showCheckout({ request, baskets }) {
  return ownPage(pages.checkout(totals(baskets.find(request))));
}

function showThanks({ request, baskets }) {
  const order = baskets.find(request)?.order;
  return order === undefined ? goTo("/cart") : ownPage(pages.thanks(order));
}

async function changeCart({ request, baskets }) {
  const form = await readForm(request);
  const product = productBySlug(form.get("product") ?? "");
  if (product === undefined) throw new Refusal(422, "product: no such product");
  const session = openSession(baskets, request);
  // A button of the form may add an action of its own; the last one counts.
  const action = form.getAll("action").at(-1) ?? "add";
  if (action === "remove") setInBasket(session, product.slug, 0);
  else if (action === "set") setInBasket(session, product.slug, quantityOf(form.get("quantity"), 0));
  else addToBasket(session, product.slug, quantityOf(form.get("quantity") ?? 1, 1));
  return goTo("/cart", { cookies: basketCookies(session, new Date()) });
}

async function placeOrder({ request, baskets }) {
  const form = await readForm(request);
  const session = baskets.find(request);
  const sums = totals(session);
  if (sums.count === 0) return goTo("/cart");
  const values = {};
  const problems = {};
  for (const [name, label] of pages.CHECKOUT_FIELDS) {
    values[name] = (form.get(name) ?? "").trim().slice(0, 200);
    if (values[name] === "") problems[name] = `${label} is missing.`;
  }
  if (values.email !== "" && !/^[^@\s]+@[^@\s]+$/.test(values.email)) problems.email = "That is not an email address.";
  if (Object.keys(problems).length > 0) return ownPage(pages.checkout(sums, { values, problems }), { status: 422 });

  session.order = { id: `LM-${randomInt(100_000, 1_000_000)}`, total: sums.total, count: sums.count };
  session.lines.clear();
  return goTo("/checkout/thanks", { cookies: basketCookies(session, new Date()) });
}

/** The slow page: its parts leave one by one, uncoded, and end when the reader goes. */
async function streamSlowly({ request, response }) {
  response.writeHead(200, { "Content-Type": HTML, "Cache-Control": NEVER_KEPT, "X-Content-Type-Options": "nosniff" });
  if (request.method === "HEAD") return void response.end();
  const [first, ...rest] = pages.slowParts();
  response.write(first);
  for (const part of rest) {
    await new Promise((resolve) => {
      const timer = setTimeout(done, SLOW_PAUSE_MS);
      response.once("close", done);
      function done() {
        clearTimeout(timer);
        response.off("close", done);
        resolve();
      }
    });
    if (response.destroyed) return;
    response.write(part);
  }
  response.end();
}

// --- API -----------------------------------------------------------------

const productJson = (product) => ({
  slug: product.slug,
  name: product.name,
  kind: product.kind,
  category: product.category,
  sku: product.sku,
  price: product.price / 100,
  currency: CURRENCY,
  in_stock: product.stock > 0,
  summary: product.summary,
  url: `/p/${product.slug}`,
  image: `/art/${product.slug}.svg`,
});

const publicJson = (data) => json(data, { cache: FOR_EVERYBODY, etag: true });

function listProducts({ query }) {
  const category = query.get("category");
  if (category !== null && categoryBySlug(category) === undefined) throw new Refusal(422, "category: no such category");
  const products = PRODUCTS.filter((product) => category === null || product.category === category);
  return publicJson({ products: products.map(productJson) });
}

function oneProduct({ match }) {
  const product = productBySlug(match[1]);
  if (product === undefined) throw new Refusal(404, "no such product");
  return publicJson(productJson(product));
}

function readCart({ request, baskets }) {
  return json(basketJson(baskets.find(request)));
}

async function addToCart({ request, baskets }) {
  // Only JSON: a form on another site cannot send that without asking first.
  if (!/^application\/json *(;|$)/i.test(request.headers["content-type"] ?? "")) {
    throw new Refusal(415, "content-type: application/json expected");
  }
  const body = parseJson(await readBody(request));
  const product = typeof body?.product === "string" ? productBySlug(body.product) : undefined;
  if (product === undefined) throw new Refusal(422, "product: no such product");
  const quantity = quantityOf(body.quantity ?? 1, 1);
  const session = openSession(baskets, request);
  addToBasket(session, product.slug, quantity);
  return json(basketJson(session), { headers: { "Set-Cookie": basketCookies(session, new Date()) } });
}

// --- What comes in -------------------------------------------------------

function openSession(baskets, request) {
  const session = baskets.open(request);
  session.visitor = readVisitor(request.headers["sortition-visitor"]) ?? session.visitor;
  return session;
}

function quantityOf(value, least) {
  const quantity = typeof value === "string" && value !== "" ? Number(value) : value;
  if (!Number.isInteger(quantity) || quantity < least || quantity > MOST_OF_ONE) {
    throw new Refusal(422, `quantity: a whole number from ${least} to ${MOST_OF_ONE} expected`);
  }
  return quantity;
}

async function readBody(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > BODY_LIMIT) throw new Refusal(413, `body: at most ${BODY_LIMIT} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const readForm = async (request) => new URLSearchParams(await readBody(request));

function parseJson(source) {
  try {
    return JSON.parse(source);
  } catch {
    throw new Refusal(400, "body: not JSON");
  }
}

// --- For crawlers --------------------------------------------------------

const robotsTxt = () => `User-agent: *
Disallow: /api/
Disallow: /cart
Disallow: /checkout
Disallow: /search
Disallow: /slow
Disallow: /fail

Sitemap: ${pages.SITE}/sitemap.xml
`;

function sitemap() {
  const paths = [
    "/",
    "/de/",
    ...CATEGORIES.map((category) => `/c/${category.slug}`),
    ...PRODUCTS.map((product) => `/p/${product.slug}`),
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
${paths.map((path) => `<url><loc>${pages.SITE}${path}</loc></url>`).join("\n")}
</urlset>
`;
}

// --- As a program --------------------------------------------------------

async function main() {
  let port;
  try {
    const { values } = parseArgs({ options: { port: { type: "string", default: "8788" } } });
    port = Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`--port: not a port: ${values.port}`);
  } catch (error) {
    console.error(`${error.message}\nusage: node demo/shop.mjs [--port 8788]`);
    process.exit(2);
  }
  try {
    const shop = await startShop({ port });
    console.log(`Larkmoor shop at ${shop.url}`);
    for (const signal of ["SIGINT", "SIGTERM"]) {
      process.once(signal, () => shop.close().then(() => process.exit(0)));
    }
  } catch (error) {
    console.error(`the shop could not start: ${error.message}`);
    process.exit(1);
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
