// What the project needs beyond rustup's cargo and Node: installed once, found from then on.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** A path below the project's folder. */
export const at = (...parts) => join(root, ...parts);

/** Where cargo puts what it builds. */
export const target = process.env.CARGO_TARGET_DIR ?? at("target");

/** Runs a command in the project's folder, its output shown; ends this process where it fails. */
export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (status === 0) return;
  const why = error ? error.message : signal ? `it was ended by ${signal}` : `it ended with ${status}`;
  console.error(`\n${command} ${args.join(" ")}: ${why}`);
  process.exit(1);
}

/** The output of a command; undefined where it fails. */
export function output(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/** The npm packages of package-lock.json, installed again only where that changed. */
export function packages(folder = at()) {
  const hash = createHash("sha256").update(readFileSync(join(folder, "package.json")));
  const locked = join(folder, "package-lock.json");
  if (existsSync(locked)) hash.update(readFileSync(locked));
  const lock = hash.digest("hex");
  const stamp = join(folder, "node_modules", ".sortition-installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  console.log("Installing npm packages …");
  // why: `npm ci` refuses a lock file with packages for other platforms where a registry lacks them
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder });
  writeFileSync(stamp, lock);
}

/** A program that an npm package installed. */
export const installed = (name) => at("node_modules", ".bin", name);

/** The wasm32 target of the Rust toolchain. */
export function wasmTarget() {
  const name = "wasm32-unknown-unknown";
  const library = output("rustc", ["--print", "target-libdir", "--target", name]);
  if (library && existsSync(library)) return;
  console.log(`Adding the Rust target ${name} …`);
  run("rustup", ["target", "add", name]);
}

/**
 * The `wasm-bindgen` that Cargo.lock asks for: it must match the library exactly. Kept in the user's cache by version,
 * so that it is built once for all clones.
 */
export function wasmBindgen() {
  const version = readFileSync(at("Cargo.lock"), "utf8").match(/name = "wasm-bindgen"\nversion = "([^"]+)"/)?.[1];
  if (!version) throw new Error("Cargo.lock names no wasm-bindgen: run `cargo generate-lockfile`");
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const folder = join(cache, "sortition", `wasm-bindgen-${version}`);
  const program = join(folder, "bin", "wasm-bindgen");
  if (!existsSync(program)) {
    console.log(`Building wasm-bindgen ${version} (once, about three minutes) …`);
    mkdirSync(folder, { recursive: true });
    const build = join(folder, "build");
    run("cargo", ["install", "wasm-bindgen-cli", "--locked", "--version", version, "--root", folder, "--quiet"], {
      env: { ...process.env, CARGO_TARGET_DIR: build },
    });
    rmSync(build, { recursive: true, force: true });
  }
  return program;
}

/** A program of the system, installed from Debian's packages where it is missing and that may be done. */
export function systemProgram(names, debianPackage) {
  const find = () => names.map((name) => output("sh", ["-c", `command -v ${name}`])).find(Boolean);
  const found = find();
  if (found) return found;
  if (output("sh", ["-c", "command -v apt-get"])) {
    console.log(`Installing ${debianPackage} …`);
    const [command, ...prefix] = process.getuid?.() === 0 ? ["apt-get"] : ["sudo", "-n", "apt-get"];
    const options = {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    };
    spawnSync(command, [...prefix, "update", "-qq"], options);
    spawnSync(command, [...prefix, "install", "-y", "-qq", "--no-install-recommends", debianPackage], options);
  }
  const now = find();
  if (!now) {
    console.error(
      `${names.join(" or ")} is needed and could not be installed: install the package ${debianPackage}, or put the program on PATH.`,
    );
    process.exit(1);
  }
  return now;
}
