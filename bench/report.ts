import { cpus, loadavg, totalmem } from "node:os";

/** One measured figure. */
export interface Row {
  readonly what: string;
  /** Already formatted, unit included. */
  readonly value: string;
  /** Beside a reference measured in the same run, e.g. "0.93 × raw crypto.verify". */
  readonly ratio?: string;
  /** The goal that the design names, if there is one. */
  readonly goal?: string;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** Median of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which a share of some numbers lies; 0.5 is the median. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** Calls a second: `rounds` runs of at least `ms` milliseconds each, median and spread (largest − smallest) / median. */
export function rate(action: () => void, { rounds = 5, ms = 200 } = {}): { perSecond: number; spread: number } {
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    let calls = 0;
    while (performance.now() - start < ms) {
      for (let i = 0; i < 16; i++) action();
      calls += 16;
    }
    rates.push((calls * 1000) / (performance.now() - start));
  }
  const middle = median(rates);
  return { perSecond: middle, spread: (Math.max(...rates) - Math.min(...rates)) / middle };
}

/** 12,345/s ± 3 %. */
export function perSecond({ perSecond: value, spread }: { perSecond: number; spread: number }): string {
  return `${Math.round(value).toLocaleString("en-US")}/s ± ${Math.round(spread * 50)} %`;
}

/** Machine, load and versions: a figure without them means nothing. */
export function machine(): string {
  const [first] = cpus();
  const load = loadavg().map((value) => value.toFixed(1));
  return [
    `${cpus().length} × ${first?.model.trim() ?? "unknown CPU"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Node ${process.version} on ${process.platform} ${process.arch}`,
    `load ${load.join(" ")}`,
  ].join(" · ");
}

/** Prints a section as a Markdown table. */
export function printSection({ title, rows }: Section): void {
  console.log(`\n### ${title}\n`);
  const cells = [
    ["what", "measured", "beside", "goal"],
    ...rows.map((r) => [r.what, r.value, r.ratio ?? "", r.goal ?? ""]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  console.log(line(cells[0]!));
  console.log(`| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  for (const row of cells.slice(1)) console.log(line(row));
}
