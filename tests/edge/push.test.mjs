// In which order the tool writes, and what is left where wrangler fails on the way: every call of it fails once.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { documentOf, experiment } from "./documents.mjs";
import { stubbed, tool } from "./stubbed.mjs";

const { folder, run, remove } = stubbed();
after(remove);
const text = (document) => JSON.stringify(document);
const HERO = documentOf([experiment({ owner: "o", hypothesis: "h", ends_at: "2999-01-01T00:00:00Z" })]);
const NEXT = structuredClone(HERO);
NEXT.experiments[0].traffic = 50;
const documentFile = join(folder, "next.json");
writeFileSync(documentFile, text(NEXT));

const LIVE = { config: text(HERO), "config:r1": text(HERO) };
const audits = (keys) => Object.keys(keys).filter((key) => key.startsWith("audit:"));

test("a push writes the copy and the note, then what is live, and reads it back", async () => {
  const pushed = await run(LIVE, {}, "push", documentFile, "--revision", "r2");
  assert.equal(pushed.status, 0, pushed.stderr);
  const plan = Object.keys(pushed.keys).find((key) => key.startsWith("plan:"));
  assert.match(plan, /^plan:[0-9a-f]{32}$/);
  assert.deepEqual(pushed.calls, ["get config config:r2", `put config:r2 audit ${plan}`, "put config", "get config"]);
  assert.equal(JSON.parse(pushed.keys.config).revision, "r2");
  assert.equal(pushed.keys["config:r2"], pushed.keys.config);
  const [note] = audits(pushed.keys).map((key) => JSON.parse(pushed.keys[key]));
  assert.deepEqual([note.who, note.action, note.from, note.to], ["robin", "push", "r1", "r2"]);
  assert.match(note.summary.join(), /traffic/);
});

const COMMANDS = {
  push: ["push", documentFile, "--revision", "r2"],
  rollback: ["rollback", "r1"],
  ramp: ["ramp", "hero", "25"],
};

for (const [name, args] of Object.entries(COMMANDS)) {
  test(`wherever a ${name} fails before its last write, the old document stays live`, async () => {
    const whole = await run(LIVE, {}, ...args);
    assert.equal(whole.status, 0, whole.stderr);
    const write = whole.calls.indexOf("put config") + 1;
    assert.ok(write > 1 && write < whole.calls.length);
    for (let number = 1; number <= write; number++) {
      const failed = await run(LIVE, { STUB_FAIL: String(number) }, ...args);
      // why: several keys that cannot be read at once are read one by one
      if (failed.status === 0) assert.match(whole.calls[number - 1], /^get \S+ \S+/);
      else {
        assert.equal(failed.status, 1);
        assert.equal(failed.keys.config, LIVE.config, `call ${number}`);
        assert.match(failed.stderr, /^error: wrangler could not \w+ .*: sign in with `npx wrangler login`/m);
        assert.match(failed.stderr, /^ {2}wrangler: A request to the Cloudflare API failed: Authentication error/m);
        assert.doesNotMatch(failed.stderr, /npm warn|✘|\[ERROR\]/);
      }
    }
    const again = await run((await run(LIVE, { STUB_FAIL: String(write) }, ...args)).keys, {}, ...args);
    assert.equal(again.status, 0, again.stderr);
  });
}

test("what is refused is not written", async () => {
  const write = (change) => {
    const document = structuredClone(HERO);
    change(document, document.experiments[0]);
    const file = join(folder, "refused.json");
    writeFileSync(file, text(document));
    return file;
  };
  const refused = async (stderr, args, status = 1) => {
    const ran = await run(LIVE, {}, ...args);
    assert.equal(ran.status, status, `${args}: ${ran.stderr}`);
    assert.match(ran.stderr, stderr);
    assert.deepEqual(ran.keys, LIVE, `${args}`);
    return ran.calls;
  };
  const broken = write((_, hero) => {
    hero.variants[0].weight = -1;
  });
  assert.deepEqual(await refused(/^error experiments\[0\]\.variants\[0\]\.weight: /m, ["push", broken]), []);
  const salted = write((document) => {
    document.salt = "other";
  });
  await refused(/^error salt: .*--allow salt/m, ["push", salted, "--revision", "r2"]);
  await refused(/^error revision: `r1` was pushed before/m, ["push", documentFile, "--revision", "r1"]);
  await refused(/^error revision: there is no `config:nope`/m, ["rollback", "nope"]);
  await refused(/^error experiments: no live experiment is `nobody`/m, ["ramp", "nobody", "5"]);
  await refused(/^error kill: no live experiment is `nobody`/m, ["kill", "nobody"]);
  assert.deepEqual(await refused(/101/, ["ramp", "hero", "101"], 2), []);
  assert.deepEqual(await refused(/a b/, ["push", documentFile, "--revision", "a b"], 2), []);
  for (const args of [COMMANDS.push, COMMANDS.rollback, COMMANDS.ramp, ["push", salted, "--allow", "salt"]]) {
    const dry = await run(LIVE, {}, ...args, "--dry-run", "--json");
    assert.equal(dry.status, 0, dry.stderr);
    assert.equal(JSON.parse(dry.stdout).written, false);
    assert.deepEqual(dry.keys, LIVE);
  }
});

test("kills add up, and end one by one or all at once", async () => {
  const two = documentOf([...HERO.experiments, { ...HERO.experiments[0], id: "price" }]);
  let keys = { config: text(two) };
  const kill = async (...args) => {
    const killed = await run(keys, {}, "kill", ...args);
    assert.equal(killed.status, 0, killed.stderr);
    keys = killed.keys;
    return keys.kill && JSON.parse(keys.kill);
  };
  assert.deepEqual(await kill("hero"), { experiments: ["hero"] });
  assert.deepEqual(await kill("price"), { experiments: ["hero", "price"] });
  assert.deepEqual(await kill("hero", "--off"), { experiments: ["price"] });
  assert.deepEqual(await kill("--all"), { all: true, experiments: ["price"] });
  assert.equal(await kill("--all", "--off"), undefined);
  assert.deepEqual(await kill("--all"), { all: true });
  assert.equal(await kill("--off"), undefined);
});

test("a kill is written before it is noted, and a failed note is a warning", async () => {
  const killed = await run(LIVE, {}, "kill", "hero");
  assert.deepEqual(killed.calls, ["get config kill kill-guard", "put kill", "get kill", "put audit"]);
  assert.deepEqual(JSON.parse(killed.keys.kill), { experiments: ["hero"] });
  const unnoted = await run(LIVE, { STUB_FAIL: "4" }, "kill", "hero");
  assert.equal(unnoted.status, 0);
  assert.match(unnoted.stderr, /^warning audit: /m);
  const failed = await run(LIVE, { STUB_FAIL: "2" }, "kill", "hero");
  assert.deepEqual([failed.status, failed.keys.kill], [1, undefined]);
});

test("lifting says whether anything was lifted, and frees what the guard had stopped too", async () => {
  const guard = { experiments: ["hero", "price"], hold: { hero: 25 }, weights: { hero: { control: 1, bold: 3 } } };
  const keys = { ...LIVE, "kill-guard": text(guard) };
  const lift = async (held, ...args) => {
    const ran = await run(held, {}, "kill", ...args, "--json");
    assert.equal(ran.status, 0, ran.stderr);
    return { ...JSON.parse(ran.stdout), keys: ran.keys };
  };
  const nothing = await lift(LIVE, "hero", "--off");
  assert.deepEqual([nothing.lifted, nothing.keys], [false, LIVE]);
  assert.match((await run(LIVE, {}, "kill", "hero", "--off")).stdout, /`hero` was not killed, so nothing was lifted/);
  const hero = await lift(keys, "hero", "--off");
  assert.deepEqual([hero.lifted, hero.guard_lifted], [true, ["hero"]]);
  assert.deepEqual(JSON.parse(hero.keys["kill-guard"]), { experiments: ["price"], weights: guard.weights });
  const all = await lift({ ...keys, kill: '{"all":true}' }, "--all", "--off");
  assert.deepEqual(all.guard_lifted, ["hero", "price"]);
  assert.equal(all.keys.kill, undefined);
  assert.deepEqual(JSON.parse(all.keys["kill-guard"]), { weights: guard.weights });
  const history = await run({ ...keys, kill: '{"all":true}' }, {}, "history");
  assert.match(history.stdout, /^killed by a person {2}\{"all":true\}$/m);
  assert.match(history.stdout, /^stopped by the worker's guard {2}\{.*"hold":\{"hero":25\}/m);
});

test("a push of what is live writes nothing and says so", async () => {
  const same = join(folder, "same.json");
  writeFileSync(same, JSON.stringify({ ...HERO, revision: "another" }, null, 4));
  const pushed = await run(LIVE, {}, "push", same, "--json");
  assert.equal(pushed.status, 0, pushed.stderr);
  assert.deepEqual([pushed.calls, pushed.keys], [["get config"], LIVE]);
  const { written, unchanged, revision } = JSON.parse(pushed.stdout);
  assert.deepEqual([written, unchanged, revision], [false, true, "r1"]);
});

test("what is pushed is the file as it is written, and a ramp changes a number in it", async () => {
  const written = text(NEXT)
    .replace('"project"', '\n\t  "project"')
    .replace('"traffic":50', '"traffic" :  50,"ramp":[]');
  const file = join(folder, "formatted.json");
  writeFileSync(file, written);
  const pushed = await run(LIVE, {}, "push", file, "--revision", "r2");
  assert.equal(pushed.status, 0, pushed.stderr);
  assert.equal(pushed.keys.config, written.replace('"revision":"r1"', '"revision":"r2"'));
  const ramped = await run({ config: pushed.keys.config }, {}, "ramp", "hero", "25");
  assert.equal(ramped.status, 0, ramped.stderr);
  const { revision: later } = JSON.parse(ramped.keys.config);
  const expected = written
    .replace('"traffic" :  50,"ramp":[]', '"traffic" :  25')
    .replace('"revision":"r1"', `"revision":"${later}"`);
  assert.equal(ramped.keys.config, expected);
  assert.match(ramped.stdout, /in git, or the next push takes it back/);
  assert.match(ramped.stdout, /Who is in stays in/);
});

/** Whether the characters of one text stand in another in this order. */
function isWithin(part, whole) {
  let at = 0;
  for (const letter of part) {
    at = whole.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

test("a decision goes into what is live as it is written, and makes it so", async () => {
  const written = text(HERO).replace('"project"', '\n\t  "project"').replace('"traffic":', '"traffic" :  ');
  const decide = (...args) => run({ config: written }, {}, "decide", "hero", ...args, "--json");
  const shipped = await decide("ship", "bold", "--why", 'It "sells" more.');
  assert.equal(shipped.status, 0, shipped.stderr);
  const { decision } = JSON.parse(shipped.stdout);
  const { at: when, ...rest } = decision;
  assert.deepEqual(rest, { what: "ship", variant: "bold", by: "robin", why: 'It "sells" more.', revision: "r1" });
  assert.ok(Date.parse(when) > Date.now() - 600_000);
  assert.match(shipped.stderr, /keeps no summary of the result: .*\. To give one, say --summary TEXT/);
  assert.doesNotMatch(shipped.stderr, /at .*node:/, "what nobody can do anything about is not shown");
  const after = JSON.parse(shipped.keys.config);
  const { ends_at: _, ...hero } = HERO.experiments[0];
  const expected = { ...HERO, revision: after.revision, experiments: [{ ...hero, decision, winner: "bold" }] };
  assert.deepEqual(after, expected, "past its end a winner would be nobody's");
  const untouched = written.replace(',"ends_at":"2999-01-01T00:00:00Z"', "").replace('"r1"', '""');
  assert.ok(isWithin(untouched, shipped.keys.config), "not a byte of the rest changes");
  const [note] = audits(shipped.keys).map((key) => JSON.parse(shipped.keys[key]));
  assert.deepEqual([note.action, note.who, note.from], ["decide", "robin", "r1"]);

  for (const what of ["keep", "inconclusive", "abort"]) {
    const kept = await decide(what, "--why", "Six weeks, nothing.");
    assert.equal(kept.status, 0, kept.stderr);
    const [over] = JSON.parse(kept.keys.config).experiments;
    assert.deepEqual([over.status, over.decision.what, over.winner], ["completed", what, undefined]);
    assert.ok(isWithin(written.replace('"running"', '""').replace('"r1"', '""'), kept.keys.config));
  }
  for (const [args, status, said] of [
    [["ship", "nothing", "--why", "x"], 1, /`nothing` is no variant of hero: control, bold/],
    [["ship", "--why", "x"], 2, /VARIANT/],
    [["keep", "bold", "--why", "x"], 2, /names no variant/],
    [["keep", "--why", " "], 2, /says nothing/],
    [["keep"], 2, /--why/],
  ]) {
    const refused = await decide(...args);
    assert.equal(refused.status, status, `${args}`);
    assert.match(refused.stderr, said);
    assert.equal(refused.keys.config, written);
  }
});

test("a push that takes away what is live is refused, and each refusal says what would allow it", async () => {
  const treat = (id) => ({ ...HERO.experiments[0], id });
  const live = documentOf(["hero", "price", "badge"].map(treat));
  const keys = { config: text(live) };
  const push = (document, ...args) => {
    const file = join(folder, "taken.json");
    writeFileSync(file, text(document));
    return run(keys, {}, "push", file, "--visitors", "100", ...args);
  };
  const shown = structuredClone(live);
  shown.experiments[0].variants[1].response_headers = { "x-hero": "2" };
  const cases = {
    remove: documentOf(["hero", "price"].map(treat)),
    treatment: shown,
    project: { ...live, project: "other" },
    "remove,shrink": documentOf([treat("hero")]),
  };
  for (const [danger, document] of Object.entries(cases)) {
    const refused = await push(document);
    assert.equal(refused.status, 1, danger);
    for (const one of danger.split(",")) assert.match(refused.stderr, new RegExp(`^error .*--allow ${one}$`, "m"));
    assert.deepEqual(refused.keys, keys);
    const allowed = await push(document, "--allow", danger);
    assert.equal(allowed.status, 0, `${danger}: ${allowed.stderr}`);
    assert.notEqual(allowed.keys.config, keys.config);
  }
});

test("an old wrangler, which cannot read several keys at once, will do", async () => {
  const pushed = await run(LIVE, { STUB_OLD: "1" }, ...COMMANDS.push);
  assert.equal(pushed.status, 0, pushed.stderr);
  assert.deepEqual(pushed.calls.slice(0, 2), ["get config", "get config:r2"]);
});

test("several values are read as Cloudflare's KV gives them, too", async () => {
  const reused = await run(LIVE, { STUB_REMOTE: "1" }, "push", documentFile, "--revision", "r1");
  assert.equal(reused.status, 1);
  assert.match(reused.stderr, /^error revision: `r1` was pushed before/m);
});

test("a KV that is late is asked again", async () => {
  const pushed = await run(LIVE, { STUB_LATE: "1" }, ...COMMANDS.push);
  assert.equal(pushed.status, 0, pushed.stderr);
  assert.deepEqual(pushed.calls.slice(-2), ["get config", "get config"]);
});

test("the history of many pushes takes two calls", async () => {
  const notes = Array.from({ length: 30 }, (_, number) => {
    const at = `2026-11-21T10:00:${String(number).padStart(2, "0")}.000Z`;
    return [
      `audit:${at}:r${number}`,
      text({ at, who: "robin", action: "push", from: null, to: `r${number}`, summary: [] }),
    ];
  });
  const { status, stdout, calls } = await run(Object.fromEntries(notes), {}, "history", "--limit", "20", "--json");
  assert.deepEqual([status, calls.length], [0, 2]);
  const { history } = JSON.parse(stdout);
  assert.deepEqual(
    history.map(({ to }) => to),
    Array.from({ length: 20 }, (_, number) => `r${29 - number}`),
  );
});

test("where there is no wrangler, the tool says what to do", async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), "sortition-nowhere-"));
  try {
    const env = { ...process.env, PATH: elsewhere };
    const { status, stderr } = spawnSync(tool, ["kill", "--all"], { cwd: elsewhere, env, encoding: "utf8" });
    assert.equal(status, 1);
    assert.match(stderr, /run this in the project's folder, after `npm install`/);
  } finally {
    rmSync(elsewhere, { recursive: true, force: true });
  }
});
