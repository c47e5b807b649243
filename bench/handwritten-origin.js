// A test of another server by hand: the variant's page from a path of its own, the control's where that one fails.

import { finish, forOrigin, meet } from "./parts.js";

const TIMEOUT_MS = 3000;

export default {
  async fetch(request, env, ctx) {
    const met = await meet(request, env, ctx);
    if (!met) return fetch(request);
    const prefix = met.given.find(({ variant }) => variant.prefix)?.variant.prefix;
    if (prefix) {
      const body = request.body ? await request.arrayBuffer() : undefined;
      const told = forOrigin(body ? new Request(request, { body }) : request, met);
      const url = new URL(request.url);
      url.pathname = prefix + url.pathname;
      try {
        const answer = await fetch(new Request(url, told), { signal: AbortSignal.timeout(TIMEOUT_MS) });
        if (answer.status < 500) {
          const response = new Response(answer.body, answer);
          response.headers.set("Cache-Control", "private, max-age=0");
          return finish(response, request, met, env, ctx);
        }
      } catch (error) {
        console.error(error);
      }
      return fetch(body ? new Request(request, { body }) : request);
    }
    const answer = await fetch(forOrigin(request, met));
    return finish(new Response(answer.body, answer), request, met, env, ctx);
  },
};
