import type { Links } from "./links.ts";
import type { AgentRef } from "./page.ts";
import type { Seen } from "./seen.ts";
import { Sigils } from "./ui/sigils.ts";

/** What every page has around it: links that keep the viewpoint, the head it speaks of, and the sigils it used. */
export class Frame extends Sigils {
  readonly links: Links;
  readonly seen: Seen;
  readonly roots: readonly AgentRef[];
  readonly path: string;
  readonly query: URLSearchParams;
  readonly registryUrl: string;
  readonly banner: string | undefined;

  constructor(options: {
    links: Links;
    seen: Seen;
    roots: readonly AgentRef[];
    path: string;
    query: URLSearchParams;
    registryUrl: string;
    banner: string | undefined;
  }) {
    super();
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
}

/** From whom something is seen, in words. */
export function viewpointText(kind: "published" | "agent" | "none", roots: readonly AgentRef[]): string {
  if (kind === "none") return "nobody yet";
  if (kind === "published") return roots.length === 1 ? "1 root" : `${roots.length} roots`;
  return "one agent";
}
