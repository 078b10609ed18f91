import { html } from "hono/html";
import type { View } from "@peerage/core";
import { Links } from "../links.ts";
import { agentRows } from "../seen.ts";

/** Most agents that a sitemap names: the newest. The protocol allows 50,000 addresses. */
const MOST = 20_000;

/** What may be crawled: the pages that are not somebody's own view of things. */
export async function sitemap(view: View, registryUrl: string): Promise<string> {
  const base = registryUrl.replace(/\/$/, "");
  const links = new Links({});
  const pages = ["/", "/map", "/agents", "/scopes", "/clusters", "/log", "/feed", "/status", "/try", "/simulate"];
  const agents = agentRows(view)
    .slice(-MOST)
    .map(({ did }) => links.agent(did));
  const xml = html`<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
    ${[...pages, ...agents].map((path) => html`<url><loc>${base}${path}</loc></url>`)}
  </urlset> `;
  return `<?xml version="1.0" encoding="utf-8"?>\n${String(await xml)}`;
}
