// The bridge in a real browser, under a policy that lets no inline script run: the page's own script reads back what the
// document says, to the character, and nothing that is in there runs, whatever it looks like.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BROWSER, documentOf, experiment, startWorld } from "../edge/world.mjs";
import { startChromium } from "./chromium.mjs";

const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'";
const RUN = "window.ran=1";

/** Texts that end, open or confuse something, somewhere between JSON, HTML and JavaScript. */
const TRICKS = [
  `</script><script>${RUN}</script>`,
  `</SCRIPT ><img src=x onerror="${RUN}">`,
  `<!--<script>${RUN}`,
  "<!-- <script> --> </script> <!--",
  "-->",
  `]]><script>${RUN}</script>`,
  "<![CDATA[ ]]>",
  "\u2028\u2029",
  `"onload="${RUN}`,
  `" data-sortition="{}`,
  `'"\`\\`,
  `\\"><svg onload=${RUN}>`,
  "&quot;&#34;&amp;quot;&lt;script&gt;&amp;&notanentity;&copy=1&copy",
  "&",
  "\u0000\u0001\u001f\u007f\ufeff\ufffd",
  "\r\n\t",
  "{{constructor.constructor('window.ran=1')()}}",
  "</html></body></head>",
  "javascript:window.ran=1",
  "\ud83c\udfd5\ufe0f 雪 é",
];
const PAYLOAD = {
  tricks: TRICKS,
  [TRICKS[0]]: "as a name",
  '"&quot;': { deep: [null, true, -1.5e-7, TRICKS[11]] },
};

const read = `
  const text = document.documentElement.getAttribute("data-sortition") ?? document.getElementById("sortition").textContent;
  window.got = JSON.stringify(JSON.parse(text));
  window.blocks = document.querySelectorAll("script:not([src])").length;
`;
const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title></head><body><h1>Welcome</h1>
<script src="/_sortition/client.js"></script><script src="/read.js"></script></body></html>`;

/** What a page may leave out, browsers put in. */
const REST = `<h1>Welcome</h1><script src="/_sortition/client.js"></script><script src="/read.js"></script>`;
const FEW_TAGS = [
  "<!doctype html><html lang=en><title>Shop</title>",
  "<!doctype html><html lang=en><meta charset=utf-8><title>Shop</title>",
  "<!doctype html><html lang=en><body>",
  "<!doctype html><html lang=en><head><title>Shop</title></head>",
];

/** An experiment in which everybody has the payload. */
const handing = (payload, rest = {}, rewrite = []) =>
  experiment({
    variants: [
      { id: "control", weight: 0 },
      { id: "bold", weight: 1, payload, rewrite },
    ],
    ...rest,
  });

let world;
let browser;
let context;
before(async () => {
  world = await startWorld({ document: documentOf([]) });
  const page = ["Content-Type", "text/html; charset=utf-8", "Content-Security-Policy", POLICY];
  world.origin.serve("*", { headers: page, body: PAGE });
  for (const [n, tags] of FEW_TAGS.entries()) world.origin.serve(`/few/${n}`, { headers: page, body: tags + REST });
  world.origin.serve("/read.js", { headers: ["Content-Type", "text/javascript; charset=utf-8"], body: read });
  world.origin.serve("/favicon.ico", { headers: ["Content-Type", "image/svg+xml"], body: "<svg/>" });
  browser = await startChromium();
  context = await browser.newContext({ userAgent: BROWSER });
});
after(async () => {
  await browser?.close();
  await world?.close();
});

/** A visit: what the page's script read, and whatever the browser complained about. */
async function visit(path = "/") {
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
  });
  const response = await page.goto(String(new URL(path, world.url)), { waitUntil: "load" });
  assert.equal(response.headers()["content-security-policy"], POLICY);
  const seen = await page.evaluate(() => ({
    got: window.got,
    ran: window.ran,
    blocks: window.blocks,
    violations: window.violations,
    variant: window.sortition.variant("hero"),
    payload: JSON.stringify(window.sortition.payload("hero")),
    headline: document.querySelector("h1").textContent,
    attributes: [...document.documentElement.attributes].map(({ name }) => name).sort(),
  }));
  await page.close();
  return { ...seen, complaints };
}

for (const bridge of ["attribute", "script"]) {
  describe(`the bridge as ${bridge}`, () => {
    before(() => {
      const alone = TRICKS.map((trick, n) => handing(trick, { id: `trick-${n}`, pages: [`/trick/${n}`] }));
      return world.publish(documentOf([handing(PAYLOAD, { pages: ["/", "/few/*"] }), ...alone], { bridge }));
    });

    test("the page's script reads exactly what the document says; nothing runs, nothing is complained about", async () => {
      const seen = await visit();
      assert.deepEqual(JSON.parse(seen.got), { variants: { hero: "bold" }, payload: { hero: PAYLOAD } });
      assert.equal(seen.ran, undefined);
      assert.deepEqual(seen.violations, []);
      assert.deepEqual(seen.complaints, []);
      assert.equal(seen.headline, "Welcome");
      assert.deepEqual(seen.attributes, bridge === "attribute" ? ["data-sortition", "lang"] : ["lang"]);
      assert.equal(seen.blocks, bridge === "script" ? 1 : 0);
    });

    test("client.js reads the same", async () => {
      const seen = await visit();
      assert.equal(seen.variant, "bold");
      assert.deepEqual(JSON.parse(seen.payload), PAYLOAD);
    });

    for (const [n, tags] of FEW_TAGS.entries()) {
      test(`on a page with few tags: ${tags}`, async () => {
        const seen = await visit(`/few/${n}`);
        assert.equal(seen.variant, "bold");
        assert.deepEqual(JSON.parse(seen.payload), PAYLOAD);
        assert.deepEqual(seen.attributes, bridge === "attribute" ? ["data-sortition", "lang"] : ["lang"]);
        assert.deepEqual([...seen.violations, ...seen.complaints], []);
      });
    }

    for (const [n, trick] of TRICKS.entries()) {
      test(`alone: ${JSON.stringify(trick)}`, async () => {
        const seen = await visit(`/trick/${n}`);
        assert.equal(JSON.parse(seen.got).payload[`trick-${n}`], trick);
        assert.equal(seen.ran, undefined);
        assert.deepEqual([...seen.violations, ...seen.complaints], []);
      });
    }
  });
}

test("a step's text and attribute cannot break out either", async () => {
  const rewrite = [
    { select: "h1", do: "set_text", value: TRICKS[0] },
    { select: "h1", do: "set_attribute", name: "title", value: TRICKS[8] },
    { select: "body", do: "set_attribute", name: "data-x", value: `"><script>${RUN}</script>` },
  ];
  await world.publish(documentOf([handing(1, {}, rewrite)], { bridge: "attribute" }));
  const seen = await visit();
  assert.equal(seen.headline, TRICKS[0]);
  assert.equal(seen.ran, undefined);
  assert.deepEqual([...seen.violations, ...seen.complaints], []);
});

describe("the bar of a preview", () => {
  const bar = async (path, viewport) => {
    const page = await context.newPage();
    await page.setViewportSize(viewport);
    await page.goto(String(new URL(`${path}?sortition_preview=hero:bold`, world.url)), { waitUntil: "load" });
    return { page, bar: page.locator("#sortition-preview") };
  };
  before(() => {
    const many = Array.from({ length: 24 }, (_, n) =>
      experiment({ id: `an-experiment-with-a-long-name-${n}`, pages: ["/many"] }),
    );
    for (const path of ["/many", "/rtl"]) world.origin.serve(path, { body: PAGE.replace('lang="en"', 'dir="rtl"') });
    world.origin.serve("/few", { body: "<title>Shop</title><h1>Welcome</h1>" });
    return world.publish(documentOf([experiment({ pages: ["/few", "/many", "/rtl"] }), ...many], { preview: "open" }));
  });

  test("is on a page that leaves out its tags, and ends the preview there", async () => {
    const { page, bar: shown } = await bar("/few", { width: 800, height: 600 });
    await shown.getByText("end").click();
    await page.waitForLoadState();
    assert.deepEqual([new URL(page.url()).pathname, await shown.count()], ["/few", 0]);
    await page.close();
  });

  test("leaves a small screen half of itself, and its end can be reached", async () => {
    const viewport = { width: 320, height: 480 };
    const { page, bar: shown } = await bar("/many", viewport);
    const { y, width, height } = await shown.boundingBox();
    assert.ok(y >= viewport.height / 2 && width <= viewport.width && height > 0, `${y} ${width} ${height}`);
    await shown.getByText("end", { exact: true }).click();
    await page.waitForLoadState();
    assert.equal(await shown.count(), 0);
    await page.close();
  });

  test("reads from left to right on a page that does not", async () => {
    const { page, bar: shown } = await bar("/rtl", { width: 800, height: 600 });
    const [title, end] = [shown.locator("strong"), shown.getByText("end", { exact: true })];
    assert.ok((await title.boundingBox()).x < (await end.boundingBox()).x);
    await page.close();
  });
});
