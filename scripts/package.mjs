// What is released, from one version number (Cargo.toml's), into target/package: the npm packages `sortition`,
// `create-sortition`, `@sortition/engine` and `@sortition/<platform>` (the native binary), the crate, archives, a bill of materials, checksums.
//
//   npm run package                        everything, for this platform
//   npm run package -- --only binary       this platform's binary alone, as each machine of the release does
//   npm run package -- --binary FILE --platform linux-arm64     a binary that was built elsewhere
//
// SORTITION_QUICK=1 packs the debug build of the tool and the quick build of the worker; SORTITION_BUILT names a worker that
// is built already. Both are for tests.

import { createHash } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build, buildEngine } from "./build.mjs";
import { sbom } from "./sbom.mjs";
import { at, installed, output, packages, run, target } from "./setup.mjs";

/** Where prebuilt binaries exist: Node's `process.platform`-`process.arch`, and Rust's name of the target. */
export const PLATFORMS = {
  "linux-x64": "x86_64-unknown-linux-gnu",
  "linux-arm64": "aarch64-unknown-linux-gnu",
  "darwin-x64": "x86_64-apple-darwin",
  "darwin-arm64": "aarch64-apple-darwin",
  "win32-x64": "x86_64-pc-windows-msvc",
};

const QUICK = process.env.SORTITION_QUICK === "1";
const out = process.env.SORTITION_PACKAGE_OUT ?? join(target, "package");
const stage = join(target, "package-stage");

/** The version: Cargo.toml's, which package.json must repeat. */
export function version() {
  const cargo = readFileSync(at("Cargo.toml"), "utf8").match(/^version = "([^"]+)"/m)[1];
  const npm = JSON.parse(readFileSync(at("package.json"), "utf8")).version;
  if (cargo !== npm) throw new Error(`Cargo.toml says ${cargo}, package.json ${npm}: write one version into both`);
  return cargo;
}

const shared = (version) => ({
  version,
  license: "MIT OR Apache-2.0",
  repository: { type: "git", url: "git+https://github.com/sortition/sortition.git" },
});

/** Writes a package's folder and packs it. */
function pack(name, manifest, fill) {
  const folder = join(stage, name.replace("@", "").replace("/", "-"));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  fill?.(folder);
  cpSync(at("LICENSE"), join(folder, "LICENSE"));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify({ name, ...manifest }, null, 2)}\n`);
  run("npm", ["pack", "--silent", "--pack-destination", out], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
}

function binaryOf(platform, given) {
  if (given) return given;
  const flags = QUICK
    ? ["build", "--quiet", "--bin", "sortition"]
    : ["build", "--release", "--locked", "--bin", "sortition"];
  run("cargo", flags);
  return join(target, QUICK ? "debug" : "release", platform.startsWith("win32") ? "sortition.exe" : "sortition");
}

function packBinary(version, platform, binary) {
  const [os, cpu] = platform.split("-");
  const file = os === "win32" ? "sortition.exe" : "sortition";
  pack(
    `@sortition/${platform}`,
    {
      ...shared(version),
      description: `The command of sortition for ${platform}.`,
      os: [os],
      cpu: [cpu],
      preferUnplugged: true,
    },
    (folder) => {
      mkdirSync(join(folder, "bin"));
      cpSync(binary, join(folder, "bin", file));
      chmodSync(join(folder, "bin", file), 0o755);
    },
  );
  const folder = join(stage, `sortition-${version}-${platform}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(binary, join(folder, file));
  for (const name of ["LICENSE", "README.md", "CHANGELOG.md"]) cpSync(at(name), join(folder, name));
  if (platform === `${process.platform}-${process.arch}`) {
    for (const shell of ["bash", "zsh", "fish"]) {
      mkdirSync(join(folder, "completions"), { recursive: true });
      writeFileSync(join(folder, "completions", `sortition.${shell}`), output(binary, ["completions", shell]));
    }
    run(binary, ["completions", "man", "--into", join(folder, "man")], { stdio: ["ignore", "ignore", "inherit"] });
  }
  archive(`sortition-${version}-${platform}`);
}

/** A folder of the stage as a compressed archive. */
function archive(name) {
  run("tar", ["-czf", join(out, `${name}.tar.gz`), "-C", stage, name]);
}

function packMain(version, dependencies) {
  const worker = process.env.SORTITION_BUILT ?? build();
  const optional = Object.fromEntries(Object.keys(PLATFORMS).map((platform) => [`@sortition/${platform}`, version]));
  const manifest = {
    ...shared(version),
    description:
      "Experiments at the CDN edge: one Cloudflare Worker, and the tool that checks and pushes their document.",
    keywords: ["ab-testing", "experimentation", "cloudflare-workers", "feature-flags", "edge"],
    bin: { sortition: "bin/sortition.cjs" },
    engines: { node: ">=22" },
    exports: {
      "./worker": "./worker/index.js",
      "./client.js": { types: "./client.d.ts", default: "./client.js" },
      "./client": { types: "./client.d.ts" },
      "./schema/*": "./schema/*",
      "./migrations/*": "./migrations/*",
      "./bin/sortition.cjs": "./bin/sortition.cjs",
      "./package.json": "./package.json",
    },
    types: "./client.d.ts",
    files: ["bin", "worker", "schema", "migrations", "client.js", "client.d.ts", "CHANGELOG.md"],
    dependencies,
    optionalDependencies: optional,
  };
  pack("sortition", manifest, (folder) => {
    mkdirSync(join(folder, "bin"));
    cpSync(at("packaging", "sortition.cjs"), join(folder, "bin", "sortition.cjs"));
    chmodSync(join(folder, "bin", "sortition.cjs"), 0o755);
    cpSync(worker, join(folder, "worker"), { recursive: true });
    for (const name of ["schema", "migrations"]) cpSync(at(name), join(folder, name), { recursive: true });
    cpSync(at("src", "edge", "client.d.ts"), join(folder, "client.d.ts"));
    run(installed("esbuild"), [
      at("src", "edge", "client.js"),
      "--minify",
      "--format=iife",
      "--target=es2018",
      `--outfile=${join(folder, "client.js")}`,
      "--log-level=warning",
    ]);
    cpSync(at("packaging", "README.md"), join(folder, "README.md"));
    cpSync(at("CHANGELOG.md"), join(folder, "CHANGELOG.md"));
  });
  pack(
    "create-sortition",
    {
      ...shared(version),
      description: "npm create sortition",
      bin: { "create-sortition": "create.cjs" },
      engines: { node: ">=22" },
      dependencies: { sortition: version },
    },
    (folder) => {
      cpSync(at("packaging", "create.cjs"), join(folder, "create.cjs"));
      chmodSync(join(folder, "create.cjs"), 0o755);
    },
  );
  const name = `sortition-worker-${version}`;
  const folder = join(stage, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(worker, join(folder, "worker"), { recursive: true });
  for (const part of ["schema", "migrations", "LICENSE", "CHANGELOG.md"])
    cpSync(at(part), join(folder, part), { recursive: true });
  archive(name);
}

function packEngine(version) {
  const { name, ...manifest } = JSON.parse(readFileSync(at("clients", "engine", "package.json"), "utf8"));
  const dist = buildEngine();
  pack(name, { ...manifest, version }, (folder) => {
    for (const file of ["index.js", "index.d.ts"]) cpSync(at("clients", "engine", file), join(folder, file));
    cpSync(dist, join(folder, "dist"), { recursive: true, filter: (from) => !from.endsWith("stamp") });
  });
}

function packCrate(version) {
  run("cargo", ["package", "--quiet", "--locked", "--no-verify", "--allow-dirty"]);
  const crate = join(target, "package", `sortition-${version}.crate`);
  if (join(out, `sortition-${version}.crate`) !== crate) cpSync(crate, join(out, `sortition-${version}.crate`));
}

/** One line a file, as `sha256sum -c` reads them. */
export function checksums(folder) {
  const names = readdirSync(folder)
    .filter((name) => /\.(?:tgz|tar\.gz|crate|cdx\.json)$/.test(name))
    .sort();
  const line = (name) =>
    `${createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex")}  ${name}\n`;
  writeFileSync(join(folder, "SHA256SUMS"), names.map(line).join(""));
  return names;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { values } = parseArgs({
    options: { only: { type: "string" }, binary: { type: "string" }, platform: { type: "string" } },
  });
  const platform = values.platform ?? `${process.platform}-${process.arch}`;
  if (!PLATFORMS[platform]) {
    console.error(`no package is made for ${platform}: there are ${Object.keys(PLATFORMS).join(", ")}.`);
    process.exit(2);
  }
  packages();
  const number = version();
  if (!values.only) rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  if (values.only !== "checksums") packBinary(number, platform, binaryOf(platform, values.binary));
  if (!values.only) {
    const wrangler = `^${JSON.parse(readFileSync(at("package.json"), "utf8")).devDependencies.wrangler}`;
    packMain(number, { wrangler });
    packEngine(number);
    packCrate(number);
    const bill = sbom({
      version: number,
      dependencies: { wrangler },
      platforms: ["wasm32-unknown-unknown", PLATFORMS[platform]],
    });
    writeFileSync(join(out, `sortition-${number}.cdx.json`), `${JSON.stringify(bill, null, 2)}\n`);
  }
  console.log(
    checksums(out)
      .map((name) => join(out, name))
      .join("\n"),
  );
}
