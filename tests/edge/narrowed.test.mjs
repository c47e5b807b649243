// Pages that are the same byte for byte, by their origin's strong entity tag: from the second on the rewriter looks only at
// elements with the tags that a selector met before. Every page comes out as one that is read whole, whoever sees it first.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { documentOf, experiment, startWorld } from "./world.mjs";

const READ_BEFORE = 3;
const READ_AGAIN = 64;

const halves = (id, rewrite, rest = {}) =>
  experiment({
    id,
    pages: ["/*"],
    variants: [
      { id: "control", weight: 1 },
      { id: "bold", weight: 1, rewrite },
    ],
    ...rest,
  });
const ALL = [
  halves("texts", [
    { select: "#headline", do: "set_text", value: "Grüße & <more>" },
    { select: "main .card", do: "append", value: "<b>!</b>", html: true },
    { select: ".card", do: "add_class", value: "is-new" },
  ]),
  halves(
    "attributes",
    [
      { select: "[data-a='x > y']", do: "set_attribute", name: "data-b", value: "1" },
      { select: "h2", do: "remove" },
      { select: ".not-there", do: "set_text", value: "never" },
    ],
    { expose: "selector" },
  ),
  halves("nowhere", [{ select: "#not-there", do: "set_text", value: "never" }], { expose: "selector" }),
];

const html = (body) => `<!doctype html><html><head><title>x</title></head><body><main>${body}</main></body></html>`;
const cards = Array.from(
  { length: 300 },
  (_, n) => `<${n % 3 ? "article" : "li"} class="card">№ ${n}</${n % 3 ? "article" : "li"}>`,
);
const PAGES = {
  "/cards": html(`<h1 id="headline">Tents</h1><h2>x</h2>${cards.join("\n")}<p data-a="x > y">p</p>`),
  "/twice": html(
    `<h1 id=headline>Tents</h1><P ID='headline'>phone</P><my-card class="card a">x</my-card><svg class="card"></svg>`,
  ),
  "/nothing": html("<p>There is nothing to change</p>"),
  "/broken": `<h1 id="headline">Tents<a class=card>one<a class=card data-a='x > y'>two<!-- <p class=card> --><script>'<p class=card>'</script>`,
  "/empty": "",
};
const TAGS = { strong: '"v1"', weak: 'W/"v1"', none: undefined };

function serve(world, tag, coding) {
  for (const [path, body] of Object.entries(PAGES)) {
    world.origin.on(path, (_request, response) => {
      const headers = { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "private" };
      if (tag) headers.ETag = tag;
      if (coding) headers["Content-Encoding"] = "gzip";
      response.writeHead(200, headers);
      response.end(coding ? gzipSync(body) : body);
    });
  }
}

/** Cookies of visitors, one of every mixture of variants. */
async function mixtures(world) {
  const visitors = new Map();
  for (let n = 0; visitors.size < 2 ** ALL.length && n < 400; n++) {
    const cookie = `sortition_id=narrowed-number-${n}`;
    const told = (await world.ask("/cards", { cookie })).headers["sortition-variants"];
    if (!visitors.has(told)) visitors.set(told, cookie);
  }
  assert.equal(visitors.size, 2 ** ALL.length);
  return visitors;
}

/** Who was exposed to what and where, as the queue was told. */
async function exposed(world) {
  const events = (await world.sent()).flatMap(({ events }) => events);
  return events.map((e) => `${e.anonymous_id} ${e.experiment_id}=${e.variant} ${e.request.path}`).sort();
}

describe("every page comes out as one that is read whole", () => {
  for (const coding of [undefined, "gzip"]) {
    test(`${coding ?? "plain"}`, async (t) => {
      const document = documentOf(ALL, { bridge: "script" });
      const worlds = {};
      for (const name of Object.keys(TAGS)) worlds[name] = await startWorld({ document });
      t.after(() => Promise.all(Object.values(worlds).map((world) => world.close())));
      for (const [name, world] of Object.entries(worlds)) serve(world, TAGS[name], coding);
      const visitors = await mixtures(worlds.none);
      for (const name of ["strong", "weak"]) await mixtures(worlds[name]);
      for (const path of Object.keys(PAGES)) {
        for (let round = 0; round < 5; round++) {
          for (const [told, cookie] of visitors) {
            const bodies = {};
            for (const [name, world] of Object.entries(worlds)) bodies[name] = (await world.ask(path, { cookie })).text;
            assert.equal(bodies.strong, bodies.none, `${path}, ${told}, round ${round}`);
            assert.equal(bodies.weak, bodies.none, `${path}, ${told}, round ${round}`);
            if (path !== "/cards") continue;
            assert.equal(bodies.none.includes("Grüße &amp; &lt;more&gt;"), told.includes("texts=bold"), told);
          }
        }
      }
    });
  }
});

test("elements that are waited for are met on later pages, too, by every group", async (t) => {
  const document = documentOf(ALL);
  const [tagged, plain] = [await startWorld({ document }), await startWorld({ document })];
  t.after(() => Promise.all([tagged.close(), plain.close()]));
  serve(tagged, TAGS.strong);
  serve(plain, TAGS.none);
  for (let n = 0; n < 24; n++) {
    for (const world of [tagged, plain]) {
      await world.ask("/cards", { cookie: `sortition_id=waiting-number-${n}` });
      await world.ask("/nothing", { cookie: `sortition_id=waiting-number-${n}` });
    }
  }
  const wanted = (list) => list.filter((line) => line.includes(" attributes=")).length;
  const [a, b] = [await exposed(tagged), await exposed(plain)];
  assert.deepEqual(a, b);
  assert.equal(wanted(a), 24);
  assert.ok(!a.some((line) => line.includes(" nowhere=")));
});

describe("one tag for pages that differ", () => {
  let world;
  let moved = false;
  before(async () => {
    world = await startWorld({
      document: documentOf([
        experiment({
          id: "hero",
          pages: ["/*"],
          variants: [
            { id: "control", weight: 0 },
            { id: "bold", weight: 1, rewrite: [{ select: "#headline", do: "set_text", value: "Bold" }] },
          ],
        }),
      ]),
    });
    const page = (tag, more) => (_request, response) => {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", ETag: tag(), ...more });
      response.end(html(moved ? '<h2 id="headline">Tents</h2>' : '<h1 id="headline">Tents</h1>'));
    };
    world.origin.on(
      "/false",
      page(() => '"same"'),
    );
    world.origin.on(
      "/devices",
      page(() => '"same"', { Vary: "Accept-Encoding, User-Agent" }),
    );
    world.origin.on(
      "/early",
      page(() => '"same"'),
    );
    world.origin.on(
      "/true",
      page(() => (moved ? '"v2"' : '"v1"')),
    );
  });
  after(() => world.close());

  const isBold = async (path) => (await world.ask(path, { cookie: "sortition_id=somebody-1" })).text.includes(">Bold<");

  test("is found out when a page is read whole again, and not believed any more", async () => {
    for (let n = 0; n < READ_BEFORE; n++) assert.ok(await isBold("/false"));
    moved = true;
    // why: so that it is seen to be asked for what was met before
    assert.ok(!(await isBold("/false")));
    let tries = 0;
    while (!(await isBold("/false"))) assert.ok(tries++ < READ_AGAIN);
    for (let n = 0; n < 2 * READ_AGAIN; n++) assert.ok(await isBold("/false"), `${n} later`);
    moved = false;
    for (let n = 0; n < 3; n++) assert.ok(await isBold("/false"));
  });

  test("is found out before it is believed, or not believed where pages vary", async () => {
    for (const path of ["/early", "/devices"]) {
      for (let n = 0; n < 4 * READ_BEFORE; n++) {
        // why: "/early" is another page before as many were read as make it believed
        moved = n % READ_BEFORE === 1;
        assert.ok(await isBold(path), `${path} ${n}`);
      }
    }
  });

  test("another tag is another page", async () => {
    for (const state of [false, true, false, true]) {
      moved = state;
      for (let n = 0; n < 2 * READ_BEFORE; n++) assert.ok(await isBold("/true"), `${state} ${n}`);
    }
  });
});
