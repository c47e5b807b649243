// What `visit/codec.rs` writes → an object that says by its `kind` what it is. The one place that knows the order of the
// fields; `fixtures/boundary/outcomes.json` holds examples of every kind, and both sides are tested with it.

const FIELD = "\x1f";
const ITEM = "\x1e";
const [SET, APPEND] = ["=".charCodeAt(0), "+".charCodeAt(0)];

/** The outcome, or what becomes of an answer, that a text of the wasm says; its `changes` are for `change`. */
export function decode(text) {
  const fields = text.split(FIELD);
  switch (fields[0]) {
    case "forward":
      return { kind: "forward", changes: fields.slice(1) };
    case "finish":
      return {
        kind: "finish",
        visits: fields[1],
        rewriting: fields[2] ? rewritingOf(fields) : undefined,
        changes: fields.slice(9),
      };
    case "shared_copy":
      return {
        kind: "shared_copy",
        variants: fields[1],
        body: fields[2],
        watchable: fields[3] ? fields[3].split(",").map(Number) : [],
        readsGzip: fields[4] === "gzip",
        isConditional: fields[5] === "conditional",
        changes: fields.slice(6),
      };
    case "ask":
      return fields[1] === "verify"
        ? { kind: "ask", what: "verify", alg: fields[2], key: fields[3], signed: fields[4], signature: fields[5] }
        : { kind: "ask", what: "join", object: fields[2], shown: fields[3] };
    case "answer":
      return {
        kind: "answer",
        status: Number(fields[1]),
        visits: fields[2],
        changes: fields.slice(3),
      };
    case "reply":
      return { kind: "reply", status: Number(fields[1]), body: fields[2], headers: pairsOf(fields, 3) };
    case "variant_origin":
      return {
        kind: "variant_origin",
        base: fields[1],
        prefix: fields[2],
        timeout: Number(fields[3]),
        keptBody: Number(fields[4]),
        isTrusted: fields[5] === "trusted",
        changes: fields.slice(6),
      };
    default:
      throw new Error(`the wasm said ${JSON.stringify(fields[0])}, which is no outcome`);
  }
}

function rewritingOf(fields) {
  const watched = [];
  const items = itemsOf(fields[7]);
  for (let i = 0; i + 2 < items.length; i += 3) {
    watched.push({ experiment: Number(items[i]), key: items[i + 1], exposure: items[i + 2] });
  }
  return {
    generation: Number(fields[2]),
    steps: fields[3] ? fields[3].split(",") : [],
    charset: fields[4],
    relabelled: fields[5],
    additions: additionsOf(itemsOf(fields[6])),
    watched,
    isTagged: fields[8] === "tagged",
  };
}

function additionsOf(items) {
  const additions = [];
  for (let i = 0; i + 4 < items.length; i += 5) {
    const [select, method, first, second, kind] = items.slice(i, i + 5);
    additions.push({ select, method, arguments: [first, kind ? { html: kind === "html" } : second] });
  }
  return additions;
}

const itemsOf = (field) => (field ? field.split(ITEM) : []);

function pairsOf(fields, from) {
  const pairs = [];
  for (let i = from; i + 1 < fields.length; i += 2) pairs.push([fields[i], fields[i + 1]]);
  return pairs;
}

// What is removed in one go, by its text: there are a handful of such lists.
const lists = new Map();

function listed(text) {
  let names = lists.get(text);
  if (!names) {
    names = text.slice(1).split(",");
    lists.set(text, names);
  }
  return names;
}

/** Changes headers as the changes of an outcome say: what is done and the name, the value, and so on. */
export function change(headers, changes) {
  // why: every visit has a dozen, and an object for each would cost more than they do
  for (let i = 0; i + 1 < changes.length; i += 2) {
    const sign = changes[i].charCodeAt(0);
    if (sign === SET) headers.set(changes[i].slice(1), changes[i + 1]);
    else if (sign === APPEND) headers.append(changes[i].slice(1), changes[i + 1]);
    // why: most are not there, and to ask for one costs a third of deleting it
    else for (const name of listed(changes[i])) if (headers.has(name)) headers.delete(name);
  }
}
