// Documents for tests.

/** A document around experiments; everything else may be given too. */
export function documentOf(experiments, rest = {}) {
  return { version: 1, project: "acme-shop", revision: "r1", experiments, ...rest };
}

/** A running experiment on `/`, everybody in the second variant unless told otherwise. */
export function experiment(rest = {}) {
  return {
    id: "hero",
    status: "running",
    pages: ["/"],
    variants: [
      { id: "control", weight: 0 },
      { id: "bold", weight: 1, rewrite: [{ select: "h1", do: "set_text", value: "Hello" }] },
    ],
    ...rest,
  };
}

/** Steps in an experiment in which everybody has them. */
export const treatment = (rewrite, rest = {}) =>
  experiment({
    variants: [
      { id: "control", weight: 0 },
      { id: "bold", weight: 1, rewrite },
    ],
    ...rest,
  });

/**
 * Two experiments on `purchase`, `hero` decided long ago and `live` running, whose exposures are kept for `keep_days`;
 * `metrics` by id, of which `revenue` is the primary one.
 */
export function decided(keep_days, metrics) {
  const measured = (rest) =>
    experiment({
      metrics: { primary: "revenue", secondary: Object.keys(metrics).filter((id) => id !== "revenue") },
      analysis: { mde: 0.1 },
      variants: [
        { id: "control", weight: 50 },
        { id: "bold", weight: 50 },
      ],
      ...rest,
    });
  const decision = { what: "ship", variant: "bold", by: "ada", at: "2026-03-01T00:00:00Z", why: "It sells more." };
  const of = (metric) => ({ event: "purchase", ...metric });
  return documentOf([measured({ decision, winner: "bold" }), measured({ id: "live", pages: ["/live"] })], {
    metrics: Object.fromEntries(Object.entries(metrics).map(([id, metric]) => [id, of(metric)])),
    record: { keep_days },
  });
}
