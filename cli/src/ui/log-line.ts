import type { Terminal } from "./terminal.ts";

/**
 * A line of a list that grows: its columns have fixed widths, so that lines which come one by one agree. On a terminal of
 * less than 80 columns what explains it stands below.
 * @param head - time, verdict, who, what
 * @param tail - what explains it; the last of it wraps
 */
export function logLine(ui: Terminal, head: readonly string[], tail: readonly string[]): string[] {
  const name = ui.columns < 100 ? 14 : 20;
  const padded = head.map((cell, i) => ui.pad(cell, [8, 8, name, name][i] ?? 0));
  if (ui.columns >= 80) return ui.table([[...padded, ...tail]]);
  const below = tail.filter((cell) => cell !== "");
  return [...ui.table([padded]), ...(below.length === 0 ? [] : ui.table([below], 12))];
}
