// Rewrite steps → handlers of Cloudflare's HTMLRewriter, streaming. A handler that throws would end the page after the
// headers are out, so each catches and leaves its element alone. Handlers keep nothing of a page, so those of a variant
// are built once per plan.

import * as core from "sortition-core";

let generation = -1;
let prepared = new Map();

const HTML = { html: true };
const TEXT = { html: false };

const ACTIONS = {
  set_text: (element, { value }) => element.setInnerContent(value, TEXT),
  set_html: (element, { value }) => element.setInnerContent(value, HTML),
  before: (element, { value, html }) => element.before(value, { html }),
  after: (element, { value, html }) => element.after(value, { html }),
  prepend: (element, { value, html }) => element.prepend(value, { html }),
  append: (element, { value, html }) => element.append(value, { html }),
  replace: (element, { value, html }) => element.replace(value, { html }),
  remove: (element) => element.remove(),
  set_attribute: (element, { name, value }) => element.setAttribute(name, value),
  remove_attribute: (element, { name }) => element.removeAttribute(name),
  add_class: (element, { value }) => changeClasses(element, value, true),
  remove_class: (element, { value }) => changeClasses(element, value, false),
};

/**
 * A rewriter for the treatments `refs` (`3.1,5.0`: experiment and variant of the plan) and the bridge's JSON, if any;
 * `undefined` where nothing is to be done.
 */
export function rewriter(refs, bridge) {
  const rewriter = new HTMLRewriter();
  let any = false;
  for (const ref of refs ? refs.split(",") : []) {
    for (const [selector, handler] of handlersOf(ref)) {
      rewriter.on(selector, handler);
      any = true;
    }
  }
  if (bridge) {
    rewriter.on("html", { element: (element) => guard(() => element.setAttribute("data-sortition", bridge)) });
    any = true;
  }
  return any ? rewriter : undefined;
}

function handlersOf(ref) {
  const current = core.generation();
  if (current !== generation) {
    generation = current;
    prepared = new Map();
  }
  let handlers = prepared.get(ref);
  if (!handlers) {
    const [experiment, variant] = ref.split(".");
    handlers = JSON.parse(core.steps(Number(experiment), Number(variant))).flatMap(handlerOf);
    prepared.set(ref, handlers);
  }
  return handlers;
}

function handlerOf(step) {
  const act = ACTIONS[step.do];
  const detail = { name: step.name ?? "", value: step.value ?? "", html: step.html === true };
  const handler = { element: (element) => guard(() => act(element, detail)) };
  try {
    new HTMLRewriter().on(step.select, handler);
  } catch (error) {
    console.error(`sortition: the rewriter does not know the selector ${JSON.stringify(step.select)}: ${error}`);
    return [];
  }
  return [[step.select, handler]];
}

function changeClasses(element, value, add) {
  const changed = value.split(/\s+/).filter(Boolean);
  const kept = (element.getAttribute("class") ?? "").split(/\s+/).filter((name) => name && !changed.includes(name));
  const classes = add ? [...kept, ...changed] : kept;
  if (classes.length) element.setAttribute("class", classes.join(" "));
  else element.removeAttribute("class");
}

function guard(act) {
  try {
    act();
  } catch (error) {
    console.error(`sortition: a rewrite step failed and was left out: ${error}`);
  }
}
