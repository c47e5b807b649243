// Optimizely Feature Experimentation: attach(client). Experiments are known by their flags' keys, and those that were
// activated by their own.
import { convert, expose } from "./core.js";

export function attach(client) {
  const center = client.notificationCenter;
  // why: before version 6 a notification's name had its arguments in it
  const listen = (name, before, hear) => {
    if (center.addNotificationListener(name, hear) < 0) center.addNotificationListener(before, hear);
  };
  listen("DECISION", "DECISION:type, userId, attributes, decisionInfo", ({ type, decisionInfo: it }) => {
    // why: a decision that sends no event of its own was only looked at
    if (type === "flag" && it.decisionEventDispatched) expose(it.flagKey, it.variationKey);
    if (type === "ab-test") expose(it.experimentKey, it.variationKey);
  });
  listen("TRACK", "TRACK:event_key, user_id, attributes, event_tags, event", ({ eventKey, eventTags }) => {
    // why: its revenue counts cents
    const revenue = Number(eventTags?.revenue);
    convert(eventKey, { ...eventTags, value: Number.isFinite(revenue) ? revenue / 100 : eventTags?.value });
  });
}
