import { type Did, sha256, utf8 } from "@peerage/core";

/** The drawing of an agent's sigil: path data in a square of 64, and colours. */
export interface Sigil {
  /** Fill of the disc. */
  readonly disc: string;
  /** Colour of the lines, and of the larger and the smaller stars. */
  readonly line: string;
  readonly large: string;
  readonly small: string;
  readonly lines: string;
  readonly largeStars: string;
  readonly smallStars: string;
}

interface Star {
  readonly x: number;
  readonly y: number;
}

/** SHA-256 of the DID as six stars joined to a constellation, in two hues. The same DID always gives the same drawing. */
export function sigilOf(did: Did): Sigil {
  const hash = sha256(utf8(did));
  const byte = (i: number): number => hash[i] ?? 0;
  const turn = (byte(0) / 256) * Math.PI * 2;
  const stars = Array.from({ length: 6 }, (_, i): Star => {
    const angle = turn + ((i + (byte(i + 1) / 255 - 0.5) * 0.62) * Math.PI) / 3;
    const radius = (i % 2 === 0 ? 20 : 11) + (byte(i + 7) / 255 - 0.5) * 9;
    return { x: Math.round(32 + Math.cos(angle) * radius), y: Math.round(32 + Math.sin(angle) * radius) };
  });
  const large = stars.filter((_, i) => i < 2 || byte(i + 13) < 70);
  const hue = (byte(20) / 256) * 360;
  const other = hue + 50 + (byte(21) / 256) * 180;
  return {
    disc: oklch(0.31, 0.075, hue),
    line: oklch(0.72, 0.06, hue),
    large: oklch(0.92, 0.06, hue),
    small: oklch(0.83, 0.13, other),
    lines: spanningTree(stars)
      .map(([a, b]) => `M${a.x} ${a.y}L${b.x} ${b.y}`)
      .join(""),
    largeStars: dots(large),
    smallStars: dots(stars.filter((star) => !large.includes(star))),
  };
}

/** Stars are points with a round, thick stroke: two attributes instead of a circle each. */
function dots(stars: readonly Star[]): string {
  return stars.map(({ x, y }) => `M${x} ${y}h0`).join("");
}

/** The shortest lines that join all stars; they never cross. */
function spanningTree([first, ...rest]: readonly Star[]): [Star, Star][] {
  const joined = first ? [first] : [];
  const lines: [Star, Star][] = [];
  while (rest.length > 0) {
    let best: { from: Star; to: Star; length: number } | undefined;
    for (const from of joined) {
      for (const to of rest) {
        const length = (from.x - to.x) ** 2 + (from.y - to.y) ** 2;
        if (!best || length < best.length) best = { from, to, length };
      }
    }
    if (!best) break;
    lines.push([best.from, best.to]);
    joined.push(best.to);
    rest.splice(rest.indexOf(best.to), 1);
  }
  return lines;
}

/** An OKLCH colour as sRGB hex, clipped: also understood where `oklch()` is not. */
function oklch(lightness: number, chroma: number, hue: number): string {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const hex = linear.map((value) => {
    const v = Math.min(1, Math.max(0, value));
    const encoded = v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055;
    return Math.round(encoded * 255)
      .toString(16)
      .padStart(2, "0");
  });
  return `#${hex.join("")}`;
}
