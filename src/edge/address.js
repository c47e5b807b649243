// URLs of requests. The runtime hands on what somebody wrote as the host, also where it is none.

/** Whether a URL can be read. */
export function isUrl(text) {
  // why: with an old compatibility date the runtime has no URL.canParse
  try {
    return Boolean(new URL(text));
  } catch {
    return false;
  }
}
