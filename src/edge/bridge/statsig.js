// Statsig's js-client: attach(client). A gate's variants are `true` and `false`, a layer's those of its experiment.
import { convert, expose } from "./core.js";

export function attach(client) {
  client.on("experiment_evaluation", ({ experiment }) => expose(experiment.name, experiment.groupName));
  client.on("gate_evaluation", ({ gate }) => expose(gate.name, gate.value));
  client.on("layer_evaluation", ({ layer }) => expose(layer.__evaluation?.allocated_experiment_name, layer.groupName));
  client.on("log_event_called", ({ event }) => {
    if (!event.eventName.startsWith("statsig::")) convert(event.eventName, { ...event.metadata, value: event.value });
  });
}
