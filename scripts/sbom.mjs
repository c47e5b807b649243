// What the release is made of, as CycloneDX 1.6: the crates that are linked into the worker and the tool, and the npm
// packages that the npm package depends on.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { at } from "./setup.mjs";

/** The crates that a platform's build links. */
function crates(platform) {
  const flags = ["metadata", "--format-version=1", "--locked", "--all-features", "--filter-platform", platform];
  const { packages, resolve } = JSON.parse(execFileSync("cargo", flags, { cwd: at(), maxBuffer: 1 << 28 }));
  const linked = new Map(
    resolve.nodes.map(({ id, deps }) => [
      id,
      deps.filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null)).map(({ pkg }) => pkg),
    ]),
  );
  const found = new Set();
  const reach = (id) => {
    if (found.has(id)) return;
    found.add(id);
    for (const next of linked.get(id)) reach(next);
  };
  reach(resolve.root);
  found.delete(resolve.root);
  return packages.filter(({ id }) => found.has(id));
}

/** The bill of materials, the same for the same lock file. */
export function sbom({ version, dependencies, platforms }) {
  const all = new Map(platforms.flatMap(crates).map((crate) => [`${crate.name}@${crate.version}`, crate]));
  const rust = [...all.values()].map(({ name, version, license }) => ({
    type: "library",
    name,
    version,
    purl: `pkg:cargo/${name}@${version}`,
    ...(license && { licenses: [{ expression: license.replaceAll("/", " OR ") }] }),
  }));
  const npm = Object.entries(dependencies).map(([name, range]) => ({
    type: "library",
    name,
    version: range,
    purl: `pkg:npm/${name.replace("@", "%40")}`,
  }));
  const components = [...rust, ...npm].sort((a, b) => (a.purl < b.purl ? -1 : 1));
  const digest = createHash("sha256").update(JSON.stringify(components)).digest("hex");
  const serial = digest.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, "$1-$2-5$3-8$4-$5");
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${serial}`,
    version: 1,
    metadata: { component: { type: "application", name: "sortition", version, purl: `pkg:npm/sortition@${version}` } },
    components,
  };
}
