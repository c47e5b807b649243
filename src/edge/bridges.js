// `GET bridge/VENDOR.js`: modules that hand another tool's assignments and goals to the page's script. Texts, made when
// the worker is built.

import * as core from "sortition-core";
import { problem } from "./problem.js";

const PATH = "/_sortition/bridge/";

/** Whether a path is that of a bridge. */
export const isBridge = (path) => path.startsWith(PATH);

export async function bridge(request, path) {
  const { default: bridges } = await import("sortition-bridges");
  const name = path.slice(PATH.length).replace(/\.js$/, "");
  const found = path.endsWith(".js") && Object.hasOwn(bridges, name) ? bridges[name] : undefined;
  if (!found) return problem(404, "Not found", `there are bridges ${Object.keys(bridges).join(", ")}, each with .js`);
  if (request.method !== "GET" && request.method !== "HEAD") {
    return problem(405, "Method not allowed", "use GET or HEAD", { allow: "GET, HEAD" });
  }
  const headers = {
    etag: found.tag,
    // why: the name never changes, so a page picks a new version up within the hour
    "cache-control": "public, max-age=3600, stale-while-revalidate=86400",
    "x-content-type-options": "nosniff",
  };
  core.generation();
  if (core.is_known(found.tag, request.headers.get("if-none-match") ?? undefined)) {
    return new Response(null, { status: 304, headers });
  }
  return new Response(request.method === "HEAD" ? null : found.text, {
    headers: { ...headers, "content-type": "text/javascript; charset=utf-8" },
  });
}
