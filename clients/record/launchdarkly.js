// LaunchDarkly: the payload of `sdk/latest-all`, through the SDK's own source of test data.

import { createRequire } from "node:module";
import { join } from "node:path";

export const sdk = "@launchdarkly/node-server-sdk";

const silent = { error() {}, warn() {}, info() {}, debug() {}, log() {} };

export async function open({ init, default: all }, { flags, segments = {} }, integrations) {
  const { TestData } = integrations ?? createRequire(join(process.cwd(), "here.js"))(`${sdk}/integrations`);
  const data = new TestData();
  for (const flag of Object.values(flags)) data.usePreconfiguredFlag(structuredClone(flag));
  for (const segment of Object.values(segments)) data.usePreconfiguredSegment(structuredClone(segment));
  const options = { updateProcessor: data.getFactory(), sendEvents: false, diagnosticOptOut: true, logger: silent };
  const client = (init ?? all.init)("sdk-key", options);
  await client.waitForInitialization({ timeout: 5 });
  const decide = async (key, { id, attributes }) => {
    const { variationIndex } = await client.variationDetail(key, { kind: "user", key: id, ...attributes }, null);
    return variationIndex === null || variationIndex === undefined ? null : String(variationIndex);
  };
  return { keys: Object.keys(flags), decide, close: () => client.close() };
}
