import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const types = {
  "style.css": "text/css; charset=utf-8",
  "site.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const;

/** A file that pages link: style sheet, script or icon. */
export type AssetName = keyof typeof types;

interface Asset {
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

const assets = new Map<string, Asset>();
const paths = new Map<AssetName, string>();
for (const [name, type] of Object.entries(types) as [AssetName, string][]) {
  const body = readFileSync(new URL(`../../static/${name}`, import.meta.url), "utf8");
  const hash = createHash("sha256").update(body).digest("hex").slice(0, 12);
  const path = `/assets/${hash}/${name}`;
  assets.set(path, { path, type, body });
  paths.set(name, path);
}

/** The address of an asset. It holds a hash of the contents, so it may be kept for ever. */
export function assetPath(name: AssetName): string {
  return paths.get(name) ?? "";
}

/** The asset at an address, if there is one. */
export function assetAt(path: string): Asset | undefined {
  return assets.get(path);
}

/** One short word that changes with any asset. */
export const assetsVersion: string = createHash("sha256")
  .update([...assets.keys()].join())
  .digest("hex")
  .slice(0, 8);
