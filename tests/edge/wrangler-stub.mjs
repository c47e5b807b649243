// Stands in for wrangler where a test needs to know every call, or to have one fail: `wrangler kv …` on a JSON file.
//
// STUB_STATE names the file: `{keys, calls}`. STUB_FAIL is the number of the call that fails, from 1; STUB_OLD makes the
// bulk commands unknown, as in an old wrangler; STUB_LATE is how many reads of `config` still see what was before the
// last write; STUB_REMOTE prints several values as for Cloudflare's KV.

import { readFileSync, writeFileSync } from "node:fs";

const { STUB_STATE: file, STUB_FAIL: fail, STUB_OLD: old, STUB_LATE: late, STUB_REMOTE: remote } = process.env;
const state = JSON.parse(readFileSync(file, "utf8"));
const args = process.argv.slice(2);
const option = (name) => args[args.indexOf(name) + 1];
const [, group, verb, name] = args;
const list = () => JSON.parse(readFileSync(name, "utf8"));

function value(key) {
  if (key === "config" && state.late > 0) {
    state.late--;
    return state.before;
  }
  return state.keys[key];
}

function put(key, text) {
  if (key === "config") Object.assign(state, { before: state.keys.config, late: Number(late ?? 0) });
  state.keys[key] = text;
}

const commands = {
  "key get": () => ({ call: `get ${name}`, out: value(name) ?? "Value not found" }),
  "key put": () => ({ call: `put ${name}`, act: () => put(name, readFileSync(option("--path"), "utf8")) }),
  "key delete": () => ({ call: `delete ${name}`, act: () => delete state.keys[name] }),
  "key list": () => {
    const found = Object.keys(state.keys).filter((key) => key.startsWith(option("--prefix")));
    return { call: "list", out: JSON.stringify(found.map((name) => ({ name }))) };
  },
  "bulk get": () => {
    const shown = (text) => (remote ? (text ?? null) : { value: text ?? null });
    const values = Object.fromEntries(list().map((key) => [key, shown(value(key))]));
    return { call: `get ${list().join(" ")}`, out: JSON.stringify(values, null, 2) };
  },
  "bulk put": () => ({
    call: `put ${list()
      .map(({ key }) => key)
      .join(" ")}`,
    act: () => {
      for (const { key, value } of list()) put(key, value);
    },
  }),
};

if (old && group === "bulk" && verb === "get") {
  console.error("✘ [ERROR] Unknown arguments: get");
  process.exit(1);
}
const { call, act, out } = commands[`${group} ${verb}`]();
state.calls.push(call);
const fails = Number(fail) === state.calls.length;
if (!fails) act?.();
writeFileSync(file, JSON.stringify(state));
if (fails) {
  // as the real one, which colours its words even where nobody sees colours
  const mark = "\u001b[31m✘ \u001b[41;31m[\u001b[41;97mERROR\u001b[41;31m]\u001b[0m";
  const words = "A request to the Cloudflare API failed: Authentication error [code: 10000]";
  console.error(`npm warn something\n${mark} \u001b[1m${words}\u001b[0m`);
  process.exit(1);
}
if (out !== undefined) console.log(out);
