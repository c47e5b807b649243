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

// What user agents say, by their text. When it is too much, all are forgotten: who makes up new ones only costs what
// reading them costs anyway. Of the 12,000 agents in fixtures/crawlers none is longer than 302 characters.
const readings = new Map();
const MOST_READINGS = 256;
const LONGEST_AGENT = 400;

const agentOf = (request) => request.headers.get("user-agent") ?? "";

export function recall(request) {
  return readings.get(agentOf(request));
}

export function remember(request, code) {
  const agent = agentOf(request);
  if (agent.length > LONGEST_AGENT) return;
  if (readings.size >= MOST_READINGS) readings.clear();
  readings.set(agent, code);
}

export function forget() {
  readings.clear();
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
