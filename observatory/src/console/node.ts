import type { Did } from "@peerage/core";

/**
 * A piece of a page as data, so that the server writes it as HTML and the browser builds the same of elements: what is
 * live looks exactly as it was served. Text stays text in both.
 */
export interface Node {
  readonly tag: string;
  readonly attrs: Readonly<Record<string, string>>;
  readonly children: readonly Child[];
}
export type Child = Node | string;

/** Attribute values; those that are undefined or false are left out, `true` is an attribute without a value. */
export type Attrs = Readonly<Record<string, string | number | boolean | undefined>>;
type Given = Child | undefined | readonly (Child | undefined)[];

/** One element. Tag and attribute names are words of ours, never foreign. */
export function h(tag: string, attrs: Attrs = {}, ...children: readonly Given[]): Node {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(attrs)) {
    if (value !== undefined && value !== false) kept[name] = value === true ? "" : String(value);
  }
  return { tag, attrs: kept, children: children.flat().filter((child) => child !== undefined) };
}

/** The place of an agent's sigil; whoever draws the page knows its drawing. `x`, `y`, `size`: within a picture. */
export function sigil(did: Did, attrs: Attrs = {}): Node {
  return h("sigil", { class: "sigil", ...attrs, did });
}
