// Formatting and lints: Rust natively and for wasm32, with warnings denied, and the JavaScript.

import { installed, packages, run, wasmTarget } from "./setup.mjs";

packages();
wasmTarget();
run("cargo", ["fmt", "--check"]);
run("cargo", ["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]);
for (const features of [[], ...["services", "readout", "engine"].map((one) => ["--features", one])]) {
  const flags = ["--quiet", "--lib", "--target", "wasm32-unknown-unknown", ...features];
  run("cargo", ["clippy", ...flags, "--", "-D", "warnings"]);
}
run(installed("biome"), ["ci", "--error-on-warnings", "--max-diagnostics=50"]);
