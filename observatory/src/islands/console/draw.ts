import type { Did } from "@peerage/core";
import type { Child } from "../../console/node.ts";
import { sigilOf } from "../../ui/sigil.ts";

const SVG = "http://www.w3.org/2000/svg";
const symbols = new Map<string, string>();

/** A piece of a page as elements: text becomes text nodes, and nothing here turns a string into markup. */
export function draw(child: Child, inPicture = false): Node {
  if (typeof child === "string") return document.createTextNode(child);
  const { tag, attrs, children } = child;
  if (tag === "sigil") return drawSigil(attrs);
  const isPicture = inPicture || tag === "svg";
  const node = isPicture ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value);
  node.append(...children.map((inner) => draw(inner, isPicture)));
  return node;
}

function drawSigil({ did = "", ...attrs }: Readonly<Record<string, string>>): Element {
  const svg = picture("svg", { viewBox: "0 0 64 64", "aria-hidden": "true", ...attrs });
  svg.append(picture("use", { href: `#${symbolOf(did as Did)}` }));
  return svg;
}

/** The id of an agent's drawing, which stands once in the page. */
function symbolOf(did: Did): string {
  const known = symbols.get(did);
  if (known !== undefined) return known;
  const id = `b${symbols.size}`;
  symbols.set(did, id);
  const { disc, line, lines, large, largeStars, small, smallStars } = sigilOf(did);
  const stroke = (d: string, color: string, width: number): Element =>
    picture("path", { d, stroke: color, "stroke-width": String(width) });
  const group = picture("g", { fill: "none", "stroke-linecap": "round" });
  group.append(stroke(lines, line, 2), stroke(smallStars, small, 8), stroke(largeStars, large, 10.5));
  const symbol = picture("symbol", { id, viewBox: "0 0 64 64" });
  symbol.append(picture("circle", { cx: "32", cy: "32", r: "32", fill: disc }), group);
  document.querySelector("svg.symbols")?.append(symbol);
  return id;
}

function picture(name: string, attrs: Readonly<Record<string, string>>): Element {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attrs)) node.setAttribute(key, value);
  return node;
}
