// A shop's day of events, the same in every run and on both sides: the test and the worker that it drives make it
// themselves, so that only numbers go between them.

import { random } from "./random.mjs";

const START = Date.parse("2026-11-21T00:00:00Z");

/** How many events a message carries. */
export const EVENTS = 12;

/** How many visits a message carries: the events are theirs together. */
export const VISITS = 3;

/** How many isolates sent them. */
const ISOLATES = 20;

const hex = (text) =>
  Array.from(text.padEnd(16, "-").slice(0, 16), (letter) => letter.charCodeAt(0).toString(16).padStart(2, "0")).join(
    "",
  );

/** Exposures, outcomes, identifications and ends; some units meet two variants, some outcomes are told twice. */
export function day(messages) {
  const next = random(7);
  return Array.from({ length: messages }, (_, number) => {
    const events = Array.from({ length: EVENTS }, () => event(Math.floor(next() * messages * 3), next));
    const seq = Math.floor(number / ISOLATES);
    const source = `isolate-${number % ISOLATES}`;
    // running totals of one hour
    const latency = [seq, 0, 0, 1, 0, 0, 0, 0];
    const group = { project: "acme-shop", experiment_id: "hero", iteration: 1, variant: "bold", hour: "2026-11-21T00" };
    const health = seq % 5 ? [] : [{ ...group, requests: seq + 1, errors: Math.floor(seq / 7), latency }];
    const told = { served: { crawlers: seq, visits: seq * 3 }, health };
    // why: a worker that was replaced has left messages of schema 1
    if (number % 5 === 0) return { schema: 1, source, seq: VISITS * seq, ...told, events };
    const visits = Array.from({ length: VISITS }, (_, visit) => ({
      seq: VISITS * seq + visit,
      ...(visit === 0 && told),
      events: events.slice((visit * EVENTS) / VISITS, ((visit + 1) * EVENTS) / VISITS),
    }));
    return { schema: 2, source, visits };
  });
}

/** A message's visits. */
export const visitsOf = ({ visits, ...message }) => visits ?? [message];

/** A message's events. */
export const eventsOf = (message) => visitsOf(message).flatMap(({ events }) => events);

function event(unit, next) {
  const at = new Date(START + Math.floor(next() * 86_400_000)).toISOString();
  const common = { project: "acme-shop", config_revision: "r1", at, anonymous_id: `visitor-${unit}`, user_id: null };
  const kind = next();
  if (kind < 0.55)
    return {
      ...common,
      type: "experiment_exposed",
      id: hex(`x${unit}`),
      experiment_id: "hero",
      iteration: 1,
      variant: next() < 0.5 ? "bold" : "control",
      reason: "split",
      exposed_at: at,
      request: { host: "shop.example", path: "/", method: "GET" },
    };
  if (kind < 0.9)
    return {
      ...common,
      type: "experiment_converted",
      id: hex(`c${unit}`),
      conversion_event: "purchase",
      value: Math.floor(next() * 10000) / 100,
      currency: "EUR",
      converted_at: at,
      channel: next() < 0.5 ? "page" : "server",
      properties: {},
    };
  if (kind < 0.98) return { ...common, type: "identified", id: hex(`i${unit}`), user_id: `user-${unit % 50}` };
  return {
    ...common,
    type: "experiment_ended_early",
    id: hex(`e${unit}-${Date.parse(at) % 1e9}`),
    experiment_id: "hero",
    variant: null,
    ended_reason: "harm",
    ended_at: at,
  };
}

/** What no consumer can read. */
export function garbage(number) {
  const [message] = day(1);
  const kinds = [
    { garbage: number },
    `garbage ${number}`,
    { ...message, schema: 9, seq: number },
    { ...message, seq: number, events: [{ ...message.events[0], at: "yesterday" }] },
    { ...message, seq: number, health: [{}] },
  ];
  return kinds[number % kinds.length];
}
