// Which tags the elements have that a selector met, of pages that are the same byte for byte: their origin gave them one
// strong entity tag. What names the tag costs far less (`rewriting::narrowed`), so from the second of such pages on the
// rewriter is asked for that. Of the page itself nothing is kept.
//
// Nothing is lost by an origin that gives one tag to pages that differ, other than that a step may miss an element whose tag
// differs with them; some pages are read whole again, and where they are another, that origin's tag is not believed any more.

import * as core from "sortition-core";

// What an isolate remembers.
const MOST_PAGES = 500;
const LONGEST = 1000;
// Each so many-th page is read whole again.
const READ_AGAIN = 64;

// By URL and tag, those that were asked for longest ago first. Of each the `selectors` in place of one, how often it was
// asked for, and whether it `differs`.
const pages = new Map();

/** One page on its way through a rewriter; `undefined` where it is known by no tag. */
export function reading(url, tag) {
  if (url.length + tag.length > LONGEST) return undefined;
  const key = `${url} ${tag}`;
  const page = pages.get(key) ?? { selectors: new Map(), asked: 0, differs: false };
  pages.delete(key);
  pages.set(key, page);
  if (pages.size > MOST_PAGES) pages.delete(pages.keys().next().value);
  page.asked++;
  if (page.differs) return undefined;
  return { selectors: page.asked % READ_AGAIN === 0 ? undefined : page.selectors, page, met: undefined };
}

/** Registers a handler for what a selector meets; whether there is anything that it may meet. */
export function register(rewriter, reading, selector, handler) {
  const known = reading?.selectors?.get(selector);
  if (known) {
    for (const one of known) rewriter.on(one, handler);
    return known.length > 0;
  }
  rewriter.on(selector, reading ? noting(rewriter, reading, selector, handler) : handler);
  return true;
}

/** The handler, which also notes the tags of what it meets until the page has come to its end. */
function noting(rewriter, reading, selector, handler) {
  if (!reading.met) {
    reading.met = new Map();
    rewriter.onDocument({ end: () => learn(reading) });
  }
  const tags = reading.met.get(selector) ?? new Set();
  reading.met.set(selector, tags);
  return {
    element(element) {
      tags.add(element.tagName);
      handler.element(element);
    },
  };
}

function learn({ page, met }) {
  try {
    core.generation();
    for (const [selector, tags] of met) {
      const narrowed = core.narrowed(selector, [...tags].sort().join(" "));
      const selectors = narrowed === undefined ? [selector] : narrowed.split("\n").filter(Boolean);
      const known = page.selectors.get(selector);
      if (known && known.join() !== selectors.join()) page.differs = true;
      page.selectors.set(selector, selectors);
    }
  } catch (error) {
    console.error(`sortition: failed in looking at what selectors met, they are asked for as they are: ${error}`);
    page.differs = true;
  }
}
