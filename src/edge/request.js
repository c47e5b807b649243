// What facts.rs asks of a request. Names come from the plan's conditions, checked there; a name that is no header name
// would throw, and counts as absent.

export function header(request, name) {
  try {
    return request.headers.get(name) ?? undefined;
  } catch {
    return undefined;
  }
}

export function property(request, name) {
  const cf = request.cf;
  if (!cf) return undefined;
  if (name === "verifiedBot") {
    return cf.verifiedBotCategory || cf.botManagement?.verifiedBot ? "true" : undefined;
  }
  const value = cf[name];
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}
