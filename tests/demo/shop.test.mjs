// The demo shop as an origin: what it says about itself, and what an edge in
// front of it relies on. Spoken over node:http, not fetch, so that headers,
// codings and redirects are seen as they were sent.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { parseRange, preferredCoding } from "../../demo/answer.mjs";
import { CATEGORIES, PRODUCTS } from "../../demo/catalogue.mjs";
import { readVariants, readVisitor } from "../../demo/edge.mjs";
import { SITE } from "../../demo/pages.mjs";
import { startShop } from "../../demo/shop.mjs";

let shop;
before(async () => {
  shop = await startShop({ port: 0 });
});
after(() => shop.close());

function ask(path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(shop.url);
    const request = http.request({ hostname, port, path, method, headers, agent: false }, async (response) => {
      const chunks = [];
      try {
        for await (const chunk of response) chunks.push(chunk);
      } catch (error) {
        return reject(error);
      }
      const bytes = Buffer.concat(chunks);
      resolve({ status: response.statusCode, headers: response.headers, bytes, chunks, text: bytes.toString("utf8") });
    });
    request.on("error", reject);
    request.end(body);
  });
}

const FORM = { "Content-Type": "application/x-www-form-urlencoded" };
const JSON_BODY = { "Content-Type": "application/json" };
const cookieHeader = (answer) => answer.headers["set-cookie"].map((cookie) => cookie.split(";")[0]).join("; ");
const addToCart = (product, quantity, headers = {}) =>
  ask("/api/cart", {
    method: "POST",
    headers: { ...JSON_BODY, ...headers },
    body: JSON.stringify({ product, quantity }),
  });

const INDEXED = [
  "/",
  "/de/",
  ...CATEGORIES.map(({ slug }) => `/c/${slug}`),
  ...PRODUCTS.map(({ slug }) => `/p/${slug}`),
];
const PERSONAL = ["/search?q=tent", "/cart", "/checkout", "/slow"];

const attribute = (html, pattern) => pattern.exec(html)?.[1];
const linkedData = (html) =>
  [...html.matchAll(/<script type="application\/ld\+json">(.*?)<\/script>/gs)].flatMap(
    ([, source]) => JSON.parse(source)["@graph"],
  );

describe("pages", () => {
  test("every page has one h1, a title, a description, and links that lead somewhere", async () => {
    const titles = new Set();
    const links = new Set();
    for (const path of [...INDEXED, ...PERSONAL]) {
      const { status, headers, text } = await ask(path);
      assert.equal(status, 200, path);
      assert.equal(headers["content-type"], "text/html; charset=utf-8", path);
      assert.equal(text.match(/<h1[ >]/g)?.length, 1, `h1 of ${path}`);
      assert.match(text, /^<!doctype html>\n<html lang="(en|de)">/, path);
      assert.match(text, /<meta name="description" content="[^"]{10,}">/, path);
      titles.add(attribute(text, /<title>([^<]+)<\/title>/));
      for (const [, link] of text.matchAll(/(?:href|src)="(\/[^"]*)"/g)) links.add(link);
      for (const [image] of text.matchAll(/<img [^>]*>/g)) assert.match(image, / alt="/, `${image} on ${path}`);
    }
    assert.equal(titles.size, INDEXED.length + PERSONAL.length, "titles differ");
    assert.ok(links.size > PRODUCTS.length);
    for (const link of links) assert.equal((await ask(link)).status, 200, link);
  });

  test("indexed pages name their canonical address; personal ones ask not to be indexed", async () => {
    for (const path of INDEXED) {
      const { text } = await ask(path);
      assert.equal(attribute(text, /<link rel="canonical" href="([^"]+)">/), SITE + path);
      assert.doesNotMatch(text, /name="robots"/, path);
    }
    for (const path of PERSONAL.filter((path) => path !== "/slow")) {
      const { text } = await ask(path);
      assert.match(text, /<meta name="robots" content="noindex/, path);
      assert.doesNotMatch(text, /rel="canonical"/, path);
    }
  });

  test("both homes name each other by hreflang", async () => {
    for (const path of ["/", "/de/"]) {
      const { text } = await ask(path);
      const alternates = [...text.matchAll(/<link rel="alternate" hreflang="([^"]+)" href="([^"]+)">/g)].map(
        ([, lang, href]) => [lang, href],
      );
      assert.deepEqual(alternates, [
        ["en", `${SITE}/`],
        ["de", `${SITE}/de/`],
        ["x-default", `${SITE}/`],
      ]);
    }
    assert.equal((await ask("/de")).headers.location, "/de/");
  });

  test("product pages describe the product as linked data", async () => {
    for (const product of PRODUCTS) {
      const { text } = await ask(`/p/${product.slug}`);
      const data = linkedData(text).find((thing) => thing["@type"] === "Product");
      assert.equal(data.sku, product.sku);
      assert.equal(data.offers.price, (product.price / 100).toFixed(2));
      assert.equal(data.offers.priceCurrency, "EUR");
      assert.equal(data.offers.availability.endsWith("/InStock"), product.stock > 0);
      assert.equal((await ask(new URL(data.image).pathname)).status, 200);
    }
  });

  test("the search finds by words, escapes what was asked, and reads well with nothing", async () => {
    const found = await ask("/search?q=down%20sleeping");
    assert.match(found.text, /1 result for “down sleeping”/);
    assert.match(found.text, /\/p\/drift-sleeping-bag/);
    const nasty = await ask(`/search?q=${encodeURIComponent('"><script>alert(1)</script>')}`);
    assert.doesNotMatch(nasty.text, /<script>alert/);
    assert.match(nasty.text, /&quot;&gt;&lt;script&gt;/);
    assert.match((await ask("/search")).text, /Type what you are looking for/);
    assert.equal((await ask("/search?q=%zz&q=%ff")).status, 200);
  });

  test("unknown and unreadable paths answer 404 with a page", async () => {
    for (const path of [
      "/nope",
      "/p/nope",
      "/c/nope",
      "/art/nope.svg",
      "/art/..%2fshop.mjs",
      "/%zz",
      "//",
      "/p/Tarn",
    ]) {
      const { status, text } = await ask(path);
      assert.equal(status, 404, path);
      assert.match(text, /<h1>This path leads nowhere<\/h1>/, path);
    }
  });

  test("the failing page is a 500 with a page", async () => {
    const { status, headers, text } = await ask("/fail");
    assert.equal(status, 500);
    assert.equal(headers["content-type"], "text/html; charset=utf-8");
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers.etag, undefined);
    assert.match(text, /<h1>That was our fault<\/h1>/);
  });

  test("other methods are refused with what is allowed", async () => {
    const page = await ask("/", { method: "DELETE" });
    assert.deepEqual([page.status, page.headers.allow], [405, "GET, HEAD"]);
    const cart = await ask("/api/cart", { method: "PUT" });
    assert.deepEqual([cart.status, cart.headers.allow], [405, "GET, HEAD, POST"]);
    assert.equal(cart.headers["content-type"], "application/problem+json");
  });

  test("robots.txt names the sitemap, and the sitemap every indexed page", async () => {
    const robots = await ask("/robots.txt");
    assert.match(robots.headers["content-type"], /^text\/plain/);
    assert.match(robots.text, new RegExp(`^Sitemap: ${SITE}/sitemap\\.xml$`, "m"));
    const sitemap = await ask("/sitemap.xml");
    assert.match(sitemap.headers["content-type"], /^application\/xml/);
    const named = [...sitemap.text.matchAll(/<loc>([^<]+)<\/loc>/g)].map(([, address]) => address);
    assert.deepEqual(
      named,
      INDEXED.map((path) => SITE + path),
    );
  });
});

describe("the slow page", () => {
  test("leaves in parts, uncoded", async () => {
    const { status, headers, text, chunks } = await ask("/slow", { headers: { "Accept-Encoding": "br" } });
    assert.equal(status, 200);
    assert.equal(headers["content-length"], undefined);
    assert.equal(headers["content-encoding"], undefined);
    assert.ok(chunks.length >= 5, `${chunks.length} parts`);
    assert.doesNotMatch(chunks[0].toString(), /slow-end/);
    assert.match(text, /id="slow-end".*<\/html>\n$/s);
  });

  test("a reader who leaves does not disturb it", async () => {
    await new Promise((resolve) => {
      const request = http.get(`${shop.url}/slow`, (response) => response.once("data", () => request.destroy()));
      request.on("error", () => {});
      request.on("close", resolve);
    });
    assert.equal((await ask("/")).status, 200);
  });
});

const STATIC = [
  "/",
  "/c/packs",
  "/p/tarn-2-tent",
  "/art/hero.svg",
  "/favicon.svg",
  "/style.css",
  "/page.js",
  "/robots.txt",
  "/api/products",
];

describe("caching and coding", () => {
  test("what is the same for everybody is public, has a validator and answers 304", async () => {
    for (const path of STATIC) {
      const first = await ask(path);
      assert.equal(first.headers["cache-control"], "public, max-age=300", path);
      assert.match(first.headers.etag, /^"[\w-]+"$/, path);
      assert.equal(first.headers["set-cookie"], undefined, path);
      assert.equal((await ask(path)).headers.etag, first.headers.etag, path);
      for (const sent of [first.headers.etag, `W/${first.headers.etag}`, `"other", ${first.headers.etag}`, "*"]) {
        const again = await ask(path, { headers: { "If-None-Match": sent } });
        assert.equal(again.status, 304, `${path} with ${sent}`);
        assert.equal(again.bytes.length, 0);
        assert.equal(again.headers.etag, first.headers.etag);
        assert.equal(again.headers["cache-control"], first.headers["cache-control"]);
      }
      assert.equal((await ask(path, { headers: { "If-None-Match": '"other"' } })).status, 200);
    }
  });

  test("gzip and brotli carry the same bytes, a length and a validator of their own", async () => {
    const decoders = { gzip: gunzipSync, br: brotliDecompressSync };
    for (const path of STATIC) {
      const plain = await ask(path);
      if (plain.bytes.length < 256) {
        // Too small to be worth it.
        assert.equal(
          (await ask(path, { headers: { "Accept-Encoding": "br" } })).headers["content-encoding"],
          undefined,
          path,
        );
        continue;
      }
      assert.match(plain.headers.vary, /Accept-Encoding/, path);
      for (const [coding, decode] of Object.entries(decoders)) {
        for (const round of ["made", "kept"]) {
          const answer = await ask(path, { headers: { "Accept-Encoding": coding } });
          assert.equal(answer.headers["content-encoding"], coding, `${path} ${round}`);
          assert.equal(Number(answer.headers["content-length"]), answer.bytes.length);
          assert.notEqual(answer.headers.etag, plain.headers.etag);
          assert.ok(decode(answer.bytes).equals(plain.bytes), `${path} in ${coding}, ${round}`);
          const again = await ask(path, {
            headers: { "Accept-Encoding": coding, "If-None-Match": answer.headers.etag },
          });
          assert.equal(again.status, 304);
        }
      }
    }
  });

  test("the coding follows Accept-Encoding", () => {
    const cases = [
      [undefined, "identity"],
      ["", "identity"],
      ["gzip", "gzip"],
      ["gzip, deflate, br, zstd", "br"],
      ["br;q=0.5, gzip;q=0.8", "gzip"],
      ["br;q=0, gzip", "gzip"],
      ["*", "br"],
      ["*;q=0.3, br;q=0", "gzip"],
      ["GZIP;Q=1", "gzip"],
      ["identity, gzip;q=0.5", "identity"],
      ["gzip;q=junk", "identity"],
      ["zstd", "identity"],
    ];
    for (const [header, coding] of cases) assert.equal(preferredCoding(header), coding, String(header));
  });

  test("HEAD has the headers of GET and no body", async () => {
    for (const path of [...STATIC, "/cart", "/fail", "/nope"]) {
      const [get, head] = [await ask(path), await ask(path, { method: "HEAD" })];
      assert.equal(head.status, get.status, path);
      assert.equal(head.bytes.length, 0, path);
      for (const name of ["content-type", "content-length", "etag", "cache-control", "vary"]) {
        assert.equal(head.headers[name], get.headers[name], `${name} of ${path}`);
      }
    }
  });
});

describe("images", () => {
  test("every picture is an SVG that a product, a page or a browser asks for", async () => {
    const names = readdirSync(new URL("../../demo/art/", import.meta.url));
    assert.deepEqual(names.sort(), [...PRODUCTS.map(({ slug }) => `${slug}.svg`), "favicon.svg", "hero.svg"].sort());
    for (const name of names) {
      const { status, headers, text } = await ask(`/art/${name}`);
      assert.equal(status, 200, name);
      assert.equal(headers["content-type"], "image/svg+xml");
      assert.equal(headers["accept-ranges"], "bytes");
      assert.match(text, /^<svg xmlns=/);
    }
    assert.equal((await ask("/favicon.ico")).headers.location, "/favicon.svg");
  });

  test("a range is answered with that part, uncoded", async () => {
    const whole = await ask("/art/hero.svg");
    const size = whole.bytes.length;
    const cases = [
      ["bytes=0-99", 0, 99],
      ["bytes=100-", 100, size - 1],
      ["bytes=-50", size - 50, size - 1],
      [`bytes=10-${size + 1000}`, 10, size - 1],
    ];
    for (const [range, first, last] of cases) {
      const part = await ask("/art/hero.svg", { headers: { Range: range, "Accept-Encoding": "br" } });
      assert.equal(part.status, 206, range);
      assert.equal(part.headers["content-range"], `bytes ${first}-${last}/${size}`);
      assert.equal(part.headers["content-encoding"], undefined);
      assert.ok(part.bytes.equals(whole.bytes.subarray(first, last + 1)), range);
    }
    const beyond = await ask("/art/hero.svg", { headers: { Range: `bytes=${size}-` } });
    assert.deepEqual(
      [beyond.status, beyond.headers["content-range"], beyond.bytes.length],
      [416, `bytes */${size}`, 0],
    );
  });

  test("If-Range sends the whole when the picture has changed", async () => {
    const { headers } = await ask("/art/hero.svg");
    const same = await ask("/art/hero.svg", { headers: { Range: "bytes=0-9", "If-Range": headers.etag } });
    assert.deepEqual([same.status, same.bytes.length], [206, 10]);
    const changed = await ask("/art/hero.svg", { headers: { Range: "bytes=0-9", "If-Range": '"old"' } });
    assert.equal(changed.status, 200);
  });

  test("ranges are read as RFC 9110 says", () => {
    const cases = [
      ["bytes=0-0", { first: 0, last: 0 }],
      ["bytes=-500", { first: 0, last: 99 }],
      ["bytes=-0", "unsatisfiable"],
      ["bytes=100-", "unsatisfiable"],
      ["bytes=5-2", undefined],
      ["bytes=0-1,5-6", undefined],
      ["bytes=-", undefined],
      ["items=0-1", undefined],
      ["bytes=a-b", undefined],
    ];
    for (const [header, range] of cases) assert.deepEqual(parseRange(header, 100), range, header);
  });

  test("pages take no ranges", async () => {
    const { status, headers } = await ask("/", { headers: { Range: "bytes=0-9" } });
    assert.deepEqual([status, headers["accept-ranges"]], [200, undefined]);
  });
});

describe("basket and checkout", () => {
  test("the basket page sets two cookies, one of them with a comma in its date", async () => {
    const { headers } = await ask("/cart");
    assert.equal(headers["cache-control"], "no-store");
    const [session, count, ...rest] = headers["set-cookie"];
    assert.deepEqual(rest, []);
    assert.match(session, /^shop_session=[0-9a-f-]{36}; Path=\/; HttpOnly; SameSite=Lax$/);
    assert.match(count, /^shop_count=0; Path=\/; Expires=\w{3}, [^;]+ GMT; SameSite=Lax$/);
  });

  test("a basket fills and changes by forms alone, then becomes one order", async () => {
    const added = await ask("/cart", { method: "POST", headers: FORM, body: "product=hearth-mug&quantity=3" });
    assert.deepEqual([added.status, added.headers.location], [303, "/cart"]);
    const headers = { Cookie: cookieHeader(added) };
    assert.match((await ask("/cart", { headers })).text, /€42\.00/);

    await ask("/cart", { method: "POST", headers: { ...FORM, ...headers }, body: "product=ember-stove" });
    await ask("/cart", {
      method: "POST",
      headers: { ...FORM, ...headers },
      body: "product=hearth-mug&action=set&quantity=1",
    });
    const before = JSON.parse((await ask("/api/cart", { headers })).text);
    assert.deepEqual(
      before.items.map(({ product, quantity }) => [product, quantity]),
      [
        ["hearth-mug", 1],
        ["ember-stove", 1],
      ],
    );
    await ask("/cart", {
      method: "POST",
      headers: { ...FORM, ...headers },
      body: "product=ember-stove&action=set&quantity=1&action=remove",
    });
    const cart = JSON.parse((await ask("/api/cart", { headers })).text);
    assert.deepEqual([cart.subtotal, cart.delivery, cart.total], [14, 4.9, 18.9]);

    const page = await ask("/checkout", { headers });
    assert.match(page.text, /1 × Hearth/);
    assert.doesNotMatch(page.text, /<button[^>]* disabled/);

    const missing = await ask("/checkout/place-order", {
      method: "POST",
      headers: { ...FORM, ...headers },
      body: "email=nobody&name=%22%3E%3Cb%3E",
    });
    assert.equal(missing.status, 422);
    assert.match(missing.text, /That is not an email address/);
    assert.match(missing.text, /value="&quot;&gt;&lt;b&gt;"/);
    assert.match(missing.text, /Postcode is missing/);

    const order = { email: "a@example.org", name: "A", address: "B 1", postcode: "1", city: "C" };
    const placed = await ask("/checkout/place-order", {
      method: "POST",
      headers: { ...FORM, ...headers },
      body: new URLSearchParams(order).toString(),
    });
    assert.deepEqual([placed.status, placed.headers.location], [303, "/checkout/thanks"]);
    assert.match(placed.headers["set-cookie"][1], /^shop_count=0;/);
    const thanks = await ask("/checkout/thanks", { headers });
    assert.match(thanks.text, /data-order="LM-\d{6}" data-total="18\.90" data-currency="EUR"/);

    const twice = await ask("/checkout/place-order", {
      method: "POST",
      headers: { ...FORM, ...headers },
      body: new URLSearchParams(order).toString(),
    });
    assert.deepEqual([twice.status, twice.headers.location], [303, "/cart"]);
  });

  test("without a basket nothing can be ordered, and nobody is thanked", async () => {
    assert.match((await ask("/checkout")).text, /<button[^>]* disabled/);
    assert.equal(
      (await ask("/checkout/place-order", { method: "POST", headers: FORM, body: "" })).headers.location,
      "/cart",
    );
    assert.equal((await ask("/checkout/thanks")).headers.location, "/cart");
  });

  test("a form that makes no sense is refused and leaves the shop standing", async () => {
    for (const body of [
      "",
      "product=nope",
      "product=hearth-mug&quantity=-1",
      "product=hearth-mug&quantity=1e9",
      "product=hearth-mug&quantity=x",
      "\xff\xfe%%%",
    ]) {
      assert.equal((await ask("/cart", { method: "POST", headers: FORM, body })).status, 422, body);
    }
    const large = await ask("/cart", { method: "POST", headers: FORM, body: "x".repeat(70_000) });
    assert.equal(large.status, 413);
    assert.equal((await ask("/")).status, 200);
  });
});

describe("the API", () => {
  test("lists products, all or of a category, and one by its slug", async () => {
    const all = JSON.parse((await ask("/api/products")).text).products;
    assert.deepEqual(
      all.map(({ slug }) => slug),
      PRODUCTS.map(({ slug }) => slug),
    );
    const packs = JSON.parse((await ask("/api/products?category=packs")).text).products;
    assert.deepEqual([...new Set(packs.map(({ category }) => category))], ["packs"]);
    for (const product of all) {
      const one = await ask(`/api/products/${product.slug}`);
      assert.equal(one.headers["content-type"], "application/json");
      assert.deepEqual(JSON.parse(one.text), product);
    }
    for (const [path, status] of [
      ["/api/products/nope", 404],
      ["/api/products?category=nope", 422],
      ["/api/nope", 404],
    ]) {
      const problem = await ask(path);
      assert.equal(problem.status, status, path);
      assert.equal(problem.headers["content-type"], "application/problem+json");
      assert.equal(JSON.parse(problem.text).status, status);
    }
  });

  test("keeps a basket by its own cookie, apart from others'", async () => {
    const empty = await ask("/api/cart");
    assert.equal(empty.headers["set-cookie"], undefined);
    assert.equal(JSON.parse(empty.text).count, 0);

    const first = await addToCart("tarn-2-tent", 1);
    assert.equal(first.headers["set-cookie"].length, 2);
    const mine = { Cookie: cookieHeader(first) };
    await addToCart("tarn-2-tent", 1, mine);
    const cart = JSON.parse((await ask("/api/cart", { headers: mine })).text);
    assert.deepEqual([cart.count, cart.total, cart.currency], [2, 698, "EUR"]);

    const other = JSON.parse((await addToCart("hearth-mug", 1)).text);
    assert.deepEqual(
      other.items.map(({ product }) => product),
      ["hearth-mug"],
    );
    const forged = JSON.parse(
      (await ask("/api/cart", { headers: { Cookie: "shop_session=mine; shop_session" } })).text,
    );
    assert.equal(forged.count, 0);
  });

  test("refuses what it cannot use, saying why", async () => {
    const cases = [
      [JSON_BODY, "{", 400, /not JSON/],
      [JSON_BODY, "null", 422, /^product/],
      [JSON_BODY, '{"product":["tarn-2-tent"]}', 422, /^product/],
      [JSON_BODY, '{"product":"nope"}', 422, /^product/],
      [JSON_BODY, '{"product":"tarn-2-tent","quantity":0}', 422, /^quantity/],
      [JSON_BODY, '{"product":"tarn-2-tent","quantity":1.5}', 422, /^quantity/],
      [JSON_BODY, '{"product":"tarn-2-tent","quantity":21}', 422, /^quantity/],
      [FORM, "product=tarn-2-tent", 415, /^content-type/],
    ];
    for (const [headers, body, status, detail] of cases) {
      const answer = await ask("/api/cart", { method: "POST", headers, body });
      assert.equal(answer.status, status, body);
      assert.match(JSON.parse(answer.text).detail, detail, body);
      assert.equal(answer.headers["set-cookie"], undefined, body);
    }
  });
});

describe("behind the edge", () => {
  const badgeOf = (html) => /<p class="trust" id="trust-badge">.*?<\/p>/s.exec(html)[0];

  test("the badge shows stars to the variant `stars` and to nobody else", async () => {
    for (const { slug } of PRODUCTS) {
      const path = `/p/${slug}`;
      const plain = await ask(path);
      const control = await ask(path, { headers: { "Sortition-Variants": "hero=bold, badge=control" } });
      const stars = await ask(path, { headers: { "Sortition-Variants": 'price="50off", badge=stars' } });
      assert.doesNotMatch(plain.text, /★/);
      assert.equal(control.text, plain.text);
      assert.match(badgeOf(stars.text), /★★★★/);
      // Nothing but the badge differs: not the h1, not the linked data.
      assert.equal(stars.text.replace(badgeOf(stars.text), ""), plain.text.replace(badgeOf(plain.text), ""));

      assert.equal(plain.headers["cache-control"], "public, max-age=300");
      assert.equal(plain.headers["sortition-expose"], undefined);
      assert.match(plain.headers.vary, /Sortition-Variants/);
      for (const answer of [control, stars]) {
        assert.equal(answer.headers["cache-control"], "private, no-cache");
        assert.equal(answer.headers["sortition-expose"], "badge");
      }
      assert.notEqual(stars.headers.etag, control.headers.etag);
    }
  });

  test("no other page shows anything of an experiment", async () => {
    const headers = {
      "Sortition-Variants": "hero=bold, badge=stars, checkout=reassure",
      "Sortition-Visitor": "visitor-0001",
    };
    for (const path of [
      ...INDEXED.filter((path) => !path.startsWith("/p/")),
      "/checkout",
      "/search?q=tent",
      "/api/products",
    ]) {
      const [plain, behind] = [await ask(path), await ask(path, { headers })];
      assert.equal(behind.text, plain.text, path);
      assert.equal(behind.headers["cache-control"], plain.headers["cache-control"], path);
    }
  });

  test("the basket remembers the visitor that the edge named", async () => {
    const added = await addToCart("brook-flask", 1, { "Sortition-Visitor": "3f0c9a52-4c1e-4d0b-9a52-000000000001" });
    assert.deepEqual(JSON.parse(added.text).attributes, { sortition_id: "3f0c9a52-4c1e-4d0b-9a52-000000000001" });
    const unnamed = await addToCart("brook-flask", 1, { "Sortition-Visitor": "<b>" });
    assert.deepEqual(JSON.parse(unnamed.text).attributes, {});
  });

  test("the header is read as a dictionary of RFC 9651", () => {
    const cases = [
      [undefined, {}],
      ["", {}],
      ["hero=bold, price=control", { hero: "bold", price: "control" }],
      ["hero=bold,\tprice=control", { hero: "bold", price: "control" }],
      ['a="50off"', { a: "50off" }],
      ['a="x\\"y, b=\\\\", c=d', { a: 'x"y, b=\\', c: "d" }],
      ['a=b;reason=split;n=1.5;s="x", c=d', { a: "b", c: "d" }],
      ["flag, n=1, yes=?1, a=b", { a: "b" }],
      ["a=b, a=c", { a: "c" }],
      ["a=b, a=1", {}],
      ["a=b,", {}],
      ["a=b,, c=d", {}],
      ["Hero=bold", {}],
      ["a=b c", {}],
      ['a="open', {}],
      ["a=é", {}],
    ];
    for (const [header, variants] of cases)
      assert.deepEqual(Object.fromEntries(readVariants(header)), variants, String(header));
  });

  test("a visitor id is 8 to 128 characters of its alphabet", () => {
    for (const id of ["abcdefgh", "A.b_c~d-1", "x".repeat(128)]) assert.equal(readVisitor(id), id);
    for (const id of [undefined, "", "short", "x".repeat(129), "has space", "näme-name"])
      assert.equal(readVisitor(id), undefined);
  });
});

describe("the demo document", () => {
  const document = JSON.parse(readFileSync(new URL("../../fixtures/demo/experiments.json", import.meta.url), "utf8"));
  const experiment = (id) => document.experiments.find((each) => each.id === id);

  test("every step selects exactly one element by id on the page it is for, and would change it", async () => {
    let steps = 0;
    for (const { id, pages, variants } of document.experiments) {
      const { text } = await ask(pages[0].replace("*", PRODUCTS[0].slug));
      for (const step of variants.flatMap((variant) => variant.rewrite ?? [])) {
        steps += 1;
        const found = [...text.matchAll(new RegExp(`<[^>]* id="${step.select.slice(1)}"[^>]*>`, "g"))];
        assert.equal(found.length, 1, `${id}: ${step.select}`);
        assert.ok(!text.includes(step.value) || step.do === "set_attribute", `${id}: ${step.select} already says so`);
        if (step.do === "set_attribute") {
          assert.match(found[0][0], new RegExp(` ${step.name}="`), `${id}: ${step.select}`);
          assert.ok(!found[0][0].includes(`${step.name}="${step.value}"`));
          assert.equal((await ask(step.value)).status, 200);
        }
      }
    }
    assert.equal(steps, 5);
  });

  test("control comes first, half and half, and each experiment is accounted for", () => {
    assert.deepEqual(
      document.experiments.map(({ id }) => id),
      ["hero", "badge", "checkout"],
    );
    for (const each of document.experiments) {
      assert.equal(each.status, "running");
      assert.deepEqual(
        each.variants.map(({ weight }) => weight),
        [50, 50],
      );
      assert.equal(each.variants[0].id, "control");
      for (const text of [each.name, each.hypothesis, each.owner, each.rollback.owner, each.rollback.when])
        assert.ok(text.length > 0);
      const days = (Date.parse(each.ends_at) - Date.parse("2026-11-21")) / 86_400_000;
      assert.ok(days > 0 && days <= 90, `${each.id} ends after ${days} days`);
      for (const metric of [
        each.metrics.primary,
        ...each.metrics.secondary,
        ...each.metrics.guardrails.map(({ metric }) => metric),
      ]) {
        assert.ok(metric in document.metrics, metric);
      }
    }
    assert.deepEqual(
      experiment("badge").variants.map(({ id, rewrite }) => [id, rewrite]),
      [
        ["control", undefined],
        ["stars", undefined],
      ],
    );
    assert.ok(experiment("checkout").layer in document.layers);
  });
});

describe("as a program", () => {
  const program = fileURLToPath(new URL("../../demo/shop.mjs", import.meta.url));
  const run = (...options) => spawn(process.execPath, [program, ...options], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = (child) => new Promise((resolve) => child.once("exit", (code) => resolve(code)));

  test("says where it is, serves, and ends when told", async () => {
    const child = run("--port", "0");
    const line = await new Promise((resolve) => child.stdout.once("data", (data) => resolve(String(data))));
    const url = /^Larkmoor shop at (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line)[1];
    assert.equal((await fetch(url)).status, 200);
    child.kill("SIGTERM");
    assert.equal(await ended(child), 0);
  });

  test("a port in use, and one that is none, are said plainly", async () => {
    assert.equal(await ended(run("--port", new URL(shop.url).port)), 1);
    assert.equal(await ended(run("--port", "many")), 2);
    assert.equal(await ended(run("--prot", "1")), 2);
  });
});
