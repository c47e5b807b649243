// As much of JSON Schema as `schema/events.schema.json` uses. Stricter than the standard in one thing: a field that no
// part of the schema names is a problem, for then the schema is not that of what is sent.

/** What is wrong with a value, by place; nothing where it is as the schema says. */
export function problems(root, schema, value) {
  const { wrong, known } = look(root, schema, value, "");
  if (value && typeof value === "object" && !Array.isArray(value) && known)
    for (const name of Object.keys(value)) if (!known.has(name)) wrong.push(`/${name} is not named`);
  return wrong;
}

const TYPES = {
  object: (value) => value !== null && typeof value === "object" && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
};

function look(root, schema, value, at) {
  if (schema === true) return { wrong: [], known: undefined };
  const wrong = [];
  let known = new Set();
  let open = false;
  const also = (part) => {
    wrong.push(...part.wrong);
    if (part.known) for (const name of part.known) known.add(name);
    else open = true;
  };
  if (schema.$ref) also(look(root, root.$defs[schema.$ref.split("/").at(-1)], value, at));
  for (const part of schema.allOf ?? []) also(look(root, part, value, at));
  for (const choices of [schema.oneOf, schema.anyOf].filter(Boolean)) {
    const found = choices.map((choice) => look(root, choice, value, at));
    const fits = found.find((one) => one.wrong.length === 0);
    if (fits) also(fits);
    else wrong.push(`${at} fits none: ${found.map((one) => one.wrong[0]).join(" | ")}`);
  }
  const types = [schema.type ?? []].flat();
  if (types.length > 0 && !types.some((type) => TYPES[type](value))) wrong.push(`${at} is no ${types}`);
  if ("const" in schema && value !== schema.const) wrong.push(`${at} is not ${schema.const}`);
  if (schema.enum && !schema.enum.includes(value)) wrong.push(`${at} is none of ${schema.enum}`);
  if (typeof value === "string") {
    if ([...value].length > (schema.maxLength ?? Number.POSITIVE_INFINITY)) wrong.push(`${at} is too long`);
    if (schema.pattern && !new RegExp(schema.pattern).test(value)) wrong.push(`${at} is not like ${schema.pattern}`);
  }
  if (typeof value === "number" && value < (schema.minimum ?? Number.NEGATIVE_INFINITY)) wrong.push(`${at} is too low`);
  if (Array.isArray(value)) {
    if (value.length > (schema.maxItems ?? Number.POSITIVE_INFINITY)) wrong.push(`${at} has too many`);
    if (schema.items)
      for (const [index, item] of value.entries()) wrong.push(...whole(root, schema.items, item, `${at}/${index}`));
  } else if (TYPES.object(value)) {
    for (const name of schema.required ?? []) if (!(name in value)) wrong.push(`${at}/${name} is missing`);
    for (const [name, inner] of Object.entries(schema.properties ?? {})) {
      known.add(name);
      if (name in value) wrong.push(...whole(root, inner, value[name], `${at}/${name}`));
    }
    if (schema.additionalProperties !== undefined && schema.additionalProperties !== false) open = true;
  }
  if (open && known.size === 0) known = undefined;
  return { wrong, known };
}

/** A value that stands on its own: what no part of its schema names is a problem. */
function whole(root, schema, value, at) {
  const { wrong, known } = look(root, schema, value, at);
  if (TYPES.object(value) && known?.size > 0)
    for (const name of Object.keys(value)) if (!known.has(name)) wrong.push(`${at}/${name} is not named`);
  return wrong;
}
