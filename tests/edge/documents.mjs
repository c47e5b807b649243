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
