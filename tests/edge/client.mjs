// Asking the worker things, byte for byte, as a browser would.

import http from "node:http";
import { gunzipSync } from "node:zlib";

/** What the worker takes for a person; node's own agent counts as a crawler. */
export const BROWSER =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";

/**
 * One request over a connection of its own. `host` is the `Host` header; headers are an object or, to repeat a name, an
 * array of names and values. `cf` is what Cloudflare knows of the request. Rejects where the answer is cut.
 */
export function ask(url, path, { method = "GET", headers = {}, body, host, cookie, cf } = {}) {
  return new Promise((resolve, reject) => {
    const given = Array.isArray(headers) ? headers : Object.entries(headers).flat();
    const names = given.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    const sent = ["Host", host ?? url.host, ...given];
    if (!names.includes("user-agent")) sent.push("User-Agent", BROWSER);
    if (cf) sent.push("Test-Cf", JSON.stringify(cf));
    if (cookie) sent.push("Cookie", cookie);
    if (body !== undefined && !names.includes("content-length") && !names.includes("transfer-encoding")) {
      sent.push("Content-Length", String(Buffer.byteLength(body)));
    }
    const started = performance.now();
    const request = http.request(
      { host: url.hostname, port: url.port, path, method, headers: sent, agent: false, maxHeaderSize: 64 * 1024 },
      async (response) => {
        const chunks = [];
        const times = [];
        try {
          for await (const chunk of response) {
            chunks.push(chunk);
            times.push(performance.now() - started);
          }
        } catch (error) {
          return reject(Object.assign(error, { status: response.statusCode, received: Buffer.concat(chunks) }));
        }
        const bytes = Buffer.concat(chunks);
        const fields = [];
        for (let i = 0; i < response.rawHeaders.length; i += 2) {
          fields.push([response.rawHeaders[i].toLowerCase(), response.rawHeaders[i + 1]]);
        }
        resolve({
          status: response.statusCode,
          headers: response.headers,
          fields,
          setCookies: response.headers["set-cookie"] ?? [],
          bytes,
          text: unpacked(bytes, response.headers["content-encoding"]).toString("utf8"),
          times,
        });
      },
    );
    request.on("error", reject);
    if (body === undefined || typeof body.pipe !== "function") request.end(body);
    else body.pipe(request);
  });
}

/** The body as it was before gzip; as it came where it is in no gzip, or in a broken one. */
function unpacked(bytes, coding) {
  try {
    return coding === "gzip" ? gunzipSync(bytes) : bytes;
  } catch {
    return bytes;
  }
}

/** The header lines whose name starts with `sortition-`. */
export const ours = (fields) => fields.filter(([name]) => name.toLowerCase().startsWith("sortition-"));

/** The value of the cookie that an answer sets; undefined where it sets none of that name. */
export function cookieOf(answer, name) {
  const line = answer.setCookies.find((cookie) => cookie.startsWith(`${name}=`));
  return line?.slice(name.length + 1).split(";")[0];
}

/** A browser's cookies, as far as these tests need them. */
export class Jar {
  #values = new Map();

  take(answer) {
    for (const cookie of answer.setCookies) {
      const [pair] = cookie.split(";");
      const at = pair.indexOf("=");
      this.#values.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return answer;
  }

  get header() {
    return [...this.#values].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  get(name) {
    return this.#values.get(name);
  }

  set(name, value) {
    this.#values.set(name, value);
    return this;
  }
}

/** Asks again and again until the answer is truthy, and returns it. */
export async function until(question, what, milliseconds = 15_000) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > deadline)
      throw new Error(`waited ${milliseconds} ms in vain for ${typeof what === "function" ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
