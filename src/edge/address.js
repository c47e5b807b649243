// URLs of requests. The runtime hands on what somebody wrote as the host, also where it is none.

/** A URL, read; undefined where it cannot be. */
export function urlOf(text) {
  // why: with an old compatibility date the runtime has neither URL.canParse nor URL.parse
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
