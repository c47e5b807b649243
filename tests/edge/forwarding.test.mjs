// Untouched means untouched: what comes reaches the origin as it came, once, and what the origin answers leaves as it
// was sent. Every case is asked of a page without an experiment (/u) and, where it makes sense, of one with (/t).

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { BROWSER, documentOf, ours, startWorld, treatment, until } from "./world.mjs";

const UNTOUCHED = "/u/page";
const TREATED = "/t/page";
const BOTH = [UNTOUCHED, TREATED];
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

let world;
before(async () => {
  const rewrite = [{ select: "h1", do: "set_text", value: "Hello" }];
  world = await startWorld({ document: documentOf([treatment(rewrite, { pages: ["/t/*"], methods: METHODS })]) });
  await world.ask("/warm");
});
after(() => world.close());
beforeEach(() => world.origin.forget());

/** Answers `/u/page` and `/t/page` alike. */
function serve(answer) {
  for (const path of BOTH) {
    if (typeof answer === "function") world.origin.on(path, answer);
    else world.origin.serve(path, answer);
  }
}

/** Answers when the request is there as a whole. */
async function thanks(_request, response, seen) {
  await seen.whole;
  response.writeHead(200, { "Content-Type": "text/plain" });
  response.end("thanks");
}

/** Header lines without those that a hop may add or leave out. */
const HOP = ["connection", "date", "keep-alive", "transfer-encoding"];
function endToEnd(fields) {
  const lines = [];
  for (const [name, value] of fields.map(([name, value]) => [name.toLowerCase(), value])) {
    const same = name !== "set-cookie" && lines.find(([other]) => other === name);
    // why: repeated lines may be joined (RFC 9110, section 5.3), and the runtime does
    if (same) same[1] += `, ${value}`;
    else if (!HOP.includes(name)) lines.push([name, value]);
  }
  return lines.sort();
}
const pairs = (list) => list.flatMap((value, i) => (i % 2 ? [] : [[value, list[i + 1]]]));

describe("a request reaches the origin as it came, once", () => {
  const HEADERS = [
    "Accept",
    "text/html;q=0.9, */*;q=0.1",
    "Accept-Language",
    "de-CH",
    "Cookie",
    'a=1; b="2"; c',
    "Referer",
    "https://elsewhere.example/x?y=1",
    "User-Agent",
    BROWSER,
    "X-Odd",
    "tabs\tand  blanks",
    "Authorization",
    "Basic Zm9vOmJhcg==",
  ];
  for (const path of BOTH) {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]) {
      test(`${method} ${path}`, async () => {
        serve({ headers: ["Content-Type", "application/json"], body: "{}" });
        const body = ["POST", "PUT", "PATCH"].includes(method) ? '{"n":1}' : undefined;
        const target = `${path}?q=1&q=2&empty=&plus=a+b&escaped=%2f%C3%BC`;
        await world.ask(target, {
          method,
          headers: [...HEADERS, ...(body ? ["Content-Type", "application/json"] : [])],
          body,
        });
        assert.equal(world.origin.requests.length, 1);
        const [request] = world.origin.requests;
        await request.whole;
        assert.equal(request.method, method);
        assert.equal(request.url, target);
        assert.equal(request.body.toString(), body ?? "");
        const arrived = endToEnd(request.fields).filter(
          ([name]) => !["host", "content-length", "content-type"].includes(name),
        );
        const [told, rest] = [
          arrived.filter(([name]) => name.startsWith("sortition-")),
          arrived.filter(([name]) => !name.startsWith("sortition-")),
        ];
        assert.deepEqual(rest, endToEnd(pairs(HEADERS)));
        assert.deepEqual(
          told.map(([name]) => name),
          // why: what only asks about a page is no visit of it
          path === TREATED && method !== "OPTIONS" ? ["sortition-variants", "sortition-visitor"] : [],
        );
      });
    }

    test(`${path}: Sortition-* headers from outside are dropped`, async () => {
      serve({});
      const headers = {
        "Sortition-Variants": "hero=forged",
        "sortition-visitor": "forged-visitor",
        "SORTITION-ANYTHING": "x",
        "X-Sortition": "stays",
      };
      await world.ask(path, { headers });
      const [request] = world.origin.requests;
      assert.equal(request.headers["x-sortition"], "stays");
      const told = ours(request.fields);
      assert.ok(!JSON.stringify(told).includes("forged"));
      assert.equal(request.headers["sortition-anything"], undefined);
      assert.equal(told.length, path === TREATED ? 2 : 0);
    });

    test(`${path}: a body is streamed`, async () => {
      serve(thanks);
      const answer = new Promise((resolve, reject) => {
        const options = {
          host: world.url.hostname,
          port: world.url.port,
          path,
          method: "POST",
          agent: false,
          headers: { "User-Agent": BROWSER },
        };
        const request = http.request(options, async (response) => {
          let text = "";
          for await (const chunk of response) text += chunk;
          resolve(text);
        });
        request.on("error", reject);
        request.write("first ");
        // why: were the body collected first, the origin would never see this part before the last one is sent
        until(() => world.origin.of(path)[0]?.body.toString() === "first ", "the first part to reach the origin").then(
          () => request.end("last"),
          (error) => request.destroy(error),
        );
      });
      assert.equal(await answer, "thanks");
      const [request] = world.origin.of(path);
      await request.whole;
      assert.equal(request.body.toString(), "first last");
      assert.equal(world.origin.requests.length, 1);
    });

    test(`${path}: a large body arrives whole`, async () => {
      serve(thanks);
      const body = Buffer.alloc(3 << 20, "0123456789abcdef");
      await world.ask(path, { method: "POST", body });
      const [request] = world.origin.of(path);
      await request.whole;
      assert.ok(request.body.equals(body));
    });
  }

  for (const path of [
    "/u/a%zz",
    "/u/%",
    "/u/%ff%fe",
    "/u//double//slash",
    "/u/%C3%A4;v=1,2",
    "/u/?",
    "/u/page?x=%zz&y=%ff",
    "/t/%zz%",
  ]) {
    test(`the path ${path}`, async () => {
      const answer = await world.ask(path);
      assert.equal(answer.status, 200);
      assert.equal(world.origin.requests.length, 1);
      assert.equal(world.origin.requests[0].url, path);
    });
  }

  for (const host of ["unknown.example", "UNKNOWN.example:99", "xn--bcher-kva.example", "10.0.0.1"]) {
    test(`the host ${host}`, async () => {
      for (const path of BOTH) {
        serve({});
        assert.equal((await world.ask(path, { host })).status, 200);
      }
      assert.equal(world.origin.requests.length, 2);
    });
  }
});

describe("an answer leaves as the origin sent it", () => {
  const gzipped = gzipSync("compressed ".repeat(50));
  const brotli = brotliCompressSync("compressed ".repeat(50));
  const latin = Buffer.from("<!doctype html><h2>Stra\xdfe f\xfcr S\xe4ulen</h2>", "latin1");
  const binary = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) & 0xff));
  const HTML = "text/html; charset=utf-8";

  /** On a page with an experiment only what the visitor and caches need is added: these headers are left out there. */
  const ADDED = ["set-cookie", "cache-control", "sortition-variants", "etag", "last-modified", "vary", "server-timing"];

  const ANSWERS = {
    "several cookies": {
      headers: [
        "Content-Type",
        "application/json",
        "Set-Cookie",
        "a=1; Path=/",
        "Set-Cookie",
        "b=2; Expires=Wed, 09 Jun 2027 10:18:14 GMT",
        "Set-Cookie",
        "a=3",
      ],
      body: "{}",
    },
    "repeated headers": {
      headers: ["Content-Type", "text/plain", "Link", "</a>; rel=preload", "Link", "</b>; rel=preload", "X-Empty", ""],
      body: "x",
    },
    "a 302": { status: 302, headers: ["Location", "/elsewhere?x=1", "Content-Type", "text/plain"], body: "moved" },
    "a 301 to another host": { status: 301, headers: ["Location", "https://other.example/"], body: "" },
    "a 307": { status: 307, headers: ["Location", "/login"], body: "" },
    "a 204": { status: 204, headers: ["X-A", "b"], body: undefined },
    "a 404 page": { status: 404, headers: ["Content-Type", HTML], body: "<h1>Not here</h1>" },
    "a 410": { status: 410, headers: ["Content-Type", "text/plain"], body: "gone" },
    "a 500 page": { status: 500, headers: ["Content-Type", HTML], body: "<h1>Broken</h1>" },
    "a 503 with Retry-After": {
      status: 503,
      headers: ["Content-Type", HTML, "Retry-After", "120"],
      body: "<h1>Back soon</h1>",
    },
    "an unusual status": { status: 299, headers: ["Content-Type", "text/plain"], body: "odd" },
    gzip: {
      headers: ["Content-Type", "application/json", "Content-Encoding", "gzip", "Content-Length", gzipped.length],
      body: gzipped,
    },
    brotli: {
      headers: ["Content-Type", "text/css", "Content-Encoding", "br", "Content-Length", brotli.length],
      body: brotli,
    },
    "a picture": {
      headers: ["Content-Type", "image/png", "Content-Length", binary.length, "Accept-Ranges", "bytes"],
      body: binary,
    },
    "an empty body": { headers: ["Content-Type", "text/plain", "Content-Length", "0"], body: "" },
    "policies and validators": {
      headers: [
        "Content-Type",
        "text/plain",
        "Cache-Control",
        "public, max-age=60, s-maxage=600",
        "ETag",
        '"abc"',
        "Last-Modified",
        "Wed, 18 Nov 2026 10:00:00 GMT",
        "Vary",
        "Accept-Encoding",
        "Content-Security-Policy",
        "default-src 'self'",
      ],
      body: "x",
    },
  };

  for (const [what, answer] of Object.entries(ANSWERS)) {
    for (const path of BOTH) {
      test(`${path}: ${what}`, async () => {
        serve(answer);
        const got = await world.ask(path, { headers: { "Accept-Encoding": "gzip, br" } });
        assert.equal(got.status, answer.status ?? 200);
        assert.ok(got.bytes.equals(Buffer.from(answer.body ?? "")), "the same bytes");
        assert.equal(world.origin.requests.length, 1);
        const sent = endToEnd(pairs(answer.headers.map(String)));
        // why: with no length in the answer a hop may add one, for it knows where the body ends
        const ignored = sent.some(([name]) => name === "content-length") ? [] : ["content-length"];
        const wanted = (fields) =>
          fields.filter(([name]) => !ignored.includes(name) && (path === UNTOUCHED || !ADDED.includes(name)));
        assert.deepEqual(wanted(endToEnd(got.fields)), wanted(sent));
        const cookies = sent.filter(([name]) => name === "set-cookie").map(([, value]) => value);
        const theirs = got.setCookies.filter((line) => !line.startsWith("sortition_"));
        assert.deepEqual(theirs.sort(), cookies.sort(), "each of the origin's cookies");
      });
    }
  }

  test("cookies leave in the origin's order", async () => {
    serve(ANSWERS["several cookies"]);
    const got = await world.ask(UNTOUCHED);
    assert.deepEqual(got.setCookies, ["a=1; Path=/", "b=2; Expires=Wed, 09 Jun 2027 10:18:14 GMT", "a=3"]);
  });

  test("an untouched page in gzip, brotli or another charset", async () => {
    const page = gzipSync("<!doctype html><h1>Welcome</h1>");
    const bodies = [
      [["Content-Type", HTML, "Content-Encoding", "gzip"], page],
      [["Content-Type", HTML, "Content-Encoding", "br"], brotliCompressSync("<!doctype html><h1>Welcome</h1>")],
      [["Content-Type", "text/html; charset=iso-8859-1"], latin],
      [["Content-Type", "text/html"], latin],
    ];
    for (const [headers, body] of bodies) {
      world.origin.serve(UNTOUCHED, { headers, body });
      const got = await world.ask(UNTOUCHED, { headers: { "Accept-Encoding": "gzip, br" } });
      assert.ok(got.bytes.equals(body), headers.join());
    }
  });

  for (const path of BOTH) {
    test(`${path}: HEAD has the headers, the length of what is not rewritten too, and no body`, async () => {
      serve({ headers: ["Content-Type", "application/pdf", "Content-Length", "12345", "X-A", "b"], body: "" });
      const got = await world.ask(path, { method: "HEAD" });
      assert.equal(got.status, 200);
      assert.equal(got.headers["content-length"], "12345");
      assert.equal(got.headers["x-a"], "b");
      assert.equal(got.bytes.length, 0);
      assert.equal(world.origin.requests[0].method, "HEAD");
    });
  }

  test("HEAD of a page that is rewritten names no length, for it is not the original's", async () => {
    serve({ headers: ["Content-Type", HTML, "Content-Length", "12345"], body: "" });
    assert.equal((await world.ask(TREATED, { method: "HEAD" })).headers["content-length"], undefined);
    assert.equal((await world.ask(UNTOUCHED, { method: "HEAD" })).headers["content-length"], "12345");
  });

  test("304: the validator goes to the origin, its answer comes back", async () => {
    world.origin.on(UNTOUCHED, (request, response) => {
      const fresh = request.headers["if-none-match"] === '"v1"';
      response.writeHead(fresh ? 304 : 200, { ETag: '"v1"', "Cache-Control": "public, max-age=5" });
      response.end(fresh ? undefined : "page");
    });
    const got = await world.ask(UNTOUCHED, { headers: { "If-None-Match": '"v1"' } });
    assert.equal(got.status, 304);
    assert.equal(got.headers.etag, '"v1"');
    assert.equal(got.headers["cache-control"], "public, max-age=5");
    assert.equal(got.bytes.length, 0);
    assert.equal(
      (await world.ask(UNTOUCHED, { headers: { "If-Modified-Since": "Wed, 18 Nov 2026 10:00:00 GMT" } })).status,
      200,
    );
    assert.equal(world.origin.requests[1].headers["if-modified-since"], "Wed, 18 Nov 2026 10:00:00 GMT");
  });

  test("206 with Range", async () => {
    world.origin.on(UNTOUCHED, (request, response) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range);
      const part = binary.subarray(Number(from), Number(to) + 1);
      response.writeHead(206, {
        "Content-Type": "video/mp4",
        "Content-Range": `bytes ${from}-${to}/${binary.length}`,
        "Content-Length": part.length,
      });
      response.end(part);
    });
    const got = await world.ask(UNTOUCHED, { headers: { Range: "bytes=10-99", "If-Range": '"v1"' } });
    assert.equal(got.status, 206);
    assert.equal(got.headers["content-range"], `bytes 10-99/${binary.length}`);
    assert.equal(got.headers["content-length"], "90");
    assert.ok(got.bytes.equals(binary.subarray(10, 100)));
    assert.equal(world.origin.requests[0].headers["if-range"], '"v1"');
  });

  // why: a part of a page that would be rewritten is a part of other bytes
  test("a part of a page that is rewritten never leaves as a part of the original", async () => {
    const page = "<!doctype html><html><body><h1>Welcome</h1></body></html>";
    world.origin.on(TREATED, (request, response) => {
      const range = request.headers.range;
      response.writeHead(range ? 206 : 200, {
        "Content-Type": HTML,
        ...(range ? { "Content-Range": `bytes 0-9/${page.length}` } : {}),
      });
      response.end(range ? page.slice(0, 10) : page);
    });
    const got = await world.ask(TREATED, { headers: { Range: "bytes=0-9" } });
    assert.equal(got.status, 200);
    assert.match(got.text, /<h1>Hello<\/h1><\/body><\/html>$/);
  });

  test("a large answer arrives whole", async () => {
    const body = Buffer.alloc(8 << 20, "0123456789abcdef");
    serve({ headers: ["Content-Type", "application/octet-stream", "Content-Length", body.length], body });
    for (const path of BOTH) assert.ok((await world.ask(path)).bytes.equals(body));
  });
});

describe("streams", () => {
  const open = [];
  afterEach(() => {
    for (const response of open.splice(0)) response.destroy();
  });

  for (const [path, type] of [
    [UNTOUCHED, "text/html"],
    [TREATED, "text/plain"],
    [TREATED, "text/html"],
  ]) {
    test(`${path}, ${type}: the first part leaves before the last is there`, async () => {
      let finish;
      world.origin.on(path, (_request, response) => {
        open.push(response);
        response.writeHead(200, { "Content-Type": type });
        response.write(`<html><body><p>${"first part ".repeat(20)}</p>`);
        finish = () => response.end("<p>last part</p></body></html>");
      });
      const text = await new Promise((resolve, reject) => {
        http
          .get(
            { host: world.url.hostname, port: world.url.port, path, agent: false, headers: { "User-Agent": BROWSER } },
            async (response) => {
              let text = "";
              try {
                for await (const chunk of response) {
                  text += chunk;
                  // why: the origin ends only once the visitor has its first part: collecting the page would wait for ever
                  if (text.includes("first part")) finish?.();
                }
                resolve(text);
              } catch (error) {
                reject(error);
              }
            },
          )
          .on("error", reject);
      });
      assert.match(text, /first part.*last part/s);
    });

    test(`${path}, ${type}: an answer that the origin breaks off is broken off, not ended`, async () => {
      world.origin.on(path, (_request, response) => {
        response.writeHead(200, { "Content-Type": type });
        response.write(`<html><body><p>${"first part ".repeat(20)}</p>`);
        setTimeout(() => response.destroy(), 50);
      });
      await assert.rejects(world.ask(path), (error) => {
        assert.equal(error.status, 200);
        assert.match(error.received.toString(), /first part/);
        return true;
      });
      assert.equal(world.origin.of(path).length, 1, "it is not asked for again");
    });

    test(`${path}, ${type}: when the visitor leaves, the origin learns of it`, async () => {
      let closed = false;
      world.origin.on(path, (_request, response) => {
        response.writeHead(200, { "Content-Type": type });
        const timer = setInterval(() => response.write("<p>more and more</p>".repeat(100)), 10);
        response.on("close", () => {
          clearInterval(timer);
          closed = true;
        });
      });
      await new Promise((resolve, reject) => {
        const request = http.get(
          { host: world.url.hostname, port: world.url.port, path, agent: false, headers: { "User-Agent": BROWSER } },
          (response) => {
            response.once("data", () => {
              request.destroy();
              resolve();
            });
          },
        );
        request.on("error", reject);
      });
      await until(() => closed, "the origin's connection to close");
    });
  }

  for (const path of BOTH) {
    test(`${path}: a WebSocket echoes`, async () => {
      const socket = new WebSocket(`ws://${world.url.host}${path}`);
      const said = [];
      await new Promise((resolve, reject) => {
        socket.addEventListener("error", () => reject(new Error("the socket failed")));
        socket.addEventListener("open", () => socket.send("one"));
        socket.addEventListener("message", ({ data }) => {
          said.push(data);
          if (said.length < 2) socket.send("two");
          else socket.close();
        });
        socket.addEventListener("close", resolve);
      });
      assert.deepEqual(said, ["ONE", "TWO"]);
      assert.equal(world.origin.requests.length, 1);
    });
  }
});

describe("an origin that is not there", () => {
  for (const [why, url] of [
    ["nothing listens", async () => `http://127.0.0.1:${await freePort()}`],
    ["ORIGIN_URL is no URL", async () => "shop.example"],
  ]) {
    test(`is a 502 that nobody keeps: ${why}`, async (t) => {
      const lonely = await startWorld({ document: documentOf([treatment([])]), vars: { ORIGIN_URL: await url() } });
      t.after(() => lonely.close());
      for (const path of ["/", "/u"]) {
        const got = await lonely.ask(path);
        assert.equal(got.status, 502);
        assert.equal(got.headers["cache-control"], "no-store");
      }
      assert.match(lonely.log(), /the origin did not answer.*Check ORIGIN, ORIGIN_URL/);
    });
  }
});

/** A port on which nothing listens. */
function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
