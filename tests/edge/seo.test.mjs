// What search engines read: for every page of the demo shop and every experiment of its document, a crawler is answered
// what the control's visitors are, and no treatment changes what is protected.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { startShop } from "../../demo/shop.mjs";
import { startWorld } from "./world.mjs";

const DOCUMENT = JSON.parse(readFileSync(new URL("../../fixtures/demo/experiments.json", import.meta.url)));
const GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

let shop;
let world;
let pages;
before(async () => {
  shop = await startShop({ port: 0 });
  world = await startWorld({ document: DOCUMENT, vars: { ORIGIN_URL: shop.url } });
  pages = await crawl();
});
after(async () => {
  await world?.close();
  await shop?.close();
});

/** Every page that links lead to, from the front page on, and those that only forms do. */
async function crawl() {
  const found = new Set(["/", "/de/", "/search?q=tent", "/checkout", "/nowhere"]);
  for (const path of found) {
    const { text } = await world.ask(path, { headers: { "User-Agent": GOOGLEBOT } });
    for (const link of read(text).internal_links) found.add(link.split("#")[0]);
  }
  return [...found].filter((path) => path.startsWith("/") && !path.startsWith("/art/")).sort();
}

/** What a search engine takes from a page, by the words of `seo.allow` where it has one. */
function read(html) {
  // why: markup in scripts and comments is none
  const bare = html.replace(/<!--[\s\S]*?-->/g, "").replace(/<script(?![^>]*ld\+json)[^>]*>[\s\S]*?<\/script>/gi, "");
  const all = (pattern) => [...bare.matchAll(pattern)].map(([whole, inner]) => inner ?? whole);
  const tags = (name, mark) => all(new RegExp(`<${name}\\b[^>]*>`, "gi")).filter((tag) => mark.test(tag));
  return {
    title: all(/<title>([\s\S]*?)<\/title>/gi),
    canonical: tags("link", /rel="?canonical/i),
    alternate: tags("link", /rel="?alternate/i),
    robots: tags("meta", /name="?robots/i),
    description: tags("meta", /name="?description/i),
    "structured-data": all(/<script[^>]*ld\+json[^>]*>([\s\S]*?)<\/script>/gi),
    h1: all(/<h1\b[^>]*>([\s\S]*?)<\/h1>/gi),
    internal_links: all(/<a\b[^>]*\bhref="([^"]*)"/gi).filter((href) => /^\/(?!\/)/.test(href)),
  };
}

/** The parts in which two pages differ. */
function differences(one, other) {
  const [a, b] = [read(one), read(other)];
  return Object.keys(a).filter((part) => JSON.stringify(a[part]) !== JSON.stringify(b[part]));
}

/** The document with one variant for everybody. */
function giving(experiment, variant, more = {}) {
  const variants = experiment.variants.map((it) => ({ ...it, weight: it.id === variant ? 1 : 0 }));
  const { layer, slots, ...rest } = experiment;
  return { ...DOCUMENT, experiments: [{ ...rest, ...more, variants }] };
}

const headers = { "User-Agent": GOOGLEBOT };

test("the shop has pages of every kind", () => {
  for (const kind of [/^\/$/, /^\/de\/$/, /^\/c\//, /^\/p\//, /^\/search/, /^\/cart$/, /^\/checkout$/]) {
    assert.ok(
      pages.some((path) => kind.test(path)),
      `${kind} is none of ${pages}`,
    );
  }
  assert.ok(pages.length > 15);
});

for (const experiment of DOCUMENT.experiments) {
  describe(experiment.id, () => {
    const control = experiment.variants[0].id;
    const answers = {};
    before(async () => {
      for (const { id } of experiment.variants) {
        await world.publish(giving(experiment, id));
        answers[id] = new Map();
        for (const path of pages) answers[id].set(path, await world.ask(path));
      }
    });

    test("every variant was really served somewhere", () => {
      for (const { id } of experiment.variants) {
        const served = [...answers[id].values()].filter(
          (answer) => answer.headers["sortition-variants"] === `${experiment.id}=${id}`,
        );
        assert.ok(served.length > 0, id);
      }
    });

    test("crawlers and the control's visitors read the same", async () => {
      for (const { id } of experiment.variants) {
        await world.publish(giving(experiment, id));
        for (const path of pages) {
          const crawler = await world.ask(path, { headers });
          const person = answers[control].get(path);
          assert.equal(crawler.status, person.status, path);
          assert.deepEqual(differences(crawler.text, person.text), [], `${path} while everybody has ${id}`);
          assert.deepEqual(
            ["link", "x-robots-tag"].map((name) => crawler.headers[name]),
            ["link", "x-robots-tag"].map((name) => person.headers[name]),
          );
          const dressed = await world.ask(path, { headers, cookie: `sortition_as=1~${experiment.id}.1.${id}.1` });
          assert.ok(dressed.bytes.equals(crawler.bytes), `${path}: a cookie changes nothing`);
        }
      }
    });

    for (const { id } of experiment.variants.slice(1)) {
      test(`${id} changes nothing that is protected`, () => {
        const allowed = experiment.seo?.allow ?? [];
        const free = ["internal_links", ...(experiment.seo?.protect_h1 ? [] : ["h1"]), ...allowed];
        for (const path of pages) {
          const changed = differences(answers[control].get(path).text, answers[id].get(path).text);
          assert.deepEqual(
            changed.filter((part) => !free.includes(part)),
            [],
            path,
          );
        }
      });
    }
  });
}

describe("a treatment that does change what is protected", () => {
  const rewrite = [
    { select: "title", do: "set_text", value: "x" },
    { select: "link[rel=canonical]", do: "set_attribute", name: "href", value: "/x" },
    { select: "link[rel=alternate]", do: "remove" },
    { select: "meta[name=description]", do: "remove" },
    { select: 'script[type="application/ld+json"]', do: "remove" },
    { select: "h1", do: "set_text", value: "x" },
  ];
  const allow = ["title", "canonical", "alternate", "description", "structured-data", "h1"];
  const [hero] = DOCUMENT.experiments;
  const variants = [
    { id: "control", weight: 0 },
    { id: "x", weight: 1, rewrite },
  ];

  test("is refused, and the shop goes on with the last good document", async () => {
    await world.publish(DOCUMENT);
    world.setKey("config", { ...giving({ ...hero, variants }, "x", { seo: { protect_h1: true } }), revision: "bad" });
    const health = await world.settled((health) => health.config_error);
    for (const word of allow) assert.match(health.config_error, new RegExp(`\\b${word}\\b|and \\d+ more`));
    assert.notEqual(health.config_revision, "bad");
  });

  test("unless the document allows it; crawlers still read the control's page", async () => {
    const seo = { protect_h1: true, allow };
    await world.publish(giving({ ...hero, variants }, "control", { seo }));
    const control = await world.ask("/");
    await world.publish(giving({ ...hero, variants }, "x", { seo }));
    const treated = await world.ask("/");
    assert.deepEqual(differences(control.text, treated.text).sort(), [...allow].sort(), "this test's reader notices");
    assert.deepEqual(differences(control.text, (await world.ask("/", { headers })).text), []);
  });
});
