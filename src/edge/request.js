// What source.rs asks of a request. Names come from the plan's conditions, checked there; a name that is no header name
// would throw, and counts as absent.

// The names that go by their position.
let headers = [];
let properties = [];

export function learn(headerNames, propertyNames) {
  headers = headerNames.split(",");
  properties = propertyNames.split(",");
}

export function known_header(request, position) {
  return request.headers.get(headers[position]) ?? undefined;
}

export function known_property(request, position) {
  return property(request, properties[position]);
}

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
