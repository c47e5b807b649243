// Bodies, of which no more is read than may be.

/** The request's body, at most `limit` bytes; undefined where it is longer. Reads no further than that. */
export async function body(request, limit) {
  const announced = request.headers.get("content-length");
  if (Number(announced) > limit) return undefined;
  if (!request.body) return new Uint8Array();
  // why: what is told beforehand is what comes, unless it comes in chunks; in one piece it costs a fraction
  if (/^\d+$/.test(announced ?? "") && !request.headers.has("transfer-encoding"))
    return new Uint8Array(await request.arrayBuffer());
  return bytesOf(request.body, limit);
}

/** All bytes of a stream, at most `limit`; undefined where it is longer. */
export async function bytesOf(stream, limit) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
