// Three experiments on one page by hand: one rewriter, one message.

import { finish, forOrigin, meet, rewritten } from "./parts.js";

export default {
  async fetch(request, env, ctx) {
    const met = await meet(request, env, ctx);
    if (!met) return fetch(request);
    const answer = await fetch(forOrigin(request, met));
    const response = new Response(answer.body, answer);
    response.headers.set("Cache-Control", "private, max-age=0");
    return rewritten(finish(response, request, met, env, ctx), met.given);
  },
};
