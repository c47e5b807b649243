// A shared copy of the page by hand: from the Cache API if it is there, rewritten for each visitor.

import { finish, meet, rewritten } from "./parts.js";

export default {
  async fetch(request, env, ctx) {
    const met = await meet(request, env, ctx);
    if (!met || request.method !== "GET") return fetch(request);
    let answer = await caches.default.match(request.url);
    if (!answer) {
      answer = await fetch(request.url, { headers: { "Accept-Encoding": "identity" } });
      const isShared = answer.status === 200 && /\bpublic\b/.test(answer.headers.get("cache-control") ?? "");
      if (!isShared || answer.headers.has("set-cookie")) return fetch(request);
      ctx.waitUntil(caches.default.put(request.url, answer.clone()));
    }
    const response = new Response(answer.body, answer);
    response.headers.set("Cache-Control", "private, max-age=0");
    return rewritten(finish(response, request, met, env, ctx), met.given);
  },
};
