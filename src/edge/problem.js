// Why a request is not answered as it asked, after RFC 9457.

/** An answer that says what is wrong and what to do; `more`: further members, such as the single errors. */
export function problem(status, title, detail, headers, more) {
  return new Response(JSON.stringify({ type: "about:blank", status, title, detail, ...more }), {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers },
  });
}
