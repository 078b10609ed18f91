import { html, raw } from "hono/html";
import type { Did } from "@peerage/core";
import type { Links } from "./links.ts";
import type { AgentRef, Html } from "./page.ts";
import type { Seen } from "./seen.ts";
import { sigilOf } from "./ui/sigil.ts";

/** What every page has around it: links that keep the viewpoint, the head it speaks of, and the sigils it used. */
export class Frame {
  readonly links: Links;
  readonly seen: Seen;
  readonly roots: readonly AgentRef[];
  readonly path: string;
  readonly query: URLSearchParams;
  readonly registryUrl: string;
  readonly banner: string | undefined;
  readonly #sigils = new Map<Did, string>();

  constructor(options: {
    links: Links;
    seen: Seen;
    roots: readonly AgentRef[];
    path: string;
    query: URLSearchParams;
    registryUrl: string;
    banner: string | undefined;
  }) {
    this.links = options.links;
    this.seen = options.seen;
    this.roots = options.roots;
    this.path = options.path;
    this.query = options.query;
    this.registryUrl = options.registryUrl;
    this.banner = options.banner;
  }

  /** From whom the page is seen, in words: `2 roots`, or the name of the one. */
  get viewpointText(): string {
    return viewpointText(this.seen.viewpoint.kind, this.roots);
  }

  /** An agent's sigil. Its drawing stands once a page, see {@link symbols}; this refers to it. */
  sigil(did: Did, kind = "sigil"): Html {
    return html`<svg class="${kind}" viewBox="0 0 64 64" aria-hidden="true"><use href="#${this.symbol(did)}" /></svg>`;
  }

  /** The id of the drawing, for pictures that place it themselves. */
  symbol(did: Did): string {
    let id = this.#sigils.get(did);
    if (id === undefined) {
      id = `s${this.#sigils.size}`;
      this.#sigils.set(did, id);
    }
    return id;
  }

  /** The drawings of all sigils used so far. */
  symbols(): Html {
    const drawings = Array.from(this.#sigils, ([did, id]) => {
      const { disc, line, lines, large, largeStars, small, smallStars } = sigilOf(did);
      return (
        `<symbol id="${id}" viewBox="0 0 64 64"><circle cx="32" cy="32" r="32" fill="${disc}"/>` +
        `<g fill="none" stroke-linecap="round"><path d="${lines}" stroke="${line}" stroke-width="2"/>` +
        `<path d="${smallStars}" stroke="${small}" stroke-width="8"/>` +
        `<path d="${largeStars}" stroke="${large}" stroke-width="10.5"/></g></symbol>`
      );
    });
    // Hashes become numbers and colours in `sigilOf`, so nothing foreign is in here.
    return html`<svg class="symbols" width="0" height="0" aria-hidden="true">${raw(drawings.join(""))}</svg>`;
  }
}

/** From whom something is seen, in words. */
export function viewpointText(kind: "published" | "agent" | "none", roots: readonly AgentRef[]): string {
  if (kind === "none") return "nobody yet";
  if (kind === "published") return roots.length === 1 ? "1 root" : `${roots.length} roots`;
  return "one agent";
}
