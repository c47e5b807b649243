// Who a visitor is, by the origin's response header `Sortition-User`: told once, about this visitor, and to nobody else.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { documentOf, Jar, startWorld, treatment } from "./world.mjs";

const HELLO = [{ select: "h1", do: "set_text", value: "Hello" }];
const DOCUMENT = documentOf([treatment(HELLO)]);

let world;
before(async () => {
  world = await startWorld({ document: DOCUMENT });
  await world.ask("/warm");
});
after(() => world.close());
beforeEach(() => world.forget());

/** The identifications that the last requests brought. */
const identified = async () =>
  (await world.sent()).flatMap(({ events }) => events).filter(({ type }) => type === "identified");

/** Has the origin answer a path with its word on who the visitor is. */
const says = (path, user, rest = {}) =>
  world.origin.serve(path, { ...rest, headers: ["Content-Type", "text/html", "Sortition-User", user] });

for (const [what, path, status] of [
  ["a page with an experiment", "/", 200],
  ["a page without one", "/account", 200],
  ["the redirect behind a login", "/login", 303],
]) {
  test(`${what}: the visitor of the cookie is that user; the client does not see it`, async () => {
    says(path, "user-7", { status });
    const cookie = `sortition_id=visitor-at-${status}-${path.length}`;
    const method = status === 303 ? "POST" : "GET";
    const answer = await world.ask(path, { cookie, method });
    assert.equal(answer.status, status);
    assert.equal(answer.headers["sortition-user"], undefined);
    const [event, ...more] = await identified();
    assert.deepEqual(more, []);
    assert.equal(event.anonymous_id, cookie.split("=")[1]);
    assert.equal(event.user_id, "user-7");
    assert.match(event.id, /^[0-9a-f]{32}$/);
  });
}

test("a new visitor is identified by the id that this answer gives them", async () => {
  says("/", "user-8");
  const jar = new Jar();
  jar.take(await world.ask("/"));
  const [event] = await identified();
  assert.deepEqual([event.anonymous_id, event.user_id], [jar.get("sortition_id"), "user-8"]);
});

test("the header on every page is told of once; another user on the same device once more", async () => {
  const cookie = "sortition_id=loyal-visitor";
  for (const user of ["user-1", "user-1", "user-1", "user-2", "user-2", "user-1"]) {
    for (const path of ["/", "/account"]) {
      says(path, user);
      const answer = await world.ask(path, { cookie });
      assert.equal(answer.headers["sortition-user"], undefined);
    }
  }
  assert.deepEqual((await identified()).map(({ user_id }) => user_id).sort(), ["user-1", "user-2"]);
});

describe("nobody is identified", () => {
  const CASES = [
    ["by an e-mail address", "jane@example.com", {}],
    ["by one in disguise", "jane%40example.com", {}],
    ["by an IP address", "203.0.113.9", {}],
    ["by too long a text", "u".repeat(129), {}],
    ["by nothing", "", {}],
    ["who is a crawler", "user-9", { headers: { "User-Agent": "Googlebot/2.1" } }],
    ["who brings no id to a page without an experiment", "user-9", { only: "/account", cookie: undefined }],
  ];
  for (const [what, user, { only, ...options }] of CASES) {
    test(what, async () => {
      for (const path of only ? [only] : ["/", "/account"]) {
        says(path, user);
        const answer = await world.ask(path, { cookie: "sortition_id=careful-visitor", ...options });
        assert.equal(answer.headers["sortition-user"], undefined);
      }
      assert.deepEqual(await identified(), []);
      assert.doesNotMatch(JSON.stringify(world.platform.messages) + world.log(), /jane|203\.0\.113\.9/);
    });
  }

  test("by a request header from outside", async () => {
    world.origin.serve("/account");
    await world.ask("/account", { cookie: "sortition_id=forging-visitor", headers: { "Sortition-User": "user-1" } });
    assert.equal(world.origin.of("/account")[0].headers["sortition-user"], undefined);
    assert.deepEqual(await identified(), []);
  });

  test("without consent", async () => {
    await world.publish({ ...DOCUMENT, consent: { cookie: "consent", granted: ["granted"] } });
    says("/", "user-9");
    says("/account", "user-9");
    for (const path of ["/", "/account"]) await world.ask(path, { cookie: "sortition_id=private-visitor" });
    assert.deepEqual(await identified(), []);
    await world.publish(DOCUMENT);
  });

  test("by a variant origin of another site", async () => {
    says("/elsewhere", "user-9");
    const foreign = new URL(world.origin.url);
    const variants = [
      { id: "control", weight: 0 },
      { id: "bold", weight: 1, origin: { url: foreign.href } },
    ];
    await world.publish(documentOf([treatment([], { pages: ["/elsewhere"], variants })]));
    const answer = await world.ask("/elsewhere", { cookie: "sortition_id=wandering-visitor", host: "shop.example" });
    assert.match(answer.headers["sortition-variants"], /hero=bold/);
    assert.equal(answer.headers["sortition-user"], undefined);
    assert.deepEqual(await identified(), []);
    await world.publish(DOCUMENT);
  });
});
