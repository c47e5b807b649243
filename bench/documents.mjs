// The documents under measurement: ours with few, a thousand and ten thousand experiments, and the hand-written worker's.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { flagWorkers, stores } from "./flags.mjs";

/** The headline of the treatment. */
export const PROMISE = "Sleep dry tonight";

const rewrite = (select, value) => [{ select, do: "set_text", value }];

/** Everybody gets the second variant, so that every answer of a round does the same work. */
function experiment(id, page, treatment, weights = [0, 100]) {
  const variants = [
    { id: "control", weight: weights[0] },
    { id: "treatment", weight: weights[1], ...treatment },
  ];
  return { id, status: "running", pages: [page], variants };
}

const measured = [
  experiment("header", "/header", {}),
  experiment("hero", "/rewrite", { rewrite: rewrite("#headline", PROMISE) }),
  experiment("hero-control", "/control", { rewrite: rewrite("#headline", PROMISE) }, [100, 0]),
  experiment("by-tag", "/by-tag", { rewrite: rewrite("h1#headline", PROMISE) }),
  experiment("untagged", "/untagged", { rewrite: rewrite("#headline", PROMISE) }),
  experiment("first", "/three", { rewrite: rewrite("#headline", PROMISE) }),
  experiment("second", "/three", { rewrite: rewrite("#lead", "Made to be mended.") }),
  experiment("third", "/three", { rewrite: rewrite("#note", "Free delivery.") }),
  experiment("moved", "/redirect", { redirect: { to: "/redirected?from=test" } }),
  experiment("elsewhere", "/variant", { origin: { path_prefix: "/v2" } }),
];

/** What reaches the page's scripts. */
const PAYLOAD = { headline: PROMISE, colours: ["#1f3d33", "#fff"], position: 3 };
const bridged = [experiment("bridged", "/bridge", { payload: PAYLOAD })];
const cached = [experiment("cached", "/cached", { rewrite: rewrite("#headline", PROMISE) })];

/** Experiments of other pages, of the kinds that a large shop has, between those that apply. */
function others(count) {
  return Array.from({ length: count }, (_, number) => {
    const page = [
      `/landing/${number}`,
      `/c/category-${number}/*`,
      { prefix: `/campaign-${number}/` },
      { exact: `/p/${number}` },
    ];
    const value = `Offer ${number}`;
    const filler = experiment(
      `other-${number}`,
      page[number % 4],
      { rewrite: rewrite(".card-title", value) },
      [50, 50],
    );
    if (number % 5 === 0) filler.audience = { country: { $in: ["US", "CA"] }, device: "mobile" };
    if (number % 7 === 0) filler.traffic = 50;
    return filler;
  });
}

export function document(experiments) {
  const half = others(Math.max(0, experiments - measured.length));
  const list = half.toSpliced(half.length >> 1, 0, ...measured);
  return { version: 1, project: "bench", revision: `bench-${experiments}`, experiments: list };
}

/** The hand-written workers' form of experiments. */
const plain = (experiments) => ({
  experiments: experiments.map(({ id, pages, variants }) => ({
    id,
    path: pages[0],
    variants: variants.map((variant) => ({
      id: variant.id,
      weight: variant.weight,
      rewrite: variant.rewrite?.map((step) => [step.select, step.value]),
      redirect: variant.redirect?.to,
      prefix: variant.origin?.path_prefix,
      payload: variant.payload,
    })),
  })),
});

const documentOf = (experiments, more) => ({ version: 1, project: "bench", revision: "bench", experiments, ...more });

/** Contents of the KV stores by name. */
export const documents = {
  none: {},
  handwritten: { config: JSON.stringify(plain([...measured, ...bridged, ...cached])) },
  few: { config: JSON.stringify(document(measured.length)) },
  thousand: { config: JSON.stringify(document(1000)) },
  bridge: { config: JSON.stringify(documentOf(bridged, { bridge: "script" })) },
  cache: { config: JSON.stringify(documentOf(cached, { cache: { pages: ["/cached"] } })) },
  "ten-thousand": { config: JSON.stringify(document(10_000)) },
  // as somebody writes it who does not push: without a plan beside it
  "few-json": { config: JSON.stringify(document(measured.length)) },
  "thousand-json": { config: JSON.stringify(document(1000)) },
  ...stores,
};

/** A worker of ours, all that is deployed of it: what a start does not need as well, which the runtime has to carry. */
function modulesOf(folder) {
  const files = readdirSync(folder).filter((name) => /\.(?:js|wasm)$/.test(name) && name !== "index.js");
  return Object.fromEntries(["index.js", ...files].map((name) => [name, readFileSync(join(folder, name))]));
}

/** The names that a worker is known under, its modules, and the store that it reads; `before` is an earlier build of ours. */
export const workers = ({ built, before }) => {
  const read = (file) => readFileSync(new URL(file, import.meta.url));
  const alone = (file) => ({ "worker.js": read(file) });
  const byHand = (feature) => ({
    modules: { ...alone(`handwritten-${feature}.js`), "parts.js": read("parts.js") },
    store: "handwritten",
  });
  const ours = modulesOf(built);
  return {
    floor: { modules: alone("floor.js"), store: "none" },
    handwritten: { modules: alone("handwritten.js"), store: "handwritten" },
    "handwritten-redirect": byHand("redirect"),
    "handwritten-origin": byHand("origin"),
    "handwritten-bridge": byHand("bridge"),
    "handwritten-three": byHand("three"),
    "handwritten-cache": byHand("cache"),
    "handwritten-cache-gzip": byHand("cache-gzip"),
    ours: { modules: ours, store: "few" },
    "ours-bridge": { modules: ours, store: "bridge" },
    "ours-cache": { modules: ours, store: "cache" },
    "ours-1000": { modules: ours, store: "thousand" },
    "ours-10000": { modules: ours, store: "ten-thousand" },
    "ours-json": { modules: ours, store: "few-json" },
    "ours-1000-json": { modules: ours, store: "thousand-json" },
    ...flagWorkers({ modules: ours }),
    ...(before && { before: { modules: modulesOf(before), store: "few-json" } }),
  };
};
