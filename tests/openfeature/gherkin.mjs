// As much of Gherkin as OpenFeature's scenarios are written in: tags, a background, outlines with examples, tables.

const cells = (line) =>
  line
    .trim()
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());

/** The scenarios of a feature, each once per line of its examples: `{ name, tags, steps: [{ text, table }] }`. */
export function scenariosOf(text) {
  const background = [];
  const scenarios = [];
  let tags = [];
  let outline;
  let steps;
  let table;
  for (const line of text.split("\n").map((line) => line.trim())) {
    if (line === "" || line.startsWith("#")) {
      // why: an empty line stands in the middle of a table of the feature
      continue;
    }
    if (line.startsWith("@")) {
      tags.push(...line.split(/\s+/));
      table = undefined;
    } else if (line.startsWith("Feature:")) {
      tags = [];
    } else if (line.startsWith("Background:")) {
      steps = background;
    } else if (line.startsWith("Scenario")) {
      outline = { name: line.replace(/^.*?: /, ""), tags, steps: [], examples: [] };
      scenarios.push(outline);
      [steps, tags, table] = [outline.steps, [], undefined];
    } else if (line.startsWith("Examples:")) {
      table = { tags, rows: [] };
      outline.examples.push(table);
      tags = [];
    } else if (line.startsWith("|")) {
      table ??= steps.at(-1).table = { rows: [] };
      table.rows.push(cells(line));
    } else {
      const [, step] = /^(?:Given|When|Then|And) (.*)$/.exec(line);
      steps.push({ text: step });
      table = undefined;
    }
  }
  return scenarios.flatMap(({ name, tags, steps, examples }) => {
    const all = [...background, ...steps];
    if (examples.length === 0) return [{ name, tags, steps: all }];
    return examples.flatMap(({ tags: more, rows: [head, ...rows] }) =>
      rows.map((row) => {
        const fill = (text) => head.reduce((text, column, at) => text.replaceAll(`<${column}>`, row[at]), text);
        const filled = all.map(({ text, ...rest }) => ({ text: fill(text), ...rest }));
        return { name: `${name}: ${row.join(", ")}`, tags: [...tags, ...more], steps: filled };
      }),
    );
  });
}
