// Eppo: the configuration of a server key.

import { local } from "./local.js";

export const sdk = "@eppo/node-server-sdk";

export async function open(module, payload) {
  const { getInstance, init } = module.init ? module : module.default;
  const server = await local(() => payload);
  await init({
    apiKey: "key",
    baseUrl: server.url,
    assignmentLogger: { logAssignment() {} },
    pollAfterSuccessfulInitialization: false,
  });
  const client = getInstance();
  const decide = (key, { id, attributes }) => {
    const { evaluationDetails } = client.getStringAssignmentDetails(key, id, attributes, "none");
    return evaluationDetails.variationKey ?? null;
  };
  const close = () => {
    client.stopPolling();
    server.close();
  };
  return { keys: Object.keys(payload.flags), decide, close };
}
