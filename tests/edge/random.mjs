// Random numbers that are the same for a seed, so that what fails fails again.

/** A generator of numbers from 0 to 2³² - 1 (mulberry32). */
export function words(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** A generator of numbers from 0 to 1. */
export function random(seed) {
  const next = words(seed);
  return () => next() / 2 ** 32;
}
