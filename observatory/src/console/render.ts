import { html } from "hono/html";
import type { Did } from "@peerage/core";
import type { Html } from "../page.ts";
import type { Sigils } from "../ui/sigils.ts";
import type { Child } from "./node.ts";

/** Elements of HTML that have no end. */
const empty: ReadonlySet<string> = new Set(["br", "hr", "img", "input", "link", "meta", "wbr"]);

/** A piece of a page as HTML: every text and every attribute value is escaped. */
export function render(child: Child, sigils: Sigils): Html {
  if (typeof child === "string") return html`${child}`;
  const { tag, attrs, children } = child;
  if (tag === "sigil") {
    const { did = "", ...rest } = attrs;
    const use = html`<use href="#${sigils.symbol(did as Did)}" />`;
    return html`<svg viewBox="0 0 64 64" aria-hidden="true" ${attributes(rest)}>${use}</svg>`;
  }
  if (empty.has(tag)) return html`<${tag} ${attributes(attrs)} />`;
  return html`<${tag} ${attributes(attrs)}>${children.map((inner) => render(inner, sigils))}</${tag}>`;
}

function attributes(attrs: Readonly<Record<string, string>>): Html[] {
  return Object.entries(attrs).map(([name, value]) => html`${name}="${value}" `);
}
