// What is measured: one row per kind of request, the workers that answer it, and what an answer must show.

import { PROMISE } from "./documents.mjs";
import { rows as flagRows } from "./flags.mjs";
import { HEADLINE } from "./origin.mjs";

const BROWSER =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/** What a browser sends with every page. */
const visit = {
  // why: wrk adds a second one unless it is written like this
  Host: "shop.example",
  "user-agent": BROWSER,
  accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "accept-language": "en-US,en;q=0.9",
  referer: "https://shop.example/c/tents",
  "sec-fetch-dest": "document",
  "sec-fetch-mode": "navigate",
  "sec-fetch-site": "same-origin",
};

const ALL = ["floor", "handwritten", "ours"];

/** A row whose requests come further apart than messages wait for others, so that each goes alone. */
function atLowLoad(what, path, shows) {
  return {
    name: `low load: ${what}, first visit`,
    path,
    headers: visit,
    pace: 40,
    workers: ALL,
    shows: { ...shows, messages: { floor: 0, handwritten: 1, ours: 1 } },
    targets: [["ours", "handwritten", 1]],
  };
}

/**
 * `shows`: the status (200 unless told), the headline, a text of the page, a header, how many cookies are set, how many
 * messages each request sends, where `asks` is 0, that the shop's server is not asked, and `settled`, that the first
 * answers show less. `pace`: requests come one after another, so many milliseconds apart. `targets`: the measured
 * worker's CPU time as a multiple of another's, in the same round; a reference may be another row's.
 */
export const rows = [
  {
    name: "nothing applies, page",
    path: "/elsewhere",
    headers: visit,
    workers: [...ALL, "ours-1000"],
    shows: { headline: HEADLINE, cookies: 0, messages: 0 },
    targets: [
      ["ours", "floor", 1.05],
      ["ours-1000", "floor", 1.05],
    ],
  },
  {
    name: "nothing applies, image",
    path: "/image-1.webp",
    headers: { ...visit, accept: "image/webp,*/*;q=0.8", "sec-fetch-dest": "image", "sec-fetch-mode": "no-cors" },
    workers: ALL,
    shows: { cookies: 0, messages: 0 },
    targets: [["ours", "floor", 1.05]],
  },
  {
    name: "header only, first visit",
    path: "/header",
    headers: visit,
    workers: ["handwritten", "ours"],
    shows: { headline: HEADLINE, variant: true, cookies: 2, messages: 1 },
    targets: [["ours", "handwritten", 1]],
  },
  {
    name: "rewrite, first visit",
    path: "/rewrite",
    headers: visit,
    workers: ["handwritten", "ours", "ours-1000", "ours-10000"],
    shows: { headline: PROMISE, variant: true, cookies: 2, messages: 1 },
    targets: [
      ["ours", "handwritten", 0.9],
      ["ours-1000", "ours", 1.05],
      ["ours-10000", "ours", 1.15],
    ],
  },
  {
    name: "rewrite, returning visitor",
    path: "/rewrite",
    headers: visit,
    returning: true,
    workers: ["handwritten", "ours"],
    shows: { headline: PROMISE, variant: true, cookies: 0, messages: 0 },
    targets: [["ours", "handwritten", 0.9]],
  },
  {
    name: "rewrite by tag and id, first visit",
    path: "/by-tag",
    headers: visit,
    workers: ["handwritten", "ours"],
    shows: { headline: PROMISE, variant: true, cookies: 2, messages: 1 },
    targets: [],
  },
  {
    name: "rewrite, page without entity tag, first visit",
    path: "/untagged",
    headers: visit,
    workers: ["handwritten", "ours"],
    shows: { headline: PROMISE, variant: true, cookies: 2, messages: 1 },
    targets: [["ours", "handwritten", 0.9]],
  },
  {
    name: "rewrite, page without entity tag, returning visitor",
    path: "/untagged",
    headers: visit,
    returning: true,
    workers: ["handwritten", "ours"],
    shows: { headline: PROMISE, variant: true, cookies: 0, messages: 0 },
    targets: [["ours", "handwritten", 0.9]],
  },
  {
    name: "rewrite, control, first visit",
    path: "/control",
    headers: visit,
    workers: ["handwritten", "ours"],
    shows: { headline: HEADLINE, variant: true, cookies: 2, messages: 1 },
    targets: [["ours", "handwritten", 0.9]],
  },
  {
    name: "rewrite, crawler",
    path: "/rewrite",
    headers: { ...visit, "user-agent": CRAWLER },
    workers: ["handwritten", "ours"],
    shows: { headline: HEADLINE, variant: false, cookies: 0, messages: 0 },
    targets: [],
  },
  {
    name: "three rewrites, first visit",
    path: "/three",
    headers: visit,
    workers: ["handwritten-three", "ours"],
    shows: { headline: PROMISE, variant: true, cookies: 2, messages: 1 },
    targets: [["ours", "handwritten-three", 0.95]],
  },
  {
    name: "redirect, first visit",
    path: "/redirect?utm_source=mail",
    headers: visit,
    workers: ["handwritten-redirect", "ours"],
    shows: {
      status: 302,
      header: ["location", "/redirected?from=test&utm_source=mail"],
      variant: true,
      cookies: 2,
      messages: 1,
    },
    targets: [["ours", "handwritten-redirect", 1]],
  },
  {
    name: "variant origin, first visit",
    path: "/variant",
    headers: visit,
    workers: ["handwritten-origin", "ours"],
    shows: { headline: HEADLINE, header: ["x-served", "v2"], variant: true, cookies: 2, messages: 1 },
    targets: [["ours", "handwritten-origin", 0.95]],
  },
  {
    name: "bridge, first visit",
    path: "/bridge",
    headers: visit,
    workers: ["handwritten-bridge", "ours-bridge"],
    shows: {
      headline: HEADLINE,
      text: `"headline":"${PROMISE}"`,
      variant: true,
      cookies: 2,
      messages: 1,
    },
    targets: [["ours-bridge", "handwritten-bridge", 1]],
  },
  atLowLoad("header only", "/header", { variant: { floor: false, handwritten: true, ours: true } }),
  atLowLoad("rewrite", "/rewrite", { headline: { floor: HEADLINE, handwritten: PROMISE, ours: PROMISE } }),
  {
    name: "rewrite from a shared copy, first visit",
    path: "/cached",
    headers: visit,
    workers: ["handwritten-cache", "ours-cache"],
    shows: { headline: PROMISE, variant: true, cookies: 2, messages: 1, asks: 0 },
    targets: [["ours-cache", "handwritten-cache", 0.6]],
  },
  {
    name: "rewrite from a shared copy, returning visitor",
    path: "/cached",
    headers: visit,
    returning: true,
    workers: ["handwritten-cache", "ours-cache"],
    shows: { headline: PROMISE, variant: true, cookies: 0, messages: 0, asks: 0 },
    targets: [["ours-cache", "handwritten-cache", 0.5]],
  },
  {
    name: "rewrite from a shared copy, gzip, first visit",
    path: "/cached",
    headers: { ...visit, "accept-encoding": "gzip" },
    workers: ["handwritten-cache-gzip", "ours-cache"],
    shows: { headline: PROMISE, gzip: true, variant: true, cookies: 2, messages: 1, asks: 0, settled: true },
    targets: [["ours-cache", "handwritten-cache-gzip", 0.5]],
  },
  {
    name: "rewrite, gzip, first visit",
    path: "/rewrite",
    headers: { ...visit, "accept-encoding": "gzip" },
    workers: ALL,
    shows: {
      headline: { floor: HEADLINE, handwritten: PROMISE, ours: PROMISE },
      gzip: true,
      messages: { floor: 0, handwritten: 1, ours: 1 },
    },
    targets: [["ours", "handwritten", 1]],
  },
  ...flagRows,
];
