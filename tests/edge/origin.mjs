// An origin made for tests: full control over every byte of an answer, and a record of every request that reached it.

import { createHash } from "node:crypto";
import http from "node:http";

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title></head>
<body><h1 id="title" class="big plain">Welcome</h1><p id="lead">Tents &amp; stoves</p><a id="cta" href="/c/all">Shop</a></body></html>
`;

/**
 * @typedef {object} Seen A request as it reached the origin.
 * @property {string} method
 * @property {string} url Path and query, as they were sent.
 * @property {Record<string, string>} headers By lower-case name.
 * @property {[string, string][]} fields Every header line, in order.
 * @property {Buffer} body Complete once `whole` is settled.
 * @property {Promise<void>} whole
 * @property {number[]} chunks The lengths in which the body arrived.
 */

/** Starts an origin on a free port. It answers every path with a small HTML page unless `on` says otherwise. */
export async function startOrigin() {
  const handlers = new Map();
  /** @type {Seen[]} */
  const requests = [];
  const sockets = new Set();

  const server = http.createServer((request, response) => {
    const seen = record(request);
    requests.push(seen);
    const handler = handlers.get(new URL(request.url, "http://origin").pathname) ?? handlers.get("*") ?? welcome;
    Promise.resolve(handler(request, response, seen)).catch((error) => response.destroy(error));
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (request, socket, head) => {
    requests.push(record(request));
    echo(request, socket, head);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    /** Answers a path (`*`: every other) with `(request, response, seen) => …`. */
    on(path, handler) {
      handlers.set(path, handler);
    },
    /** Answers a path with a status, headers (name, value, name, value, …) and a body. */
    serve(path, { status = 200, headers = ["Content-Type", "text/html; charset=utf-8"], body = PAGE } = {}) {
      handlers.set(path, (request, response) => {
        response.writeHead(status, headers);
        response.end(request.method === "HEAD" ? undefined : body);
      });
    },
    /** The requests for a path that came since the last call of `forget`. */
    of: (path) => requests.filter((seen) => new URL(seen.url, "http://origin").pathname === path),
    forget() {
      requests.length = 0;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function record(request) {
  const fields = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) fields.push([request.rawHeaders[i], request.rawHeaders[i + 1]]);
  const seen = { method: request.method, url: request.url, headers: request.headers, fields, body: Buffer.alloc(0), chunks: [] };
  seen.whole = new Promise((resolve) => {
    request.on("data", (chunk) => {
      seen.chunks.push(chunk.length);
      seen.body = Buffer.concat([seen.body, chunk]);
    });
    request.on("end", resolve);
    request.on("close", resolve);
  });
  return seen;
}

function welcome(request, response) {
  response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Content-Length": Buffer.byteLength(PAGE) });
  response.end(request.method === "HEAD" ? undefined : PAGE);
}

/** A WebSocket after RFC 6455 that sends every text message back in capitals; enough of the protocol for short ones. */
function echo(request, socket, head) {
  const accept = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let pending = head;
  const read = (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2) {
      const length = pending[1] & 0x7f;
      if (length > 125) return socket.destroy();
      if (pending.length < 6 + length) return;
      const opcode = pending[0] & 0x0f;
      const mask = pending.subarray(2, 6);
      const payload = Buffer.from(pending.subarray(6, 6 + length).map((byte, i) => byte ^ mask[i & 3]));
      pending = pending.subarray(6 + length);
      const reply = opcode === 1 ? Buffer.from(payload.toString().toUpperCase()) : payload;
      if (opcode === 1 || opcode === 8) socket.write(Buffer.concat([Buffer.from([0x80 | opcode, reply.length]), reply]));
      if (opcode === 8) return socket.end();
    }
  };
  socket.on("data", read);
  socket.on("error", () => socket.destroy());
}
