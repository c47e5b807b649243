// The same for clients that read gzip: the copy is kept as the origin compresses it, unpacked and packed again around the
// rewriter.

import { finish, meet, rewritten } from "./parts.js";

export default {
  async fetch(request, env, ctx) {
    const met = await meet(request, env, ctx);
    if (!met || request.method !== "GET") return fetch(request);
    const key = `${request.url}?gzip`;
    let answer = await caches.default.match(key);
    if (!answer) {
      answer = await fetch(request.url, { headers: { "Accept-Encoding": "gzip" } });
      const isShared = answer.status === 200 && /\bpublic\b/.test(answer.headers.get("cache-control") ?? "");
      if (!isShared || answer.headers.has("set-cookie")) return fetch(request);
      ctx.waitUntil(caches.default.put(key, answer.clone()));
    }
    const response = new Response(answer.body, answer);
    response.headers.set("Cache-Control", "private, max-age=0");
    return rewritten(finish(response, request, met, env, ctx), met.given);
  },
};
