// Rewriting: what each step does to a page, streaming, whatever the page's coding and charset.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { documentOf, startWorld, treatment } from "./world.mjs";

const page = (body) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title></head><body>${body}</body></html>`;

/** Steps, a page's body, and the body that a visitor gets. */
const CASES = {
  set_text: [
    [{ select: "h1", do: "set_text", value: "Hello" }],
    "<h1 id=a>Old <b>title</b></h1>",
    "<h1 id=a>Hello</h1>",
  ],
  "set_text escapes": [
    [{ select: "h1", do: "set_text", value: `<script>alert("1")</script> & more` }],
    "<h1>x</h1>",
    `<h1>&lt;script&gt;alert("1")&lt;/script&gt; &amp; more</h1>`,
  ],
  "set_text of every match": [
    [{ select: "li", do: "set_text", value: "x" }],
    "<ul><li>1</li><li>2</li></ul>",
    "<ul><li>x</li><li>x</li></ul>",
  ],
  set_html: [
    [{ select: "#p", do: "set_html", value: "<em>New</em> &amp; good" }],
    "<p id=p>old</p>",
    "<p id=p><em>New</em> &amp; good</p>",
  ],
  set_attribute: [
    [{ select: "a", do: "set_attribute", name: "href", value: "/b?x=1&y=2" }],
    `<a href="/a">x</a>`,
    `<a href="/b?x=1&y=2">x</a>`,
  ],
  "set_attribute adds one": [
    [{ select: "a", do: "set_attribute", name: "data-x", value: "1" }],
    `<a href="/a">x</a>`,
    `<a href="/a" data-x="1">x</a>`,
  ],
  "set_attribute escapes quotes": [
    [{ select: "a", do: "set_attribute", name: "title", value: `"><script>` }],
    `<a title="t">x</a>`,
    `<a title="&quot;><script>">x</a>`,
  ],
  remove_attribute: [
    [{ select: "a", do: "remove_attribute", name: "target" }],
    `<a href="/" target="_blank">x</a>`,
    `<a href="/">x</a>`,
  ],
  add_class: [[{ select: "p", do: "add_class", value: "new" }], `<p class="a b">x</p>`, `<p class="a b new">x</p>`],
  "add_class to none": [[{ select: "p", do: "add_class", value: "new" }], "<p>x</p>", `<p class="new">x</p>`],
  "add_class twice": [[{ select: "p", do: "add_class", value: "a" }], `<p class="a">x</p>`, `<p class="a">x</p>`],
  remove_class: [[{ select: "p", do: "remove_class", value: "b" }], `<p class="a b c">x</p>`, `<p class="a c">x</p>`],
  "remove_class, the last": [[{ select: "p", do: "remove_class", value: "b" }], `<p class="b">x</p>`, "<p>x</p>"],
  "before, as text": [[{ select: "p", do: "before", value: "<i>1</i>" }], "<p>x</p>", "&lt;i&gt;1&lt;/i&gt;<p>x</p>"],
  "before, as HTML": [[{ select: "p", do: "before", value: "<i>1</i>", html: true }], "<p>x</p>", "<i>1</i><p>x</p>"],
  after: [[{ select: "p", do: "after", value: "<i>1</i>", html: true }], "<p>x</p>", "<p>x</p><i>1</i>"],
  prepend: [[{ select: "p", do: "prepend", value: "<i>1</i>", html: true }], "<p>x</p>", "<p><i>1</i>x</p>"],
  append: [[{ select: "p", do: "append", value: "a < b" }], "<p>x</p>", "<p>xa &lt; b</p>"],
  replace: [[{ select: "p", do: "replace", value: "<div>1</div>", html: true }], "<p>x <b>y</b></p>z", "<div>1</div>z"],
  remove: [[{ select: ".ad", do: "remove" }], `<p>x</p><div class="ad"><p>y</p></div><p>z</p>`, "<p>x</p><p>z</p>"],
  "several steps, one after the other": [
    [
      { select: "h1", do: "set_text", value: "Hello" },
      { select: "h1", do: "add_class", value: "big" },
      { select: "h1", do: "after", value: "!" },
    ],
    "<h1>x</h1>",
    `<h1 class="big">Hello</h1>!`,
  ],
  "a selector that matches nothing": [[{ select: ".nothing", do: "remove" }], "<h1>x</h1>", "<h1>x</h1>"],
  "selectors of every kind": [
    [{ select: `section > p.lead[data-x^="1"]:nth-child(2)`, do: "set_text", value: "y" }],
    `<section><p>1</p><p class="lead" data-x="12">2</p></section><p class="lead" data-x="1">3</p>`,
    `<section><p>1</p><p class="lead" data-x="12">y</p></section><p class="lead" data-x="1">3</p>`,
  ],
  "markup that is not quite right": [
    [{ select: "h1", do: "set_text", value: "y" }],
    "<p>a<h1>x</h1></div><b><i>z</b><br/>&nope;<p",
    "<p>a<h1>y</h1></div><b><i>z</b><br/>&nope;<p",
  ],
  "text that only looks like the element": [
    [{ select: "h1", do: "set_text", value: "y" }],
    "<script>var a = '<h1>x</h1>';</script><!-- <h1>x</h1> --><textarea><h1>x</h1></textarea><h1>x</h1>",
    "<script>var a = '<h1>x</h1>';</script><!-- <h1>x</h1> --><textarea><h1>x</h1></textarea><h1>y</h1>",
  ],
};

const names = Object.keys(CASES);
const pathOf = (name) => `/case/${names.indexOf(name)}`;
const HELLO = [{ select: "h1", do: "set_text", value: "Hello" }];
const UMLAUT = [{ select: "h1", do: "set_text", value: "Grüße — 雪" }];

let world;
before(async () => {
  const experiments = names.map((name, i) => treatment(CASES[name][0], { id: `case-${i}`, pages: [pathOf(name)] }));
  experiments.push(treatment(HELLO, { pages: ["/hello"] }), treatment(UMLAUT, { id: "umlaut", pages: ["/umlaut"] }));
  world = await startWorld({ document: documentOf(experiments) });
});
after(() => world.close());

describe("steps", () => {
  for (const name of names) {
    test(name, async () => {
      const [, body, expected] = CASES[name];
      world.origin.serve(pathOf(name), { body: page(body) });
      const got = await world.ask(pathOf(name));
      assert.equal(got.status, 200);
      assert.equal(got.text, page(expected));
      assert.equal(got.headers["content-type"], "text/html; charset=utf-8");
    });
  }
});

describe("codings", () => {
  const before = page(`<h1>x</h1>${"<p>filler</p>".repeat(500)}`);
  const expected = before.replace("<h1>x", "<h1>Hello");
  const CODINGS = { gzip: [gzipSync, gunzipSync], br: [brotliCompressSync, brotliDecompressSync] };

  for (const [coding, [encode, decode]] of Object.entries(CODINGS)) {
    test(`a page in ${coding} is rewritten, and leaves in a coding that the visitor reads`, async () => {
      const body = encode(before);
      world.origin.serve("/hello", {
        headers: ["Content-Type", "text/html", "Content-Encoding", coding, "Content-Length", body.length],
        body,
      });
      const got = await world.ask("/hello", { headers: { "Accept-Encoding": coding } });
      const sent = got.headers["content-encoding"];
      assert.ok(sent === coding || sent === undefined);
      assert.equal((sent ? decode(got.bytes) : got.bytes).toString(), expected);
      if (got.headers["content-length"]) assert.equal(Number(got.headers["content-length"]), got.bytes.length);
    });
  }

  test("the origin is only asked for codings that the rewriter reads", async () => {
    world.origin.forget();
    world.origin.serve("/hello", { body: before });
    await world.ask("/hello", { headers: { "Accept-Encoding": "zstd, deflate, gzip;q=0.8, br;q=0.9, dcb" } });
    const asked = world.origin.of("/hello")[0].headers["accept-encoding"] ?? "identity";
    const codings = asked.split(",").map((coding) => coding.split(";")[0].trim());
    assert.ok(
      codings.every((coding) => ["gzip", "br", "identity"].includes(coding)),
      asked,
    );
  });

  test("a page in a coding that nobody here reads passes as it is", async () => {
    const body = Buffer.from("this is not really zstandard");
    world.origin.serve("/hello", { headers: ["Content-Type", "text/html", "Content-Encoding", "zstd"], body });
    const got = await world.ask("/hello", { headers: { "Accept-Encoding": "zstd" } });
    assert.equal(got.headers["content-encoding"], "zstd");
    assert.ok(got.bytes.equals(body));
  });
});

describe("charsets", () => {
  const TEXT = "Straße für Säulen";
  for (const [type, encoding] of [
    ["text/html; charset=iso-8859-1", "latin1"],
    ["text/html; charset=windows-1252", "latin1"],
    ["text/html; charset=UTF-8", "utf8"],
    ["text/html", "utf8"],
  ]) {
    test(`${type}: the page's own text stays`, async () => {
      const body = Buffer.from(`<html><body><p>${TEXT}</p><h1>x</h1><p>${TEXT}</p></body></html>`, encoding);
      world.origin.serve("/hello", { headers: ["Content-Type", type], body });
      const got = await world.ask("/hello");
      assert.equal(
        got.bytes.toString(encoding),
        `<html><body><p>${TEXT}</p><h1>Hello</h1><p>${TEXT}</p></body></html>`,
      );
      assert.equal(got.headers["content-type"], type);
    });

    test(`${type}: what is put in reads right`, async () => {
      world.origin.serve("/umlaut", {
        headers: ["Content-Type", type],
        body: Buffer.from("<html><body><h1>x</h1></body></html>", encoding),
      });
      const got = await world.ask("/umlaut");
      const label = encoding === "latin1" ? "windows-1252" : "utf-8";
      const read = new TextDecoder(label)
        .decode(got.bytes)
        // why: without a charset in the header text goes in as character references, decimal or hexadecimal
        .replaceAll(/&#(x?[0-9a-f]+);/gi, (_, code) => String.fromCodePoint(Number(code.replace(/^x/i, "0x"))));
      assert.match(read, /<h1>Grüße — 雪<\/h1>/);
    });
  }
});

describe("what is not rewritten", () => {
  const html = page("<h1>x</h1>");
  const CASES = [
    ["a page to a POST", { method: "POST", body: "a=1" }, {}],
    ["a 404 page", {}, { status: 404 }],
    ["a 500 page", {}, { status: 500 }],
    ["text", {}, { headers: ["Content-Type", "text/plain"] }],
    ["XML", {}, { headers: ["Content-Type", "application/xhtml+xml"] }],
    ["no type at all", {}, { headers: [] }],
    ["a type that begins like HTML", {}, { headers: ["Content-Type", "text/html-sandboxed"] }],
  ];
  for (const [what, request, answer] of CASES) {
    test(what, async () => {
      world.origin.serve("/hello", { body: html, ...answer });
      const got = await world.ask("/hello", request);
      assert.equal(got.status, answer.status ?? 200);
      assert.equal(got.text, html);
    });
  }

  for (const type of ["TEXT/HTML", "text/html;charset=utf-8", "text/html ; charset=utf-8"]) {
    test(`but ${type} is`, async () => {
      world.origin.serve("/hello", { headers: ["Content-Type", type], body: html });
      assert.match((await world.ask("/hello")).text, /Hello/);
    });
  }
});

test("headers that speak of the original's bytes go", async () => {
  const body = page("<h1>x</h1>");
  const headers = [
    "Content-Type",
    "text/html",
    "Content-Length",
    body.length,
    "Accept-Ranges",
    "bytes",
    "Digest",
    "sha-256=abc",
    "Content-MD5",
    "abc",
    "X-Other",
    "stays",
  ];
  world.origin.serve("/hello", { headers, body });
  const got = await world.ask("/hello");
  assert.equal(got.text, body.replace(">x<", ">Hello<"));
  for (const name of ["accept-ranges", "digest", "content-md5"]) assert.equal(got.headers[name], undefined, name);
  assert.equal(got.headers["x-other"], "stays");
  if (got.headers["content-length"]) assert.equal(Number(got.headers["content-length"]), got.bytes.length);
});

test("a large page is rewritten to its end", async () => {
  const body = page(`<h1>x</h1>${"<p>filler</p>".repeat(200_000)}<h1>end</h1>`);
  world.origin.serve("/hello", { body });
  const got = await world.ask("/hello");
  assert.equal(got.text, body.replace(">x<", ">Hello<").replace(">end<", ">Hello<"));
});

describe("what a visit adds, on pages that leave out their tags", () => {
  const BLOCK = `<script type="application/json" id="sortition">{"variants":{"hero":"bold"},"payload":{}}</script>`;
  const HTML = `<html data-sortition="{&quot;variants&quot;:{&quot;hero&quot;:&quot;bold&quot;},&quot;payload&quot;:{}}">`;
  /** A page; where a block of data goes in it, and where the attribute. */
  const PAGES = [
    ["<head><title>t</title></head><body>", "<head>+<title>", "+<head>"],
    ["<!doctype html><body><p>x", "html>+<body>", "html>+<body>"],
    ["<!doctype html><meta charset=utf-8><title>t</title><p>x", "utf-8>+<title>", "utf-8>+<title>"],
    ["<!doctype html><title>t</title><title>u</title><body>", "html>+<title>t", "html>+<title>t"],
    ["<svg><title>s</title></svg><body>", "</svg>+<body>", "</svg>+<body>"],
    ["<svg><title>s</title></svg><p>x", "", ""],
  ];
  for (const [n, bridge] of ["script", "attribute"].entries()) {
    test(`the bridge as ${bridge}`, async () => {
      await world.publish(documentOf([treatment([])], { bridge }));
      for (const [body, ...places] of PAGES) {
        world.origin.serve("/", { body });
        const { text } = await world.ask("/");
        const added = places[n].replace("+", bridge === "script" ? BLOCK : HTML);
        assert.equal(text, body.replace(places[n].replace("+", ""), added));
      }
    });
  }

  test("the bar of a preview, at the end", async () => {
    await world.publish(documentOf([treatment([])], { preview: "open" }));
    for (const [body] of PAGES) {
      world.origin.serve("/", { body });
      const { text } = await world.ask("/", { cookie: "sortition_preview=hero:bold" });
      assert.ok(text.startsWith(body) && /<aside id="sortition-preview".*<\/aside>$/.test(text), text);
    }
  });
});

test("a selector that the rewriter does not know costs that step, not the page", async () => {
  const steps = [{ select: "h1 >> [", do: "set_text", value: "broken" }, ...HELLO];
  // why: a document with such a step may be refused altogether; then the page passes untouched
  world.setKey("config", { ...documentOf([treatment(steps)]), revision: "broken selector" });
  await world.settled((health) => health.config_error || health.config_revision === "broken selector");
  world.origin.serve("/", { body: page("<h1>x</h1>") });
  const got = await world.ask("/");
  assert.equal(got.status, 200);
  assert.ok([page("<h1>x</h1>"), page("<h1>Hello</h1>")].includes(got.text), got.text);
});

describe("what the steps meet", () => {
  const steps = [
    { select: "h1", do: "set_text", value: "Hello" },
    { select: ".gone", do: "remove" },
    { select: "p", do: "add_class", value: "x" },
  ];
  const body = page("<h1>x</h1><p>1</p><p>2</p>");
  const rewrites = async () => (await world.health()).rewrites;

  test("is counted for /health; a step that met nothing on twenty pages is named there and in the log, once", async () => {
    world.origin.serve("/", { body });
    await world.publish(documentOf([treatment(steps), treatment(HELLO, { id: "elsewhere", pages: ["/never"] })]));
    assert.deepEqual(await rewrites(), []);
    for (let view = 0; view < 25; view++) await world.ask("/");
    assert.deepEqual(await rewrites(), [
      {
        variant: "hero=bold",
        pages: 25,
        steps: [
          { select: ".gone", do: "remove", hits: 0 },
          { select: "h1", do: "set_text", hits: 25 },
          { select: "p", do: "add_class", hits: 50 },
        ],
      },
    ]);
    const complaints = () => world.log().match(/hero=bold: remove of "\.gone" met nothing on 20 pages/g)?.length;
    assert.equal(complaints(), 1);
    assert.doesNotMatch(world.log(), /hero=bold: (set_text|add_class) of/);
  });

  test("starts anew with a new document, and stays short with many", async () => {
    const many = Array.from({ length: 30 }, (_, n) =>
      treatment(
        Array.from({ length: 30 }, (_, step) => ({ select: `.${"a".repeat(200)}${step}`, do: "remove" })),
        { id: `many-${n}` },
      ),
    );
    await world.publish(documentOf(many));
    assert.deepEqual(await rewrites(), []);
    for (let view = 0; view < 21; view++) await world.ask("/");
    const shown = await rewrites();
    assert.equal(shown.length, 20);
    assert.ok(shown.every(({ steps }) => steps.length === 20 && steps.every(({ select }) => select.length <= 100)));
    assert.ok(JSON.stringify(shown).length < 80_000);
  });
});
