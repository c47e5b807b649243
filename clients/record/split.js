// Split (Harness FME): the payload of `api/splitChanges?since=-1`.

import { local } from "./local.js";

export const sdk = "@splitsoftware/splitio";

export async function open(module, { splits }) {
  const { SplitFactory } = module.SplitFactory ? module : module.default;
  const server = await local(({ pathname, searchParams }) => {
    if (!pathname.includes("splitChanges")) return {};
    const since = Number(searchParams.get("since"));
    const d = since === -1 ? splits : [];
    return { ff: { d, s: since, t: 1 }, rbs: { d: [], s: -1, t: -1 }, splits: d, since, till: 1 };
  });
  const factory = SplitFactory({
    core: { authorizationKey: "key" },
    urls: { sdk: server.url, events: server.url, auth: server.url, streaming: server.url, telemetry: server.url },
    streamingEnabled: false,
    sync: { impressionsMode: "NONE", enabled: false },
    debug: "NONE",
  });
  const client = factory.client();
  await client.ready?.();
  const close = async () => {
    await client.destroy();
    server.close();
  };
  const decide = (key, { id, attributes }) => client.getTreatment(id, key, attributes);
  return { keys: splits.map(({ name }) => name), decide, close };
}
