import { html } from "hono/html";
import { assetPath, islandPath } from "../http/assets.ts";
import type { Html } from "../page.ts";
import { Sigils } from "../ui/sigils.ts";
import type { Node } from "./node.ts";
import { paths } from "./paths.ts";
import { render } from "./render.ts";

/** What stands around a page of the console. */
export interface Around {
  /** Empty where there is no such page. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Requests that wait for a person; undefined before somebody is let in, who then sees no more than the door. */
  readonly waiting?: number;
  /** What the guards have recorded, in a line. */
  readonly status: string;
}

/** The document around a page: the same top, colours and foot as on the public pages. */
export function layout(title: string, body: readonly Node[], { path, query, waiting, status }: Around): Html {
  const sigils = new Sigils();
  const main = body.map((node) => render(node, sigils));
  const island = islandPath("console");
  const search = query.toString();
  const form = (suffix: string): string =>
    `${path === "/" || path === "" ? "/index" : path}.${suffix}${search === "" ? "" : `?${search}`}`;
  const inside = waiting !== undefined;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${inside && waiting > 0 ? `(${waiting}) ` : ""}${title} · Peerage console</title>
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <link rel="stylesheet" href="${assetPath("console.css")}" />
        <link rel="icon" href="${assetPath("icon.svg")}" type="image/svg+xml" />
        <script src="${assetPath("site.js")}"></script>
        ${island === undefined ? "" : html`<script type="module" src="${island}"></script>`}
      </head>
      <body class="console">
        <a class="skip" href="#main">Skip to content</a>
        <header class="top">
          <a class="brand" href="/"
            >${mark()}<span>Peerage <span class="where">console</span></span></a
          >
          ${
            inside
              ? html`<nav aria-label="Pages">
                  ${navLink(paths.live(), "Live", path)}${navLink(paths.calls(), "Calls", path)}<a
                    href="${paths.approvals()}"
                    ${path.startsWith("/appro") ? html`aria-current="page"` : ""}
                    >Approvals${waiting > 0 ? html` <span class="count">${waiting}</span>` : ""}</a
                  >${navLink(paths.policy(), "Policy", path)}${navLink(paths.audit(), "Audit", path)}
                </nav>`
              : ""
          }
          <p class="private"><span class="dot" aria-hidden="true"></span>private, this machine only</p>
        </header>
        <main id="main">${main}</main>
        <footer>
          <p>${status}</p>
          ${
            inside
              ? html`<form class="foot" action="/logout" method="post">
                  This page as <a href="${form("json")}">JSON</a> and <a href="${form("txt")}">text</a>.
                  <button class="link" type="submit">Sign out</button>
                </form>`
              : html`<p>Nothing is shown before this browser is let in.</p>`
          }
        </footer>
        ${sigils.symbols()}
      </body>
    </html>`;
}

function navLink(to: string, label: string, path: string): Html {
  const here = path === to || (to !== "/" && path.startsWith(`${to}/`));
  return here ? html`<a href="${to}" aria-current="page">${label}</a>` : html`<a href="${to}">${label}</a>`;
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
