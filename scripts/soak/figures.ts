import { median } from "../../bench/lib/stats.ts";

/** A straight line through points by least squares. */
export interface Slope {
  /** Units of y a unit of x. */
  readonly perUnit: number;
  /** Its standard error; Infinity below three points. */
  readonly error: number;
}

/** The least-squares slope of y over x with its standard error. */
export function slopeOf(points: readonly { readonly x: number; readonly y: number }[]): Slope {
  const n = points.length;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / n;
  const [mx, my] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))];
  const sxx = points.reduce((sum, { x }) => sum + (x - mx) ** 2, 0);
  const sxy = points.reduce((sum, { x, y }) => sum + (x - mx) * (y - my), 0);
  if (n < 2 || sxx === 0) return { perUnit: 0, error: Infinity };
  const perUnit = sxy / sxx;
  const rest = points.reduce((sum, { x, y }) => sum + (y - my - perUnit * (x - mx)) ** 2, 0);
  return { perUnit, error: n < 3 ? Infinity : Math.sqrt(rest / (n - 2) / sxx) };
}

/** How far the last third lies from the first third, by their medians. */
export function driftOf(values: readonly number[]): { readonly first: number; readonly last: number } {
  const third = Math.max(1, Math.floor(values.length / 3));
  return { first: median(values.slice(0, third)), last: median(values.slice(-third)) };
}

/** A table of text with aligned columns. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  return [line(head), ...rows.map(line)].join("\n");
}
