// The visitor's cookies: to the letter, made once, and read whatever comes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cookieOf, documentOf, experiment, Jar, ours, startWorld, treatment } from "./world.mjs";

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const HALVES = experiment({
  variants: [
    { id: "control", weight: 1 },
    { id: "bold", weight: 1, rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] },
  ],
});

/** A `Set-Cookie` line as its name, its value and its attributes, sorted. */
function parsed(line) {
  const [pair, ...attributes] = line.split("; ");
  const at = pair.indexOf("=");
  return { name: pair.slice(0, at), value: pair.slice(at + 1), attributes: attributes.sort() };
}

const idLine = (answer, name = "sortition_id") => answer.setCookies.map(parsed).find((cookie) => cookie.name === name);

let world;
before(async () => {
  world = await startWorld({ document: documentOf([HALVES]) });
});
after(() => world.close());

describe("a new visitor", () => {
  const LIFE = ["Max-Age=31536000", "Path=/", "SameSite=Lax"];
  const SECURE = [...LIFE, "Secure"].sort();
  const PLACES = [
    ["plain http on 127.0.0.1", {}, LIFE],
    ["plain http on localhost", { host: "localhost:8787" }, LIFE],
    ["plain http on a name below localhost", { host: "shop.localhost" }, LIFE],
    ["plain http on [::1]", { host: "[::1]:8787" }, LIFE],
    ["plain http elsewhere", { host: "shop.example" }, SECURE],
    ["https", { host: "shop.example", headers: { "X-Forwarded-Proto": "https" } }, SECURE],
    ["https on localhost", { host: "localhost", headers: { "X-Forwarded-Proto": "https" } }, SECURE],
    ["a host that only begins like loopback", { host: "127.0.0.1.example" }, SECURE],
    ["a host that only ends like localhost", { host: "notlocalhost" }, SECURE],
  ];
  for (const [what, options, attributes] of PLACES) {
    test(`${what}: ${attributes.join("; ")}`, async () => {
      await world.publish(documentOf([HALVES]));
      const answer = await world.ask("/", options);
      const id = idLine(answer);
      assert.match(id.value, UUID_V4);
      assert.deepEqual(id.attributes, attributes);
      assert.deepEqual(idLine(answer, "sortition_as").attributes, ["HttpOnly", ...attributes].sort());
    });
  }

  test("the document's settings are followed", async () => {
    const visitor = { cookie: "vid", max_age_days: 30, domain: "shop.example", http_only: true };
    await world.publish(documentOf([HALVES], { visitor }));
    const answer = await world.ask("/", { host: "www.shop.example" });
    const id = idLine(answer, "vid");
    assert.match(id.value, UUID_V4);
    const attributes = ["Domain=shop.example", "HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax", "Secure"];
    assert.deepEqual(id.attributes, attributes);
    assert.equal(idLine(answer), undefined);
  });

  test("each has an id of their own", async () => {
    await world.publish(documentOf([HALVES]));
    const ids = await Promise.all(
      Array.from({ length: 50 }, async () => cookieOf(await world.ask("/"), "sortition_id")),
    );
    assert.equal(new Set(ids).size, 50);
  });
});

describe("the first visit is like every other", () => {
  test("the origin sees the id and the variants on the first request, and they stay", async () => {
    await world.publish(documentOf([HALVES]));
    const seen = new Set();
    for (let visitor = 0; visitor < 20; visitor++) {
      const jar = new Jar();
      world.origin.forget();
      const first = jar.take(await world.ask("/"));
      const second = await world.ask("/", { cookie: jar.header });
      const third = await world.ask("/", { cookie: `sortition_id=${jar.get("sortition_id")}` });
      for (const request of world.origin.of("/")) {
        assert.equal(request.headers["sortition-visitor"], jar.get("sortition_id"));
        assert.equal(request.headers["sortition-variants"], first.headers["sortition-variants"]);
      }
      for (const later of [second, third]) {
        assert.equal(later.headers["sortition-variants"], first.headers["sortition-variants"]);
        assert.equal(later.text, first.text);
      }
      assert.equal(first.text.includes("Hello"), first.headers["sortition-variants"] === "hero=bold");
      assert.deepEqual(second.setCookies, [], "nothing changed, so no cookie is written");
      assert.equal(idLine(third), undefined);
      seen.add(first.headers["sortition-variants"]);
    }
    assert.deepEqual([...seen].sort(), ["hero=bold", "hero=control"]);
  });

  test("the assignments' cookie is written again when it changes", async () => {
    await world.publish(documentOf([HALVES, experiment({ id: "price", pages: ["/p"] })]));
    const jar = new Jar();
    jar.take(await world.ask("/"));
    const before = jar.get("sortition_as");
    const changed = jar.take(await world.ask("/p", { cookie: jar.header }));
    assert.deepEqual(
      changed.setCookies.map((line) => parsed(line).name),
      ["sortition_as"],
    );
    assert.notEqual(jar.get("sortition_as"), before);
    assert.deepEqual((await world.ask("/", { cookie: jar.header })).setCookies, []);
  });

  test("an assignment is kept when the weights change", async () => {
    await world.publish(documentOf([HALVES]));
    const jars = [];
    for (let visitor = 0; visitor < 12; visitor++) {
      const jar = new Jar();
      const answer = jar.take(await world.ask("/"));
      jars.push([jar, answer.headers["sortition-variants"]]);
    }
    const [control, bold] = HALVES.variants;
    await world.publish(
      documentOf([
        {
          ...HALVES,
          variants: [
            { ...control, weight: 0 },
            { ...bold, weight: 1 },
          ],
        },
      ]),
    );
    for (const [jar, variants] of jars) {
      assert.equal((await world.ask("/", { cookie: jar.header })).headers["sortition-variants"], variants);
    }
    assert.equal((await world.ask("/")).headers["sortition-variants"], "hero=bold");
  });
});

describe("what comes as an id", () => {
  before(() => world.publish(documentOf([HALVES])));

  const ID = "abcdef12-visitor_~.x";
  const COOKIES = [
    ["8 characters", "sortition_id=abcdefgh", "abcdefgh"],
    ["128 characters", `sortition_id=${"a".repeat(128)}`, "a".repeat(128)],
    ["every character that may be", `sortition_id=${ID}`, ID],
    ["quotes around it", `sortition_id="${ID}"`, ID],
    ["7 characters", "sortition_id=abcdefg"],
    ["129 characters", `sortition_id=${"a".repeat(129)}`],
    ["nothing", "sortition_id="],
    ["a character that may not be", "sortition_id=abcdef/gh"],
    ["a control character's escape", "sortition_id=abcdefgh%0d%0aSet-Cookie:x"],
    ["another case of the name", `Sortition_ID=${ID}`],
    ["a name that ends like ours", `xsortition_id=${ID}`],
    [
      "five of them, one after the other",
      `sortition_id=${ID}; sortition_id=second-one; sortition_id=third-one; a=b; sortition_id=fourth-one; sortition_id=fifth-one`,
      ID,
    ],
    [
      "five of them, the first two no ids",
      `sortition_id=; sortition_id=<b>; sortition_id=${ID}; sortition_id=fourth-one; sortition_id=fifth-one`,
      ID,
    ],
    ["8 KB of noise around it", `${noise(4000)}; sortition_id=${ID}; ${noise(4000)}`, ID],
    ["8 KB of noise as it", `sortition_id=${noise(8000)}`],
    ["8 KB of noise as the assignments", `sortition_id=${ID}; sortition_as=${noise(8000)}`, ID],
    ["8 KB that begin like assignments", `sortition_id=${ID}; sortition_as=1~hero.1.bold.g16*~${noise(8000)}`, ID],
    ["a cookie header of separators", ";;;===; =; sortition_id", undefined],
  ];
  for (const [what, cookie, id] of COOKIES) {
    test(`${what}: ${id ? "taken" : "replaced"}`, async () => {
      world.origin.forget();
      const answer = await world.ask("/", { cookie });
      assert.equal(answer.status, 200);
      assert.match(answer.text, /<h1[^>]*>(Welcome|Hello)</);
      const [request] = world.origin.of("/");
      assert.equal(request.headers.cookie, cookie, "the origin gets its cookies as they came");
      if (id) {
        assert.equal(request.headers["sortition-visitor"], id);
        assert.equal(idLine(answer), undefined);
      } else {
        assert.match(request.headers["sortition-visitor"], UUID_V4);
        assert.equal(cookieOf(answer, "sortition_id"), request.headers["sortition-visitor"]);
      }
    });
  }

  test("assignments of a variant that never was are not followed", async () => {
    const answer = await world.ask("/", { cookie: `sortition_id=${ID}; sortition_as=1~hero.1.nosuch.g16*` });
    assert.match(answer.headers["sortition-variants"], /^hero=(control|bold)$/);
  });

  test("the assignments' cookie stays below 3,500 bytes however many there are", async () => {
    const many = Array.from({ length: 200 }, (_, i) =>
      experiment({ id: `experiment-with-a-long-name-${i}`, pages: ["/many"] }),
    );
    await world.publish(documentOf(many));
    const jar = new Jar();
    for (let visit = 0; visit < 3; visit++) {
      const answer = jar.take(await world.ask("/many", { cookie: jar.header }));
      assert.equal(answer.status, 200);
      assert.ok(jar.get("sortition_as").length <= 3500);
    }
  });
});

describe("signed ids", () => {
  const SIGNED = documentOf([HALVES], { visitor: { signed: true } });
  let signing;
  before(async () => {
    signing = await startWorld({ document: SIGNED, vars: { SORTITION_SECRET: "a secret of the test" } });
  });
  after(() => signing.close());

  const visitorOf = async (cookie) => {
    signing.origin.forget();
    const answer = await signing.ask("/", { cookie });
    return { answer, id: signing.origin.of("/")[0].headers["sortition-visitor"] };
  };

  test("the cookie is the id, a dot and a tag; it is taken back", async () => {
    const { answer, id } = await visitorOf();
    assert.match(id, UUID_V4);
    const value = cookieOf(answer, "sortition_id");
    const [name, tag] = value.split(".");
    assert.equal(name, id);
    assert.match(tag, /^[A-Za-z0-9_-]{22,}$/);
    const again = await visitorOf(`sortition_id=${value}`);
    assert.equal(again.id, id);
    assert.equal(idLine(again.answer), undefined);
  });

  test("a bad tag counts as no id", async () => {
    const value = cookieOf((await visitorOf()).answer, "sortition_id");
    const [id, tag] = value.split(".");
    const other = tag[0] === "A" ? "B" : "A";
    const forgeries = [
      id,
      `${id}.`,
      `${id}.${other}${tag.slice(1)}`,
      `${id}.${tag.slice(0, -4)}`,
      `0${id.slice(1)}x.${tag}`,
      `${value}.${tag}`,
    ];
    for (const forged of forgeries) {
      const { answer, id: given } = await visitorOf(`sortition_id=${forged}`);
      assert.notEqual(given, id, forged);
      assert.match(given, UUID_V4);
      assert.equal(cookieOf(answer, "sortition_id").split(".")[0], given);
    }
  });

  test("another secret's tag is bad", async (t) => {
    const other = await startWorld({ document: SIGNED, vars: { SORTITION_SECRET: "another secret" } });
    t.after(() => other.close());
    const theirs = cookieOf(await other.ask("/"), "sortition_id");
    assert.notEqual((await visitorOf(`sortition_id=${theirs}`)).id, theirs.split(".")[0]);
  });
});

describe("where no cookie belongs", () => {
  test("pages without an experiment, and experiments that are not running", async () => {
    const states = ["draft", "paused", "completed"].map((status) =>
      treatment([], { id: status, status, pages: ["/off"] }),
    );
    const later = treatment([], { id: "later", pages: ["/off"], starts_at: "2999-01-01T00:00:00Z" });
    const over = treatment([], { id: "over", pages: ["/off"], ends_at: "2020-01-01T00:00:00Z" });
    await world.publish(documentOf([HALVES, ...states, later, over]));
    world.origin.forget();
    for (const path of ["/off", "/elsewhere", "/style.css"]) {
      const answer = await world.ask(path);
      assert.deepEqual(answer.setCookies, [], path);
      assert.deepEqual(ours(answer.fields), [], path);
      assert.deepEqual(ours(world.origin.of(path)[0].fields), [], path);
    }
  });
});

describe("consent", () => {
  before(() =>
    world.publish(
      documentOf([HALVES], { consent: { cookie: "consent", granted: ["granted", "yes"], honor_gpc: true } }),
    ),
  );

  const MISSING = [
    ["none", {}],
    ["another value", { cookie: "consent=denied" }],
    ["global privacy control", { cookie: "consent=granted", headers: { "Sec-GPC": "1" } }],
  ];
  for (const [what, options] of MISSING) {
    test(`${what}: the control, nothing set, nothing sent`, async () => {
      await world.forget();
      const answer = await world.ask("/", options);
      assert.match(answer.text, /Welcome/);
      assert.deepEqual(answer.setCookies, []);
      assert.deepEqual(ours(answer.fields), []);
      assert.deepEqual(
        ours(world.origin.of("/")[0].fields).map(([, value]) => value),
        ["hero=control"],
      );
      assert.deepEqual(await world.sent(), []);
    });
  }

  test("given: a visitor like any other", async () => {
    for (const value of ["granted", "yes"]) {
      const answer = await world.ask("/", { cookie: `consent=${value}` });
      assert.match(cookieOf(answer, "sortition_id"), UUID_V4);
      assert.match(answer.headers["sortition-variants"], /^hero=/);
    }
  });
});

describe("what another tool or the shop calls an id", () => {
  let world;
  before(async () => {
    const visitor = { cookie: "tool_id", read: "plain", user_cookie: "uid" };
    world = await startWorld({ document: documentOf([HALVES], { visitor }), probed: true });
    await world.settled((health) => health.config_revision === "r1");
  });
  after(() => world.close());

  const exposed = async (cookie) => {
    await world.forget();
    await world.ask("/", { cookie });
    return (await world.sent()).flatMap(({ events }) => events);
  };

  // One such id made a message that the consumer refuses, and all visits beside it were lost with it.
  test("is taken into the record at its full length", async () => {
    const id = "x".repeat(256);
    const [event] = await exposed(`tool_id=${id}`);
    assert.equal(event.anonymous_id, id);
    assert.deepEqual(await world.deliver(world.platform.bodies), ["ack"]);
  });

  test("is none where it is an address, also in the escapes of a cookie", async () => {
    for (const address of ["somebody@shop.example", "somebody%40shop.example", "192.0.2.7", "2001:db8::7"]) {
      for (const cookie of [`tool_id=${address}`, `tool_id=visitor-1; uid=${address}`]) {
        const text = JSON.stringify(await exposed(cookie));
        assert.match(text, /experiment_exposed/);
        assert.doesNotMatch(text, /somebody|192\.0\.2|2001:db8/);
      }
    }
  });

  // Of bytes that are no UTF-8 nothing is left that tells one name from another, and two users were one person.
  test("is a user's where it is UTF-8, and nobody's where it is not", async () => {
    const users = async (uid) => (await exposed(`tool_id=visitor-1; uid=${uid}`)).map((event) => event.user_id);
    const bytes = (text) => Buffer.from(text).toString("latin1");
    assert.deepEqual(await users(bytes("Zoë")), ["Zoë"]);
    assert.deepEqual(await users("Zo\xeb"), [null]);
    const answered = async (user) => {
      world.origin.serve("/", { headers: ["Content-Type", "text/html", "Sortition-User", user] });
      return (await exposed("tool_id=visitor-1")).filter((event) => event.type === "identified");
    };
    assert.deepEqual(
      (await answered(bytes("Zoë"))).map((event) => event.user_id),
      ["Zoë"],
    );
    assert.deepEqual(await answered("Zo\xeb"), []);
  });
});

/** Printable noise of as many bytes, the same in every run. */
function noise(length) {
  let state = 12345;
  return Array.from({ length }, () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return String.fromCharCode(33 + (state % 94));
  })
    .join("")
    .replaceAll(/[;,"\\]/g, "x");
}
