// How an answer leaves: validators, compression, ranges, HEAD. The routes say
// what an answer is; everything HTTP about sending it is decided here, once.

import { createHash } from "node:crypto";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/**
 * @typedef {object} Answer
 * @property {number} [status] 200 unless told.
 * @property {string} type The Content-Type.
 * @property {string | Buffer} body
 * @property {string} cache The Cache-Control.
 * @property {Record<string, string | string[]>} [headers]
 * @property {boolean} [etag] Whether it carries a validator; default true.
 * @property {string[]} [vary] Request headers it depends on, beside Accept-Encoding.
 * @property {boolean} [ranges] Whether parts of it may be asked for.
 */

const CODERS = {
  br: (body) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  gzip: (body) => gzipSync(body),
};

/** Below this many bytes a coding costs more than it saves. */
const SMALLEST_CODED = 256;

/** Coded bodies of public answers by validator; the shop has a few dozen. */
const coded = new Map();
const CODED_KEPT = 200;

/** @param {Answer} answer */
export function send(request, response, answer) {
  const { status = 200, type, cache, headers = {}, etag = true, vary = [], ranges = false } = answer;
  const whole = Buffer.from(answer.body);
  const digest = createHash("sha256").update(whole).digest("base64url").slice(0, 20);
  const out = { "Content-Type": type, "Cache-Control": cache, "X-Content-Type-Options": "nosniff", ...headers };

  const compressible =
    whole.length >= SMALLEST_CODED && /^(text\/|application\/(.*\+)?(json|xml|javascript)|image\/svg)/.test(type);
  if (compressible || vary.length > 0) {
    out.Vary = [...(compressible ? ["Accept-Encoding"] : []), ...vary].join(", ");
  }
  if (ranges) out["Accept-Ranges"] = "bytes";

  // A range counts bytes of the representation that is sent, so answers to
  // Range requests are never coded.
  const wantsRange = ranges && status === 200 && request.method === "GET" && request.headers.range !== undefined;
  const coding = compressible && !wantsRange ? preferredCoding(request.headers["accept-encoding"]) : "identity";
  // Strong validators name bytes: each coding has its own.
  const tag = coding === "identity" ? `"${digest}"` : `"${digest}-${coding}"`;
  if (etag && status === 200) {
    out.ETag = tag;
    if (matches(request.headers["if-none-match"], tag)) {
      delete out["Content-Type"];
      response.writeHead(304, out);
      response.end();
      return;
    }
  }

  let body = whole;
  let code = status;
  if (coding !== "identity") {
    out["Content-Encoding"] = coding;
    body = encode(whole, coding, cache.startsWith("public") ? tag : undefined);
  }
  if (wantsRange && (request.headers["if-range"] ?? tag) === tag) {
    const range = parseRange(request.headers.range, whole.length);
    if (range === "unsatisfiable") {
      code = 416;
      out["Content-Range"] = `bytes */${whole.length}`;
      body = Buffer.alloc(0);
    } else if (range !== undefined) {
      code = 206;
      out["Content-Range"] = `bytes ${range.first}-${range.last}/${whole.length}`;
      body = whole.subarray(range.first, range.last + 1);
    }
  }
  out["Content-Length"] = body.length;
  response.writeHead(code, out);
  response.end(request.method === "HEAD" ? undefined : body);
}

function encode(body, coding, key) {
  const known = key && coded.get(key);
  if (known) return known;
  const made = CODERS[coding](body);
  if (key && coded.size < CODED_KEPT) coded.set(key, made);
  return made;
}

/** `br`, `gzip` or `identity`, by RFC 9110 section 12.5.3; brotli wins a tie. */
export function preferredCoding(header = "") {
  const weights = new Map();
  for (const item of header.split(",")) {
    const [name, ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    if (name) weights.set(name, q === undefined ? 1 : Number(q.slice(2)) || 0);
  }
  let best = "identity";
  let bestWeight = 0;
  for (const name of ["br", "gzip"]) {
    const weight = weights.get(name) ?? weights.get("*") ?? 0;
    if (weight > bestWeight) [best, bestWeight] = [name, weight];
  }
  // Identity is acceptable unless refused, but preferred only when said so.
  return (weights.get("identity") ?? 0) > bestWeight ? "identity" : best;
}

/** If-None-Match against one tag: weak comparison, RFC 9110 section 13.1.2. */
function matches(header, tag) {
  if (header === undefined) return false;
  return header.split(",").some((item) => item.trim() === "*" || item.trim().replace(/^W\//, "") === tag);
}

/**
 * One byte range, RFC 9110 section 14.1.2. `undefined` means "ignore the
 * header": another unit, bad syntax, or several ranges, all of which a server
 * may answer with the whole.
 */
export function parseRange(header, length) {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/.exec(header);
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  if (match[1] === "") {
    const suffix = Math.min(Number(match[2]), length);
    return suffix === 0 ? "unsatisfiable" : { first: length - suffix, last: length - 1 };
  }
  const first = Number(match[1]);
  const last = match[2] === "" ? length - 1 : Math.min(Number(match[2]), length - 1);
  if (match[2] !== "" && Number(match[2]) < first) return undefined;
  return first >= length ? "unsatisfiable" : { first, last };
}
