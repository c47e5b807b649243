// What stands between a browser on this machine and a worker that believes to be the shop: whatever would lead away from
// this machine (absolute links, redirects, cookies of a domain, HTTPS alone) leads back to it.

import { request as ask, createServer } from "node:http";
import { connect } from "node:net";
import { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";

/** Bodies in which links are written as text. */
const TEXTUAL = /^(?:text\/(?!event-stream)|application\/(?:[\w.+-]*(?:json|xml|javascript)|manifest)|image\/svg)/i;
const DECODERS = { gzip: createGunzip, "x-gzip": createGunzip, br: createBrotliDecompress, deflate: createInflate };
/** The longest start of a link beside its host: `https:\/\/`, and what must not follow. */
const AROUND = 16;

/** Replaces links to a shop by links to this machine, in a text that comes in pieces. */
export class Links {
  #rest = "";

  constructor(host, local) {
    this.host = host;
    this.local = local;
    const escaped = host.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    this.pattern = new RegExp(`(?:(https?|wss?):)?(\\\\?/\\\\?/)${escaped}(?!\\.?[\\w-]|:\\d)`, "gi");
  }

  /** The text up to where the next piece may change it; with `last`, all of it. */
  add(piece, last = false) {
    const text = this.#rest + piece;
    const end = last ? text.length : Math.max(0, text.length - this.host.length - AROUND);
    let out = "";
    let from = 0;
    for (const found of text.matchAll(this.pattern)) {
      if (found.index >= end) break;
      // why: `file.txt//shop` and `x://shop` are no links of ours
      if (!found[1] && /[\w:]/.test(text[found.index - 1] ?? "")) continue;
      const scheme = found[1] ? `${/^ws/i.test(found[1]) ? "ws" : "http"}:` : "";
      out += text.slice(from, found.index) + scheme + found[2] + this.local;
      from = found.index + found[0].length;
    }
    const cut = Math.max(from, end);
    this.#rest = text.slice(cut);
    return out + text.slice(from, cut);
  }

  /** A whole text. */
  static in(text, host, local) {
    return new Links(host, local).add(text, true);
  }
}

/** A cookie as a browser keeps it for this machine, over plain HTTP. */
export function localCookie(cookie) {
  const [pair, ...attributes] = cookie.split(";").map((part) => part.trim());
  // why: browsers take such names only with `Secure`, and take that from this machine
  const bound = /^__(?:Host|Secure)-/i.test(pair);
  const kept = attributes.filter((attribute) => {
    const name = attribute.split("=")[0].toLowerCase();
    return name !== "domain" && (bound || (name !== "secure" && name !== "partitioned"));
  });
  const lax = (attribute) => (/^samesite\s*=\s*none$/i.test(attribute) && !bound ? "SameSite=Lax" : attribute);
  return [pair, ...kept.map(lax)].join("; ");
}

/** The headers of an answer, for a browser on this machine. */
export function localHeaders(raw, { host, local }) {
  const out = [];
  const links = (value) => Links.in(value, host, local);
  for (let at = 0; at < raw.length; at += 2) {
    const [name, value] = [raw[at], raw[at + 1]];
    const lower = name.toLowerCase();
    if (["strict-transport-security", "alt-svc", "connection", "transfer-encoding", "keep-alive"].includes(lower))
      continue;
    if (lower === "set-cookie") out.push([name, localCookie(value)]);
    else if (lower.startsWith("content-security-policy")) {
      const kept = value
        .split(";")
        .filter((rule) => !/^\s*(?:upgrade-insecure-requests|block-all-mixed-content)\s*$/i.test(rule));
      out.push([name, links(kept.join(";"))]);
    } else out.push([name, links(value)]);
  }
  return out;
}

/**
 * Serves the worker to this machine.
 *
 * @param {object} options
 * @param {number} options.port Where it listens, on loopback.
 * @param {number} options.worker The port of the worker.
 * @param {URL} options.origin What the worker believes to be.
 * @param {string} options.token Opens the pages of results.
 * @param {(report: {path: string, body: string, status: number}) => void} options.reported Events that came.
 */
export function serve({ port, worker, origin, token, reported }) {
  const host = origin.host;
  const towards = (request) => {
    const local = request.headers.host ?? `localhost:${port}`;
    const headers = { ...request.headers, host };
    for (const name of ["origin", "referer"]) {
      if (headers[name]) headers[name] = headers[name].replace(`http://${local}`, origin.origin);
    }
    headers["accept-encoding"] = "gzip";
    const results = /^\/_sortition\/experiments(?:[/.?]|$)/.test(request.url);
    if (results && !headers.authorization) headers.authorization = `Bearer ${token}`;
    return { local, headers };
  };
  const server = createServer((request, response) => {
    const { local, headers } = towards(request);
    const events = request.method === "POST" && /^\/_sortition\/(?:events|conversions)$/.test(request.url);
    const sent = [];
    if (events) request.on("data", (chunk) => sent.push(chunk));
    const asked = ask(
      { host: "127.0.0.1", port: worker, method: request.method, path: request.url, headers },
      (answer) => {
        if (events) reported({ path: request.url, body: Buffer.concat(sent).toString(), status: answer.statusCode });
        relay(request, answer, response, { host, local });
      },
    );
    asked.on("error", (error) => {
      if (response.headersSent) return response.destroy();
      response.writeHead(502, { "content-type": "text/plain; charset=utf-8" });
      response.end(`The worker does not answer: ${error.message}\n`);
    });
    response.on("close", () => asked.destroy());
    request.pipe(asked);
  });
  server.on("upgrade", (request, socket, head) => {
    const { headers } = towards(request);
    const upstream = connect(worker, "127.0.0.1", () => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    const cut = () => {
      socket.destroy();
      upstream.destroy();
    };
    for (const end of [socket, upstream]) end.on("error", cut);
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

function relay(request, answer, response, where) {
  const headers = localHeaders(answer.rawHeaders, where);
  const ours = request.url.startsWith("/_sortition/");
  const encoding = (answer.headers["content-encoding"] ?? "identity").toLowerCase();
  const whole = request.method !== "HEAD" && answer.statusCode !== 304 && answer.statusCode !== 204;
  // why: gzip was asked for here, whatever the browser asks for
  const decode = whole ? DECODERS[encoding]?.() : undefined;
  const rewritten =
    whole && !ours && (encoding === "identity" || decode) && TEXTUAL.test(answer.headers["content-type"] ?? "");
  const digests = ["content-md5", "digest", "repr-digest", "content-digest"];
  const gone = decode || rewritten ? ["content-length", "content-encoding", ...digests] : [];
  const kept = headers.filter(([name]) => !gone.includes(name.toLowerCase()));
  response.writeHead(answer.statusCode, answer.statusMessage, kept.flat());
  for (const stream of [answer, decode]) stream?.on("error", () => response.destroy());
  const plain = decode ? answer.pipe(decode) : answer;
  if (!rewritten) return void plain.pipe(response);
  const links = new Links(where.host, where.local);
  // why: Latin-1 gives every byte a character and back, whatever the page's own encoding
  const replace = new Transform({
    transform: (chunk, _, done) => done(null, Buffer.from(links.add(chunk.toString("latin1")), "latin1")),
    flush: (done) => done(null, Buffer.from(links.add("", true), "latin1")),
  });
  replace.on("error", () => response.destroy());
  plain.pipe(replace).pipe(response);
}
