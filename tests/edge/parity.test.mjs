// The same engine natively and in wasm: 10,000 requests against 50 documents, every decision compared with its evidence,
// its headers and its cookies.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { at } from "../../scripts/setup.mjs";
import { documentOf, random } from "./drawn.mjs";
import { wasm } from "./wasm.mjs";

const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
const PAGES = ["/", "/p/tent", "/p/stove", "/checkout", "/größe", "/c/all?promo=1"];
const NOW = Date.parse("2026-11-21T12:00:00Z");

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
