// A server on this machine that answers in place of a tool's, for SDKs that cannot be handed their payload.

import { createServer } from "node:http";

/** Serves what `answer(url)` gives, as JSON. */
export async function local(answer) {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer(new URL(request.url, "http://127.0.0.1"))));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  // why: what an SDK polls for ever must not keep the process
  server.unref();
  return { url: `http://127.0.0.1:${port}`, port, close };
}
