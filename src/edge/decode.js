// What `visit/codec.rs` writes → an object that says by its `kind` what it is. The one place that knows the order of the
// fields; `fixtures/boundary/outcomes.json` holds examples of every kind, and both sides are tested with it.

const FIELD = "\x1f";
const ITEM = "\x1e";
const OPERATIONS = { "=": "set", "+": "append", "-": "remove" };

/** The outcome, or what becomes of an answer, that a text of the wasm says. */
export function decode(text) {
  const fields = text.split(FIELD);
  switch (fields[0]) {
    case "forward":
      return { kind: "forward", changes: changesOf(fields, 1) };
    case "finish":
      return {
        kind: "finish",
        visits: fields[1],
        rewriting: fields[2] ? rewritingOf(fields) : undefined,
        changes: changesOf(fields, 8),
      };
    case "shared_copy":
      return {
        kind: "shared_copy",
        variants: fields[1],
        body: fields[2],
        watchable: fields[3] ? fields[3].split(",").map(Number) : [],
        readsGzip: fields[4] === "gzip",
        changes: changesOf(fields, 5),
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
        changes: changesOf(fields, 3),
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
        changes: changesOf(fields, 6),
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
    additions: fields[6] ? JSON.parse(fields[6]) : [],
    watched,
  };
}

const itemsOf = (field) => (field ? field.split(ITEM) : []);

function pairsOf(fields, from) {
  const pairs = [];
  for (let i = from; i + 1 < fields.length; i += 2) pairs.push([fields[i], fields[i + 1]]);
  return pairs;
}

function changesOf(fields, from) {
  const changes = [];
  for (let i = from; i + 1 < fields.length; i += 2) {
    changes.push({ operation: OPERATIONS[fields[i][0]], name: fields[i].slice(1), value: fields[i + 1] });
  }
  return changes;
}
