// Runs the jobs of a GitHub workflow as a runner would, as far as .github/workflows/experiments.yml needs it: the steps
// that run something, in their order, with their environment, expressions, outputs and path, up to the first that fails.

import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The YAML that workflows are written in: mappings, lists, block texts (`|`), scalars. */
function parse(text) {
  const lines = text.split("\n").filter((line) => line.trim() && !line.trim().startsWith("#"));
  const depth = (line) => line.length - line.trimStart().length;
  const scalar = (value) => (/^(".*"|'.*')$/.test(value) ? value.slice(1, -1) : value);
  let at = 0;
  function block(indent) {
    let value;
    while (at < lines.length && depth(lines[at]) >= indent) {
      const line = lines[at];
      if (line.trimStart().startsWith("- ")) {
        value ??= [];
        // why: what stands behind the dash is the first line of a deeper block
        lines[at] = `${" ".repeat(depth(line))}  ${line.trimStart().slice(2)}`;
        value.push(block(depth(line) + 2));
        continue;
      }
      const [, key, rest] = line.trim().match(/^([\w-]+):(?: (.*))?$/) ?? assertNever(line);
      at++;
      value ??= {};
      if (rest === "|") {
        const first = depth(lines[at]);
        const texts = [];
        while (at < lines.length && depth(lines[at]) >= first) texts.push(lines[at++].slice(first));
        value[key] = texts.join("\n");
      } else if (rest !== undefined) value[key] = scalar(rest);
      else value[key] = at < lines.length && depth(lines[at]) > depth(line) ? block(depth(lines[at])) : undefined;
    }
    return value;
  }
  return block(0);
}

function assertNever(line) {
  throw new Error(`this reader of workflows does not understand: ${line}`);
}

/** A workflow file, to run jobs of. */
export function workflow(file) {
  const { env = {}, jobs } = parse(readFileSync(file, "utf8"));
  return {
    jobs,
    /**
     * Runs a job.
     *
     * @param {string} name
     * @param {object} options
     * @param {string} options.cwd The checked-out repository.
     * @param {Record<string, string>} options.context What expressions stand for: `github.base_ref` → `main`.
     * @param {Record<string, string>} options.environment On top of this process's.
     * @param {Record<string, (context: object) => object>} options.instead Steps by name that something else stands in
     *   for; it returns what is added to the environment.
     */
    run(name, { cwd, context, environment, instead = {} }) {
      const folder = mkdtempSync(join(tmpdir(), "sortition-runner-"));
      const known = new Map(Object.entries(context));
      const filled = (text) =>
        String(text).replaceAll(/\$\{\{ ([\w.]+) \}\}/g, (_, expression) => {
          if (!known.has(expression)) throw new Error(`nothing is known of ${expression}`);
          return known.get(expression);
        });
      const ran = [];
      const runs = (condition) => {
        const [, left, right] = condition.match(/^([\w.]+) == ('[^']*'|[\w.]+)$/) ?? assertNever(condition);
        return known.get(left) === (right.startsWith("'") ? right.slice(1, -1) : known.get(right));
      };
      if (jobs[name].if && !runs(jobs[name].if)) return { ran, status: undefined };
      try {
        for (const [index, step] of jobs[name].steps.entries()) {
          if (!step.run || (step.if && !runs(step.if))) continue;
          if (instead[step.name]) {
            Object.assign(environment, instead[step.name](environment));
            continue;
          }
          const output = join(folder, `output-${index}`);
          appendFileSync(output, "");
          const own = Object.fromEntries(Object.entries({ ...env, ...step.env }).map(([key, v]) => [key, filled(v)]));
          // https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax: bash -e where none is named
          const { status, stdout, stderr } = spawnSync("bash", ["-e", "-c", filled(step.run)], {
            cwd,
            encoding: "utf8",
            env: { ...process.env, ...environment, ...own, GITHUB_OUTPUT: output },
          });
          ran.push({ name: step.name, status, stdout, stderr });
          for (const line of readFileSync(output, "utf8").split("\n").filter(Boolean)) {
            const [key, ...value] = line.split("=");
            known.set(`steps.${step.id}.outputs.${key}`, value.join("="));
          }
          if (status !== 0) return { ran, status };
        }
        return { ran, status: 0 };
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}
