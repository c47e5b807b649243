// Acting from the page of results in a real browser, which alone knows what it sends along with a form.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { documentOf, experiment } from "../edge/documents.mjs";
import { startHarness } from "../edge/harness.mjs";
import { startOrigin } from "../edge/origin.mjs";
import { startChromium } from "./chromium.mjs";

const OPERATOR = "operator-secret";

let origin;
let platform;
let browser;
before(async () => {
  origin = await startOrigin();
  const change = ({ vars }) => Object.assign(vars, { ADMIN_TOKEN: "token", OPERATOR_TOKEN: OPERATOR });
  platform = await startHarness({ origin: origin.url, document: documentOf([experiment()]), change });
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  await platform?.close();
  await origin?.close();
});

const commentsOf = async () => {
  const { keys } = await platform.env.CONFIG.list({ prefix: "audit:" });
  const entries = await Promise.all(keys.map(async ({ name }) => JSON.parse(await platform.env.CONFIG.get(name))));
  return entries.map(({ who, action, summary }) => [who, action, summary.join()]);
};

test("a person comments: the form, the question, what was done", async () => {
  const context = await browser.newContext({ httpCredentials: { username: "mia", password: "token" } });
  const page = await context.newPage();
  await page.goto(new URL("/_sortition/experiments/hero", platform.url).href);
  await page.getByText("Kill, pause, ramp, decide, comment, share").click();
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run("form.act"));
  assert.deepEqual(violations, []);
  await page.getByLabel("Your name").fill("Mia");
  await page.getByLabel("Operator's token").fill(OPERATOR);
  await page.getByLabel("Comment, or why").fill("The holiday starts.");
  await page.getByRole("button", { name: "Comment" }).click();
  assert.equal(await page.locator("h1").textContent(), "comment hero?");
  await page.getByRole("button", { name: "Yes, comment hero" }).click();
  assert.equal(await page.locator("h1").textContent(), "Done: comment hero");
  assert.deepEqual(await commentsOf(), [["Mia", "comment", "hero: The holiday starts."]]);
  // sends the same confirmation again
  await page.reload();
  assert.equal(await page.locator("h1").textContent(), "Not done: comment hero");
  assert.equal((await commentsOf()).length, 1, "the same confirmation twice");
  await context.close();
});
