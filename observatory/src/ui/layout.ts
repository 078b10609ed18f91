import { html } from "hono/html";
import { toHex } from "@peerage/core";
import { assetPath } from "../http/assets.ts";
import type { Frame } from "../frame.ts";
import type { Html } from "../page.ts";
import { agentLink } from "./agent.ts";
import { momentHtml, timeHtml } from "./time.ts";

/** The document around a page. */
export function layout(title: string, body: Html, frame: Frame): Html {
  const { links, seen, path, query } = frame;
  const noindex = query.has("as") || query.has("at");
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <meta name="color-scheme" content="light dark" />
        ${noindex ? html`<meta name="robots" content="noindex" /><link rel="canonical" href="${canonical(frame)}" />` : ""}
        <link rel="stylesheet" href="${assetPath(sheetOf(path))}" />
        <link rel="icon" href="${assetPath("icon.svg")}" type="image/svg+xml" />
        <link rel="alternate" href="${alternate(frame, "json")}" type="application/json" />
        <link rel="alternate" href="/feed.atom" type="application/atom+xml" title="Live feed" />
        <script src="${assetPath("site.js")}"></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        ${
          frame.banner === undefined && frame.seen.past === undefined
            ? ""
            : html`<div role="region" aria-label="Notices">
                ${frame.banner === undefined ? "" : html`<p class="banner">${frame.banner}</p>`} ${pastBar(frame)}
              </div>`
        }
        <header class="top">
          <a class="brand" href="${links.home()}">${mark()}<span>Peerage</span></a>
          <nav aria-label="Pages">
            ${navLink("/map", links.same("/map", {}), "Map", path)}${navLink("/agents", links.agents(), "Agents", path)}${navLink("/scopes", links.same("/scopes", {}), "Scopes", path)}${navLink("/log", links.log(), "Log", path)}${navLink("/feed", links.feed(), "Feed", path)}
          </nav>
          <form class="search" action="/agents" role="search">
            ${stateFields(frame)}
            <input
              name="q"
              type="search"
              aria-label="Search a DID, name, vouch id or log index"
              placeholder="DID, name, vouch or #entry"
              autocomplete="off"
              spellcheck="false"
            />
          </form>
          <p class="viewing"><span>Viewing as</span> ${viewpointHtml(frame)}</p>
        </header>
        <main id="main">${body}</main>
        <footer>
          <p>
            Log <a href="${links.log()}">size <b>${seen.view.size}</b></a> · root
            <code>${toHex(seen.view.root).slice(0, 12)}…</code> · checkpoint ${timeHtml(seen.view.time)} ·
            ${seen.view.witnessed ? "witnessed" : "no witnesses"}
          </p>
          <p>
            This page as <a href="${alternate(frame, "json")}">JSON</a> and
            <a href="${alternate(frame, "txt")}">text</a>. <a href="/status">Status</a>, <a href="/try">try it</a>,
            <a href="${links.same("/simulate", {})}">policy simulator</a>,
            <a href="${links.same("/clusters", {})}">clusters</a>. No cookies, no tracking, nothing from elsewhere.
          </p>
        </footer>
        ${frame.symbols()}
      </body>
    </html>`;
}

/** Says that the page shows the past, and leads back. */
function pastBar({ links, seen, path, query }: Frame): Html {
  if (!seen.past) return html``;
  const now = Object.fromEntries([...query].filter(([name]) => name !== "at"));
  return html`<p class="banner">
    As it was at log size ${seen.past.size}, ${momentHtml(seen.past.time)}.
    <a href="${links.same(path, { ...now, at: undefined })}">Back to now</a>
  </p>`;
}

function navLink(to: string, href: string, label: string, path: string): Html {
  const here = path === to || path.startsWith(`${to}/`);
  return here ? html`<a href="${href}" aria-current="page">${label}</a>` : html`<a href="${href}">${label}</a>`;
}

/** From whom the page is seen, as a link to choose otherwise. */
function viewpointHtml(frame: Frame): Html {
  const [only] = frame.roots;
  if (frame.seen.viewpoint.kind === "agent" && only) return agentLink(only, frame);
  return html`<a href="${frame.links.same("/viewpoint", {})}"><b>${frame.viewpointText}</b></a>`;
}

/** Hidden fields so that a form keeps viewpoint and scope. */
export function stateFields({ links: { state } }: Frame, skip: readonly string[] = []): Html {
  const field = (name: "as" | "scope" | "at"): Html | string =>
    state[name] === undefined || skip.includes(name)
      ? ""
      : html`<input type="hidden" name="${name}" value="${state[name]}" />`;
  return html`${field("as")}${field("scope")}${field("at")}`;
}

/** The field of a form that asks for a viewpoint, and the one that asks for a scope. */
export function askedFields({ links: { state } }: Frame, scope: string): Html {
  return html`<label
      >As seen by
      <input name="as" value="${state.as ?? ""}" placeholder="the published roots, or a DID" autocomplete="off"
    /></label>
    <label>Scope <input name="scope" value="${scope}" autocomplete="off" /></label>`;
}

/** The page's one address: the same, seen as everybody sees it, now. */
function canonical({ path, query }: Frame): string {
  const rest = new URLSearchParams([...query].filter(([name]) => name !== "as" && name !== "at"));
  return rest.size === 0 ? path : `${path}?${rest.toString().replaceAll("%3A", ":")}`;
}

function alternate({ path, query }: Frame, suffix: "json" | "txt"): string {
  const search = query.toString();
  return `${path === "/" ? "/index" : path}.${suffix}${search === "" ? "" : `?${search}`}`;
}

/** The mark of the site: three stars, joined. */
function mark(): Html {
  return html`<svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
    <path d="M5 18L10 6L18 15" />
    <circle cx="5" cy="18" r="2.6" />
    <circle cx="10" cy="6" r="3" />
    <circle cx="18" cy="15" r="2.6" />
  </svg>`;
}

/** The style sheet of a page: what draws the network is a part of it only where it is drawn. */
function sheetOf(path: string): "map.css" | "sky.css" | "style.css" {
  if (/^\/map$|\/orbit$/.test(path)) return "map.css";
  return path === "/" ? "sky.css" : "style.css";
}
