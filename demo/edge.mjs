// What the origin understands of the edge in front of it: two request headers.

/**
 * The assignments of this request: experiment id → variant id.
 *
 * The header is a dictionary of RFC 9651, `hero=bold, price="50off"`. A variant
 * id that starts with a digit is no token there, so it comes as a string. As
 * the RFC asks (section 4.2), a header that does not parse counts as absent.
 * Values other than tokens and strings are no variants and are left out;
 * inner lists, byte sequences and dates are not part of this small reader.
 */
export function readVariants(header) {
  const variants = new Map();
  if (header === undefined) return variants;
  const member =
    /[ \t]*([a-z*][a-z0-9_.*-]*)(?:=(TOKEN|STRING|OTHER))?((?:;[ ]*[a-z*][a-z0-9_.*-]*(?:=(?:TOKEN|STRING|OTHER))?)*)[ \t]*(,|$)/;
  const source = member.source
    .replaceAll("TOKEN", "[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")
    .replaceAll("STRING", '"(?:[ !#-\\[\\]-~]|\\\\["\\\\])*"')
    .replaceAll("OTHER", "-?[0-9]+(?:\\.[0-9]+)?|\\?[01]");
  const next = new RegExp(source, "y");
  const text = header.trim();
  while (next.lastIndex < text.length) {
    const match = next.exec(text);
    if (match === null) return new Map();
    const [, key, value, , end] = match;
    // A comma promises another member.
    if (end === "," && next.lastIndex === text.length) return new Map();
    variants.delete(key); // The last of several equal keys wins.
    if (value?.startsWith('"')) variants.set(key, value.slice(1, -1).replace(/\\(.)/g, "$1"));
    else if (value !== undefined && /^[A-Za-z*]/.test(value)) variants.set(key, value);
  }
  return variants;
}

/** The visitor id, or undefined where the header is absent or not one. */
export function readVisitor(header) {
  return header !== undefined && /^[A-Za-z0-9._~-]{8,128}$/.test(header) ? header : undefined;
}
