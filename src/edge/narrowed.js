// Which tags the elements have that a selector met, of pages that are the same byte for byte: their origin gave them one
// strong entity tag. What names the tag costs far less (`rewriting::narrowed`), so that is what the rewriter is then asked
// for. Of a page itself nothing is kept.
//
// Origins are believed with care. Several pages are read whole before, and some after; where they are another, that tag is not
// believed any more. What an origin that gives one tag to pages that differ can cause until then is that a step misses an
// element which is another one in that page.

import * as core from "sortition-core";

// What an isolate remembers.
const MOST_PAGES = 500;
const LONGEST = 1000;
// How many pages are read whole before one is not, and each so many-th is after that.
const READ_BEFORE = 3;
const READ_AGAIN = 64;

// By URL and tag, those that were asked for longest ago first. Of each what stands for each of its `selectors`, how often it
// was `asked` for, and whether it is `doubted`.
const pages = new Map();

/**
 * One page on its way through a rewriter, whose origin answered with this tag and these headers; `undefined` where it may be
 * another than those before.
 */
export function reading(url, tag, headers) {
  if (url.length + tag.length > LONGEST) return undefined;
  const key = `${url} ${tag}`;
  const page = pages.get(key) ?? { selectors: new Map(), asked: 0, doubted: core.varies(headers.get("vary") ?? "") };
  pages.delete(key);
  pages.set(key, page);
  if (pages.size > MOST_PAGES) pages.delete(pages.keys().next().value);
  page.asked++;
  return page.doubted ? undefined : { page, isWhole: page.asked % READ_AGAIN === 0, met: undefined };
}

/** Registers a handler for what a selector meets; whether there is anything that it may meet. */
export function register(rewriter, reading, selector, handler) {
  const known = reading?.page.selectors.get(selector);
  if (known && known.agreed >= READ_BEFORE && !reading.isWhole) {
    for (const one of known.narrowed) rewriter.on(one, handler);
    return known.narrowed.length > 0;
  }
  rewriter.on(selector, reading ? noting(rewriter, reading, selector, handler) : handler);
  return true;
}

/**
 * The handler, which also notes the tags of what it meets until the page has come to its end; not of what it says that it has no
 * use for, by `false`.
 */
function noting(rewriter, reading, selector, handler) {
  if (!reading.met) {
    reading.met = new Map();
    rewriter.onDocument({ end: () => learn(reading) });
  }
  const tags = reading.met.get(selector) ?? new Set();
  reading.met.set(selector, tags);
  return {
    element(element) {
      const { tagName } = element;
      if (handler.element(element) !== false) tags.add(tagName);
    },
  };
}

function learn({ page, met }) {
  try {
    for (const [selector, found] of met) {
      const tags = [...found].sort().join(" ");
      const known = page.selectors.get(selector);
      if (known?.tags === tags) known.agreed++;
      else if (known) page.doubted = true;
      else page.selectors.set(selector, { tags, narrowed: narrowed(selector, tags), agreed: 1 });
    }
  } catch (error) {
    console.error(`sortition: failed in looking at what selectors met, they are asked for as they are: ${error}`);
    page.doubted = true;
  }
}

function narrowed(selector, tags) {
  core.generation();
  const selectors = core.narrowed(selector, tags);
  return selectors === undefined ? [selector] : selectors.split("\n").filter(Boolean);
}
