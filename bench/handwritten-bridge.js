// Data for the page's scripts by hand: a block of JSON at the start of <head>.

import { finish, forOrigin, meet } from "./parts.js";

export default {
  async fetch(request, env, ctx) {
    const met = await meet(request, env, ctx);
    if (!met) return fetch(request);
    const answer = await fetch(forOrigin(request, met));
    const response = new Response(answer.body, answer);
    response.headers.set("Cache-Control", "private, max-age=0");
    finish(response, request, met, env, ctx);
    if (!answer.headers.get("content-type")?.startsWith("text/html")) return response;
    const variants = Object.fromEntries(met.given.map(({ id, variant }) => [id, variant.id]));
    const payload = Object.fromEntries(met.given.map(({ id, variant }) => [id, variant.payload]));
    const json = JSON.stringify({ variants, payload }).replaceAll("<", "\\u003c");
    const block = `<script type="application/json" id="experiments">${json}</script>`;
    return new HTMLRewriter()
      .on("head", { element: (head) => head.prepend(block, { html: true }) })
      .transform(response);
  },
};
