// Documents that are drawn at random, the same on every run: what builds of the engine are compared by.

import { words } from "./random.mjs";

/** A generator of numbers below `n`, the same on every run. */
export function random(seed) {
  const next = words(seed);
  return (n) => next() % n;
}

/** A document of experiments of every kind, drawn by a generator. */
export function documentOf(below, number) {
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
