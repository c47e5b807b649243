// What `npm run package` makes, in a scratch folder with nothing but the packed tarballs and Node: init, dev before a
// server that stands for the shop, push --local, a purchase, a verdict. And the release workflow's own steps.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { at, installed, output } from "../../scripts/setup.mjs";
import { until } from "./client.mjs";
import { startTool } from "./dev.mjs";
import { workflow } from "./workflow.mjs";

const folder = mkdtempSync(join(tmpdir(), "sortition-packaging-"));
const [out, shop] = ["package", "shop"].map((name) => join(folder, name));
const platform = `${process.platform}-${process.arch}`;
const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
const BROWSER = {
  "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  accept: "text/html",
};

/** Only Node, npm's `npx` and the system's own programs: neither cargo nor this project's packages. */
const bare = {
  ...process.env,
  PATH: [join(folder, "bin"), "/usr/bin", "/bin"].join(delimiter),
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};

/** Runs the installed command, as npx would. */
function sortition(...args) {
  const command = join(shop, "node_modules", ".bin", "sortition");
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: shop, env: bare, encoding: "utf8" });
  return { status, stdout, stderr };
}

let origin;
let dev;
before(async () => {
  for (const path of [out, shop, join(folder, "bin")]) mkdirSync(path);
  symlinkSync(process.execPath, join(folder, "bin", "node"));
  const env = { ...process.env, SORTITION_QUICK: "1", SORTITION_BUILT: at("build"), SORTITION_PACKAGE_OUT: out };
  const packed = spawnSync(process.execPath, [at("scripts/package.mjs")], { cwd: at(), env, encoding: "utf8" });
  assert.equal(packed.status, 0, packed.stderr);
  // why: what npm would fetch is not what is tested, so the packages are unpacked as npm unpacks them
  const unpack = (file, name) => {
    const place = join(shop, "node_modules", name);
    mkdirSync(place, { recursive: true });
    const done = spawnSync("tar", ["-xzf", join(out, file), "-C", place, "--strip-components=1"]);
    assert.equal(done.status, 0, `${file}: ${done.stderr}`);
  };
  unpack(`sortition-${version}.tgz`, "sortition");
  unpack(`sortition-${platform}-${version}.tgz`, `@sortition/${platform}`);
  for (const name of ["wrangler", "workerd", "@cloudflare", "miniflare", "esbuild"]) {
    if (existsSync(at("node_modules", name))) symlinkSync(at("node_modules", name), join(shop, "node_modules", name));
  }
  mkdirSync(join(shop, "node_modules", ".bin"));
  symlinkSync("../sortition/bin/sortition.cjs", join(shop, "node_modules", ".bin", "sortition"));
  origin = createServer((request, response) => {
    if (request.url === "/away") {
      const cookies = ["cart=1; Domain=127.0.0.1; Secure; SameSite=None; Path=/", "__Host-s=2; Secure; Path=/"];
      response.writeHead(302, { location: `${origin.url}/landed`, "set-cookie": cookies });
      return response.end();
    }
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "strict-transport-security": "max-age=9" });
    const link = `${origin.url}/p/1`;
    response.end(`<!doctype html><html><head><script src="/_sortition/client.js" async></script></head><body>
<h1>Welcome</h1><a href="${link}">One</a><script>const api = ${JSON.stringify(link).replaceAll("/", "\\/")}</script></body></html>`);
  });
  await new Promise((resolve) => origin.listen(0, "127.0.0.1", resolve));
  origin.url = `http://127.0.0.1:${origin.address().port}`;
});
after(async () => {
  await dev?.close();
  origin?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the files that belong to a release are there, with right checksums", () => {
  const names = readdirSync(out);
  for (const name of [
    `sortition-${version}.tgz`,
    `sortition-${platform}-${version}.tgz`,
    `create-sortition-${version}.tgz`,
    `sortition-engine-${version}.tgz`,
    `sortition-${version}.crate`,
    `sortition-${version}-${platform}.tar.gz`,
    `sortition-worker-${version}.tar.gz`,
    `sortition-${version}.cdx.json`,
    "SHA256SUMS",
  ]) {
    assert.ok(names.includes(name), `${name} among ${names}`);
  }
  const sums = readFileSync(join(out, "SHA256SUMS"), "utf8").trim().split("\n");
  assert.equal(sums.length, 8);
  for (const line of sums) {
    const [sum, name] = line.split("  ");
    assert.equal(
      createHash("sha256")
        .update(readFileSync(join(out, name)))
        .digest("hex"),
      sum,
      name,
    );
  }
  const { components } = JSON.parse(readFileSync(join(out, `sortition-${version}.cdx.json`), "utf8"));
  const named = components.map(({ purl }) => purl);
  assert.ok(
    named.some((purl) => purl.startsWith("pkg:cargo/worker@")) &&
      named.some((purl) => purl.startsWith("pkg:cargo/clap@")),
  );
  assert.ok(!named.some((purl) => purl.includes("divan")), "what only tests use is in no release");
});

test("the package has what it says, and nothing of the project's workshop", () => {
  const own = (name) => join(shop, "node_modules", "sortition", name);
  const manifest = JSON.parse(readFileSync(own("package.json"), "utf8"));
  assert.equal(manifest.version, version);
  for (const [, target] of Object.entries(manifest.exports)) {
    const file = typeof target === "string" ? target : (target.default ?? target.types);
    if (!file.includes("*")) assert.ok(existsSync(own(file)), file);
  }
  for (const name of [
    "worker/index.js",
    "worker/index_bg.wasm",
    "schema/experiments.schema.json",
    "migrations/0001_exposures.sql",
  ]) {
    assert.ok(existsSync(own(name)), name);
  }
  assert.deepEqual(Object.keys(manifest.optionalDependencies).length, 5);
  assert.ok(Object.values(manifest.optionalDependencies).every((of) => of === version));
  const crate = output("tar", ["-tzf", join(out, `sortition-${version}.crate`)]).split("\n");
  assert.ok(crate.some((name) => name.endsWith("src/lib.rs")) && crate.some((name) => name.endsWith("patterns.txt")));
  assert.ok(!crate.some((name) => /\/(?:tests|demo|bench|node_modules)\//.test(name)));
});

test("an old Node is told what is needed", (t) => {
  const old = ["/usr/local/bin/node", "/usr/bin/node"].find(
    (one) => existsSync(one) && Number(output(one, ["-p", "parseInt(process.versions.node)"])) < 22,
  );
  if (!old) return t.skip("there is no older Node here");
  const { status, stderr } = spawnSync(old, [join(shop, "node_modules/sortition/bin/sortition.cjs"), "list"], {
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.match(stderr, /^error: sortition needs Node 22 or newer, .* and this is Node \d+/);
});

test("init makes a repository that checks, deploys dry and keeps its secrets out of git", () => {
  const { status, stdout, stderr } = sortition("init", ".", "--origin", origin.url, "--project", "Shop");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /npm install && npm run dev/);
  assert.equal(sortition("check", "experiments.json", "--strict").status, 0);
  const vars = readFileSync(join(shop, ".dev.vars"), "utf8");
  assert.equal(new Set(vars.match(/(?<==)[0-9a-f]{48}$/gm)).size, 3);
  assert.match(readFileSync(join(shop, ".gitignore"), "utf8"), /^\.dev\.vars$/m);
  assert.doesNotMatch(readFileSync(join(shop, "wrangler.jsonc"), "utf8"), /"(?:id|database_id)"/);
  const again = sortition("init", ".", "--origin", "https://other.example", "--json");
  assert.equal(again.status, 0);
  assert.deepEqual(JSON.parse(again.stdout).written, []);
  assert.equal(readFileSync(join(shop, ".dev.vars"), "utf8"), vars);
  const deployed = sortition("deploy", "--", "--dry-run", "--outdir", join(folder, "dry"));
  assert.equal(deployed.status, 0, deployed.stderr);
  assert.match(deployed.stdout, /env\.CONFIG[\s\S]*env\.LEDGER/);
  // why: without it a user's devices are never joined, and nobody who begins with init would know
  assert.match(deployed.stdout, /env\.PEOPLE \(Person\)/);
});

const startDev = () =>
  startTool({ tool: join(shop, "node_modules", ".bin", "sortition"), cwd: shop, env: bare, origin: origin.url });

test("dev puts the worker before the shop, stays on this machine, and takes up what is saved", async () => {
  dev = await startDev();
  assert.match(dev.log(), /live here: headline \(drafts run here: headline\)/);
  const file = join(shop, "experiments.json");
  const document = JSON.parse(readFileSync(file, "utf8"));
  document.experiments[0].variants[0].weight = 0;
  document.experiments[0].variants[1].rewrite[0].value = "Tents that stand";
  writeFileSync(file, JSON.stringify(document, null, 2));
  const page = async () => (await fetch(`${dev.url}/`, { headers: BROWSER })).text();
  await until(
    async () => (await page()).includes("<h1>Tents that stand</h1>"),
    () => `the new headline:\n${dev.log()}`,
  );
  const text = await page();
  assert.ok(!text.includes(origin.url) && text.includes(`<a href="${dev.url}/p/1">`), text);
  assert.ok(text.includes(JSON.stringify(`${dev.url}/p/1`).replaceAll("/", "\\/")), text);
  const away = await fetch(`${dev.url}/away`, { headers: BROWSER, redirect: "manual" });
  assert.equal(away.headers.get("location"), `${dev.url}/landed`);
  assert.equal(away.headers.get("strict-transport-security"), null);
  assert.deepEqual(
    away.headers.getSetCookie().filter((cookie) => !cookie.startsWith("sortition_")),
    ["cart=1; SameSite=Lax; Path=/", "__Host-s=2; Secure; Path=/"],
  );
  writeFileSync(file, JSON.stringify(document, null, 2).replace('"weight": 50', '"weight": -1'));
  await until(
    () => /experiments\.json:\d+:\d+ error experiments\[0\]\.variants\[1\]\.weight: /.test(dev.log()),
    () => dev.log(),
  );
  await until(
    () => dev.log().includes("refused, 1 error; what was live stays"),
    () => dev.log(),
  );
  assert.ok((await page()).includes("Tents that stand"));
  document.experiments[0].variants[0].weight = 50;
  document.experiments[0].status = "running";
  writeFileSync(file, JSON.stringify(document, null, 2));
  await until(
    () => /live here: headline\n[\s\S]*$/.test(dev.log().split("refused").at(-1)),
    () => dev.log(),
  );
});

test("push --local, purchases, and a verdict", async () => {
  const pushed = sortition("push", "experiments.json", "--local", "--revision", "first");
  assert.equal(pushed.status, 0, pushed.stderr);
  const secret = readFileSync(join(shop, ".dev.vars"), "utf8").match(/^INGEST_SECRET=(.*)$/m)[1];
  const VISITORS = 500;
  for (let number = 0; number < VISITORS; number++) {
    const answer = await fetch(`${dev.url}/`, {
      headers: { ...BROWSER, cookie: `sortition_id=visitor-${1000 + number}` },
    });
    await answer.arrayBuffer();
    const buys = answer.headers.get("sortition-variants") === "headline=plain" ? number % 2 === 0 : number % 20 === 0;
    if (!buys) continue;
    const event = {
      type: "experiment_converted",
      anonymous_id: `visitor-${1000 + number}`,
      conversion_event: "purchase",
      value: 49.9,
      currency: "EUR",
      transaction_id: `order-${number}`,
    };
    const body = JSON.stringify({ events: [event] });
    const seconds = Math.floor(Date.now() / 1000);
    const tag = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
    const taken = await fetch(`${dev.url}/_sortition/conversions`, {
      method: "POST",
      headers: { "content-type": "application/json", "sortition-signature": `t=${seconds},v1=${tag}` },
      body,
    });
    assert.equal(taken.status, 202, await taken.text());
  }
  assert.match(dev.log(), /conversion purchase 49\.9 EUR by a server: taken/);
  // why: on this machine the results are open
  const result = async () => (await fetch(`${dev.url}/_sortition/experiments/headline.json`)).json();
  let last;
  await until(
    async () => {
      last = await result();
      return last.units >= VISITORS && last.verdict?.variant === "plain";
    },
    () => `a verdict for the plain headline: ${JSON.stringify(last?.verdict)} of ${last?.units}`,
    120_000,
  );
  const readable = await (await fetch(`${dev.url}/_sortition/experiments/headline`)).text();
  assert.match(readable, /purchase/);
});

test("doctor finds this shop in order, and names what is not", async () => {
  // why: the shop is served by this process, which must not wait for the tool
  const healthy = spawn(
    join(shop, "node_modules", ".bin", "sortition"),
    ["doctor", `${dev.url}/`, "--local", "--json"],
    {
      cwd: shop,
      env: bare,
    },
  );
  let stdout = "";
  healthy.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  const status = await new Promise((resolve) => healthy.on("close", resolve));
  const { ok, checks } = JSON.parse(stdout);
  const state = (name) => checks.filter((check) => check.name === name).map((check) => check.state);
  assert.deepEqual([status, ok], [0, true], stdout);
  for (const name of [
    "Node",
    "wrangler",
    "CONFIG",
    "EVENTS",
    "LEDGER",
    "ARCHIVE",
    "schedule",
    "document",
    "migrations",
    "reached",
    "document live",
    "kill",
    "client script",
    "script tag",
    "page",
  ]) {
    assert.ok(state(name).includes("ok"), `${name}: ${stdout}`);
  }
  const wrong = join(folder, "wrong");
  mkdirSync(wrong);
  symlinkSync(join(shop, "node_modules"), join(wrong, "node_modules"));
  const config = {
    name: "w",
    main: "nothing.js",
    compatibility_date: "2099-01-01",
    kv_namespaces: [{ binding: "CONFIG", id: "0".repeat(32) }],
    routes: ["shop.example/p/*"],
  };
  writeFileSync(join(wrong, "wrangler.json"), JSON.stringify(config));
  writeFileSync(join(wrong, "experiments.json"), '{"version": 1}');
  const command = join(shop, "node_modules", ".bin", "sortition");
  const sick = spawnSync(command, ["doctor", "http://127.0.0.1:9/"], { cwd: wrong, env: bare, encoding: "utf8" });
  assert.equal(sick.status, 1);
  for (const said of [
    "worker: ",
    "CONFIG: its id is all zeros",
    "routes: none covers /_sortition/*",
    "document: ",
    "reached: ",
  ]) {
    assert.ok(sick.stderr.includes(`error ${said}`), `${said} in ${sick.stderr}`);
  }
  assert.match(sick.stdout, /warning .*EVENTS/);
  assert.match(
    sick.stdout,
    /warning .*compatibility date +2099-01-01 is newer than what .* knows \(20\d\d-\d\d-\d\d\)/,
  );
});

test("upgrade raises the version, and says what the data needs", () => {
  const file = join(shop, "package.json");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, before.replace(`"sortition": "${version}"`, '"sortition": "^0.1.0"'));
  const dry = sortition("upgrade", "--local", "--dry-run", "--json");
  assert.equal(dry.status, 0, dry.stderr);
  assert.match(dry.stdout, /\^0\.1\.0 → /);
  assert.equal(sortition("upgrade", "--local").status, 0);
  assert.equal(readFileSync(file, "utf8"), before, "nothing else of package.json changed");
});

test("the release workflow's steps, and a tag that is not the version", () => {
  const { jobs, run } = workflow(at(".github", "workflows", "release.yml"));
  assert.deepEqual(
    jobs.binary.strategy.matrix.include.map(({ platform }) => platform),
    ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"],
  );
  const tagged = (tag, published = []) => {
    const say = (name) => () => {
      published.push(name);
      return {};
    };
    const instead = {
      Package: () => ({}),
      Checksums: () => {
        const summed = spawnSync("sha256sum", ["--check", "SHA256SUMS"], { cwd: out });
        assert.equal(summed.status, 0);
        return {};
      },
      "Publish to npm": say("npm"),
      "Publish the crate": say("crate"),
      Release: say("release"),
    };
    const context = {
      "github.ref_name": tag,
      "github.token": "t",
      "secrets.NPM_TOKEN": "t",
      "secrets.CARGO_REGISTRY_TOKEN": "t",
    };
    const environment = { PATH: [installed("").replace(/\/$/, ""), process.env.PATH].join(delimiter) };
    return { ...run("release", { cwd: at(), context, environment, instead }), published };
  };
  const fine = tagged(`v${version}`);
  assert.deepEqual([fine.status, fine.published], [0, ["npm", "crate", "release"]], JSON.stringify(fine.ran));
  const wrong = tagged("v9.9.9");
  assert.deepEqual([wrong.status, wrong.published], [1, []]);
});
