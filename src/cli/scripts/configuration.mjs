// wrangler's configuration of the project. Stands before scripts that need it; src/cli/script.rs, store.rs.

/** The configuration; fails, and says what to do, where there is none, or it is not what is asked for. */
export async function configurationOf({ config, env }) {
  const { unstable_readConfig: readConfig } = await import("wrangler");
  let read;
  try {
    read = readConfig({ config, env }, { hideWarnings: true });
  } catch (error) {
    const { file, line, column } = error.location ?? {};
    const place = line === undefined ? "" : ` (line ${line}, column ${column + 1})`;
    const [what] = String(error.message).split("\n");
    throw new Error(`${file ?? config ?? "wrangler's configuration"} cannot be read${place}: ${what}`);
  }
  const { configPath, definedEnvironments = [] } = read;
  if (!configPath) {
    const names = "wrangler.jsonc, wrangler.json or wrangler.toml";
    throw new Error(`there is no ${names} here: run this in the project's folder, or make one with \`sortition init\``);
  }
  if (env && !definedEnvironments.includes(env)) {
    const known = definedEnvironments.length ? `it has ${definedEnvironments.join(", ")}` : "it has none";
    throw new Error(`${configPath} has no environment ${env}: ${known}`);
  }
  return read;
}
