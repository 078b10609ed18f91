import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const types = {
  "style.css": "text/css; charset=utf-8",
  "sky.css": "text/css; charset=utf-8",
  "map.css": "text/css; charset=utf-8",
  "console.css": "text/css; charset=utf-8",
  "site.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const;

/** A file that every page links: style sheet, script or icon. */
export type AssetName = keyof typeof types;

/** A part of the site that runs in browsers and is loaded where it is used. */
export type IslandName = "verify" | "map" | "try" | "simulate" | "cel" | "console";

interface Asset {
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

const assets = new Map<string, Asset>();
const paths = new Map<AssetName, string>();
const islands = new Map<string, string>();
for (const name of Object.keys(types) as AssetName[]) {
  put(name, readFileSync(new URL(`../../static/${name}`, import.meta.url), "utf8"));
}
joinStyles(Object.fromEntries([...paths].map(([name, path]) => [name, assets.get(path)?.body ?? ""])));
loadIslands();

/** The address of an asset. It holds a hash of the contents, so it may be kept for ever. */
export function assetPath(name: AssetName): string {
  return paths.get(name) ?? "";
}

/** The address of an island; undefined where none were built, and then pages do without. */
export function islandPath(name: IslandName): string | undefined {
  return islands.get(name);
}

/** The asset at an address, if there is one. */
export function assetAt(path: string): Asset | undefined {
  return assets.get(path);
}

/** Reads what `scripts/build-islands.ts` built. Called again when a site is made, as it may have been built since. */
export function loadIslands(): void {
  const folder = new URL("../../assets/", import.meta.url);
  const read = (name: string): string => readFileSync(new URL(name, folder), "utf8");
  let built: { entries: [name: string, file: string, body: string][]; pages: [name: AssetName, body: string][] };
  try {
    const manifest = JSON.parse(read("manifest.json")) as Record<"entries" | "pages", Record<string, string>>;
    built = {
      entries: Object.entries(manifest.entries).map(([name, file]) => [name, file, read(file)]),
      pages: Object.entries(manifest.pages).map(([name, file]) => [name as AssetName, read(file)]),
    };
  } catch {
    return; // nothing was built, or by another version: pages do without
  }
  for (const [name, file, body] of built.entries) {
    const path = `/assets/islands/${file}`;
    if (!assets.has(path)) assets.set(path, { path, type: types["site.js"], body });
    islands.set(name, path);
  }
  // The same files as in `static`, minified.
  for (const [name, body] of built.pages) put(name, body);
  joinStyles(Object.fromEntries(built.pages));
}

/** A page links one style sheet: that of every page, above it what draws the network, below it what the page has alone. */
function joinStyles(bodies: Readonly<Partial<Record<AssetName, string>>>): void {
  const joined: readonly (readonly [AssetName, readonly AssetName[]])[] = [
    ["sky.css", ["sky.css", "style.css"]],
    ["map.css", ["sky.css", "style.css", "map.css"]],
    ["console.css", ["style.css", "console.css"]],
  ];
  for (const [name, parts] of joined) {
    const texts = parts.map((part) => bodies[part]);
    if (texts.every((text) => text !== undefined)) put(name, texts.join("\n"));
  }
}

function put(name: AssetName, body: string): void {
  const hash = createHash("sha256").update(body).digest("hex").slice(0, 12);
  const path = `/assets/${hash}/${name}`;
  assets.set(path, { path, type: types[name], body });
  paths.set(name, path);
}
