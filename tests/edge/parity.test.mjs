// The same engine natively and in wasm: 10,000 requests against 50 documents, every decision compared with its evidence,
// its headers and its cookies.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { wasm } from "./wasm.mjs";

const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
const PAGES = ["/", "/p/tent", "/p/stove", "/checkout", "/größe", "/c/all?promo=1"];
const NOW = Date.parse("2026-11-21T12:00:00Z");

/** A generator of numbers below `n`, the same on every run (mulberry32). */
function random(seed) {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

function documentOf(below, number) {
  const pick = (list) => list[below(list.length)];
  const maybe = (chance, field) => (below(100) < chance ? field() : {});
  const experiments = Array.from({ length: 1 + below(8) }, (_, index) => ({
    id: `e${index}`,
    status: pick(["running", "running", "running", "draft", "paused", "completed"]),
    kind: pick(["experiment", "experiment", "release"]),
    traffic: pick([100, 100, 50, 12.34, 0]),
    iteration: 1 + below(3),
    priority: below(3),
    sticky: below(5) > 0,
    display: pick(["always", "always", "once", "once_per_visit"]),
    variants: [
      { id: "control", weight: 1 + below(9) },
      { id: "new", weight: 1 + below(9) + 0.5, rewrite: [{ select: "p", do: "set_text", value: "x" }] },
      ...(below(3) ? [] : [{ id: "third", weight: below(5) / 3 }]),
    ],
    ...maybe(70, () => ({
      pages: [
        pick(["/", "/p/*", "/*", "/checkout", "/größe", { contains: "promo", of: "url" }, { regex: "^/p/[a-s]" }]),
      ],
    })),
    ...maybe(20, () => ({
      audience: pick([
        { device: "mobile" },
        { country: { $in: ["US", "DE"] } },
        { visitor_type: "returning" },
        { browser_version: { $vgte: "18.0" } },
      ]),
    })),
    ...maybe(15, () => ({ overrides: [{ audience: { "cookie.staff": "1" }, variant: "new" }] })),
    ...maybe(25, () => ({ layer: "l", slots: [index * 1000, (index + 1) * 1000] })),
    ...maybe(20, () => ({ conflicts: ["area"] })),
    ...maybe(20, () => pick([{ unit: "user", else_unit: "visitor" }, { unit: "session" }])),
    ...maybe(10, () => ({ winner: "new" })),
    ...maybe(10, () => ({ ramp: [{ at: "2026-11-20T00:00:00Z", traffic: 33.33 }] })),
    ...maybe(10, () => ({ starts_at: "2026-12-01T00:00:00Z" })),
    ...(index > 0 ? maybe(20, () => ({ requires: [{ experiment: "e0", variant: pick(["control", "new"]) }] })) : {}),
  }));
  return {
    version: 1,
    project: `shop-${number}`,
    layers: { l: {} },
    holdout: { percent: pick([0, 0, 5, 20.5]) },
    visitor: { user_cookie: "user" },
    crawlers: { policy: pick(["control", "mirror", "baseline"]) },
    experiments,
    ...maybe(20, () => ({ consent: { cookie: "consent", granted: ["yes"] } })),
    ...maybe(5, () => ({ kill: true })),
  };
}

function requestOf(below, documents) {
  const pick = (list) => list[below(list.length)];
  const id = () => `${below(2 ** 30)}-${below(2 ** 30)}`;
  const cookies = [
    ...(below(4) ? [`sortition_id=visitor-${id()}`] : []),
    ...(below(3)
      ? []
      : [`sortition_as=1~e0.${1 + below(3)}.${pick(["control", "new", "third"])}.g16${pick(["", "*", "*+"])}`]),
    ...(below(3) ? [] : [`user=u${below(50)}`]),
    ...(below(3) ? [] : [`sortition_session=session-${id()}`]),
    ...(below(9) ? [] : ["staff=1"]),
    ...(below(2) ? ["consent=yes"] : []),
  ];
  return {
    document: below(documents),
    method: pick(["GET", "GET", "GET", "HEAD", "POST"]),
    url: `https://shop.example${encodeURI(pick(PAGES))}`,
    headers: {
      "user-agent": pick(AGENTS),
      cookie: cookies.join("; "),
      ...(below(9) ? {} : { "sec-purpose": "prefetch" }),
    },
    properties: { country: pick(["US", "DE", "JP"]) },
    now: NOW + below(40) * 86_400_000,
  };
}

test("10,000 requests are decided alike natively and in wasm", async () => {
  const below = random(20261121);
  const documents = Array.from({ length: 50 }, (_, number) => documentOf(below, number));
  const requests = Array.from({ length: 10_000 }, () => requestOf(below, documents.length));
  const script = JSON.stringify({ documents, requests });
  const native = spawnSync("cargo", ["run", "--quiet", "--example", "replay"], {
    cwd: at(),
    input: script,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(native.status, 0, native.stderr);
  const lines = native.stdout.split("\n");
  assert.equal(lines.length, 10_001);
  for (const reason of [
    "Split",
    "Sticky",
    "Traffic",
    "Layer",
    "Holdout",
    "Conflict",
    "Requires",
    "Audience",
    "Crawler",
    "NoConsent",
    "Forced",
    "Winner",
    "Killed",
  ]) {
    assert.ok(native.stdout.includes(`reason: ${reason}`), `no request came to ${reason}`);
  }
  const other = (await wasm()).replay(script).split("\n");
  for (const [index, line] of lines.entries()) assert.equal(other[index], line, JSON.stringify(requests[index]));
});
