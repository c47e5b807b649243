// A redirect test by hand: 302 to the variant's page, the query kept.

import { finish, meet } from "./parts.js";

export default {
  async fetch(request, env, ctx) {
    const met = await meet(request, env, ctx);
    const redirect = met?.given.find(({ variant }) => variant.redirect)?.variant.redirect;
    if (!redirect) return fetch(request);
    const target = new URL(redirect, met.url);
    for (const [name, value] of met.url.searchParams) {
      if (!target.searchParams.has(name)) target.searchParams.append(name, value);
    }
    const headers = { Location: target.pathname + target.search, "Cache-Control": "private, no-store" };
    return finish(new Response(null, { status: 302, headers }), request, met, env, ctx);
  },
};
