import { html, raw } from "hono/html";
import type { Did } from "@peerage/core";
import type { Html } from "../page.ts";
import { sigilOf } from "./sigil.ts";

/** The sigils of one page: each drawing stands in it once, and is referred to wherever its agent is named. */
export class Sigils {
  readonly #ids = new Map<Did, string>();

  /** An agent's sigil. Its drawing stands once a page, see {@link symbols}; this refers to it. */
  sigil(did: Did, kind = "sigil"): Html {
    return html`<svg class="${kind}" viewBox="0 0 64 64" aria-hidden="true"><use href="#${this.symbol(did)}" /></svg>`;
  }

  /** The id of the drawing, for pictures that place it themselves. */
  symbol(did: Did): string {
    let id = this.#ids.get(did);
    if (id === undefined) {
      id = `s${this.#ids.size}`;
      this.#ids.set(did, id);
    }
    return id;
  }

  /** The drawings of all sigils used so far. */
  symbols(): Html {
    const drawings = Array.from(this.#ids, ([did, id]) => {
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
