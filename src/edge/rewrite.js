// Rewrite steps → handlers of Cloudflare's HTMLRewriter, streaming. A handler that throws would end the page after the
// headers are out, so each catches and leaves its element alone. Handlers keep nothing of a page, so those of a variant
// are built once per plan.

import * as core from "sortition-core";
import { register } from "./narrowed.js";

// What is kept of each plan, by its number. The newest, and the one before for visits that are under way.
const prepared = new Map();
const PLANS = 2;

// What elements of HTML are in, and those of drawings and formulas are not.
const HTML = "http://www.w3.org/1999/xhtml";
// After so many pages a step that met nothing is worth a word.
const PAGES_BEFORE_WARNING = 20;
// How many variants, and steps of each, `/health` shows at most.
const MOST_SHOWN = 20;

/**
 * A rewriter for one page; `undefined` where nothing is to be done.
 *
 * `steps`: treatments (`3.1`: experiment and variant), `watched`: experiments whose selectors are to be noticed, by position
 * in the plan of the `visit`; `met` is called with the key and the exposure of such an experiment, once. `additions` are
 * further calls: of those with a selector the first that meets something, one without at the end of the page. `charset` says
 * how text goes into the page. `record` takes note, for whoever gets the same body later, of which of its `watchable`
 * experiments are `met`, and of what the steps of each of the `treatments` met. `reading` is this page among those that are
 * the same (`narrowed.js`).
 */
export function rewriter({ generation, charset, steps, additions, watched }, visit, met, record, reading) {
  const rewriter = new HTMLRewriter();
  const kept = keptOf(generation);
  let any = false;
  const on = (selector, act) => {
    if (register(rewriter, reading, selector, { element: (element) => guard(() => act(element)) })) any = true;
  };
  // why: watchers come first, or a step that removes an element would hide it from them
  for (const { experiment, key, exposure } of watched) {
    let seen = false;
    for (const selector of selectorsOf(experiment, visit, kept)) {
      on(selector, () => {
        if (!seen) met(key, exposure);
        seen = true;
      });
    }
  }
  for (const experiment of record?.watchable ?? []) {
    for (const selector of selectorsOf(experiment, visit, kept)) on(selector, () => record.met.add(experiment));
  }
  for (const ref of steps) {
    const treatment = treatmentFor(ref, charset, visit, kept);
    const hits = record && new Map();
    if (record) record.treatments.push({ treatment, hits });
    for (const [selector, handler, step] of treatment.handlers) {
      const noted = (element) => {
        hits.set(step, (hits.get(step) ?? 0) + 1);
        handler.element(element);
      };
      if (register(rewriter, reading, selector, record ? { element: noted } : handler)) any = true;
    }
  }
  let added = false;
  for (const { select, method, arguments: values } of additions) {
    const act = caller(method, values);
    const once = (element) => {
      // why: a drawing has a title, too
      if (added || element.namespaceURI !== HTML) return false;
      added = true;
      guard(() => act(element));
      return true;
    };
    if (!select) rewriter.onDocument({ end: (end) => guard(() => act(end)) });
    else register(rewriter, reading, select, { element: once });
    any = true;
  }
  return any ? rewriter : undefined;
}

/** What is kept of a plan. */
function keptOf(generation) {
  let kept = prepared.get(generation);
  if (!kept) {
    kept = new Map();
    prepared.set(generation, kept);
    if (prepared.size > PLANS) prepared.delete(prepared.keys().next().value);
  }
  return kept;
}

function once(kept, key, make) {
  let value = kept.get(key);
  if (value === undefined) {
    value = make();
    kept.set(key, value);
  }
  return value;
}

function treatmentFor(ref, charset, visit, kept) {
  const treatment = once(kept, `${ref} ${charset}`, () => treatmentOf(ref, charset, visit));
  countPage(treatment);
  return treatment;
}

function countPage(treatment) {
  treatment.pages++;
  if (treatment.pages === PAGES_BEFORE_WARNING) warn(treatment);
}

/** Counts a page that has the treatments of a record in it, without the rewriter. */
export function counted(treatments) {
  for (const { treatment, hits } of treatments) {
    countPage(treatment);
    for (const [step, count] of hits) step.hits += count;
  }
}

/** The handlers of a variant's steps, and how many elements each step met on how many pages. */
function treatmentOf(ref, charset, visit) {
  const [experiment, variant] = ref.split(".");
  const { name, steps } = JSON.parse(visit.steps(Number(experiment), Number(variant), charset));
  for (const step of steps) step.hits = 0;
  return { name, steps, pages: 0, handlers: steps.flatMap(handlerOf) };
}

const unmatched = ({ pages, steps }) => (pages < PAGES_BEFORE_WARNING ? [] : steps.filter((step) => step.hits === 0));

function warn(treatment) {
  for (const { do: action, select } of unmatched(treatment)) {
    const what = `${action} of ${JSON.stringify(select)}`;
    console.warn(`sortition: ${treatment.name}: ${what} met nothing on ${treatment.pages} pages. Check its selector.`);
  }
}

/** What the steps met in this isolate since its plan, as JSON for `/health`: those that met nothing first. */
export function hits() {
  const treatments = [...(prepared.get(core.generation())?.values() ?? [])].filter((it) => it.handlers);
  treatments.sort((a, b) => unmatched(b).length - unmatched(a).length);
  const shown = treatments.slice(0, MOST_SHOWN).map(({ name, pages, steps }) => ({
    variant: name,
    pages,
    steps: [...steps]
      .sort((a, b) => a.hits - b.hits)
      .slice(0, MOST_SHOWN)
      .map(({ select, do: action, hits }) => ({ select: select.slice(0, 100), do: action, hits })),
  }));
  return JSON.stringify(shown);
}

function selectorsOf(experiment, visit, kept) {
  return once(kept, `selectors of ${experiment}`, () => JSON.parse(visit.selectors(experiment)).filter(isKnown));
}

function handlerOf(step) {
  const act = caller(step.method, step.arguments);
  const element = (element) => {
    step.hits++;
    guard(() => act(element));
  };
  return isKnown(step.select) ? [[step.select, { element }, step]] : [];
}

// What makes each call that the wasm asks for: of a method of the element, or a change of its classes, which has none.
// why: written out, each place has one method, which V8 calls without looking for it
const CALLS = {
  setInnerContent: (element, content, options) => element.setInnerContent(content, options),
  before: (element, content, options) => element.before(content, options),
  after: (element, content, options) => element.after(content, options),
  prepend: (element, content, options) => element.prepend(content, options),
  append: (element, content, options) => element.append(content, options),
  replace: (element, content, options) => element.replace(content, options),
  remove: (element) => element.remove(),
  setAttribute: (element, name, value) => element.setAttribute(name, value),
  removeAttribute: (element, name) => element.removeAttribute(name),
  addClass: (element, value) => changeClass(element, value, true),
  removeClass: (element, value) => changeClass(element, value, false),
};

function caller(method, [first, second]) {
  const call = CALLS[method];
  return (element) => call(element, first, second);
}

function changeClass(element, value, adds) {
  const classes = core.classes(element.getAttribute("class") ?? "", value, adds);
  if (classes === undefined) element.removeAttribute("class");
  else element.setAttribute("class", classes);
}

/** Whether the runtime's rewriter takes a selector: it throws on one it does not know, which must not reach a page. */
function isKnown(selector) {
  try {
    new HTMLRewriter().on(selector, { element() {} });
    return true;
  } catch (error) {
    console.error(`sortition: the rewriter does not know the selector ${JSON.stringify(selector)}: ${error}`);
    return false;
  }
}

function guard(act) {
  try {
    act();
  } catch (error) {
    console.error(`sortition: a rewrite step failed and was left out: ${error}`);
  }
}
