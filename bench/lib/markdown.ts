import type { Figure, Goal, Section, Unit } from "./figures.ts";
import type { Report } from "./report.ts";
import type { Summary } from "./stats.ts";

/** A report as Markdown. */
export function formatReport(report: Report): string {
  return [
    `# Peerage bench\n`,
    ...formatHead(report),
    ...report.sections.map((section) => formatSection(section, report.scale !== "quick")),
    "Each figure is the median of its rounds; between the brackets lie four fifths of them, or all where there are fewer " +
      "than ten. `bench/README.md` says what each figure means and what its limit is.",
  ].join("\n");
}

function formatHead({ machine, load, scale, passes, seconds, startedAt }: Report): string[] {
  const number = (value: number): string => value.toFixed(1);
  return [
    formatTable([
      ["machine", `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB`],
      ["kernel", machine.kernel],
      [
        "versions",
        `Node ${machine.node}, OpenSSL ${machine.openssl}, SQLite ${machine.sqlite}, PostgreSQL ${machine.postgres}`,
      ],
      ["commit", machine.commit],
      ["load", `${load.before.map(number).join(" ")} before, at most ${number(load.during)} during`],
      ["cores busy with other things", load.others.map(number).join(" ")],
      ["run", `${startedAt}, ${scale}, ${passes} ${passes === 1 ? "pass" : "passes"}, ${Math.round(seconds)} s`],
    ]),
    "",
  ];
}

/**
 * A section as Markdown: its title and a table.
 * @param judges - false where the figures are too rough to say whether a goal is met
 */
export function formatSection({ title, figures, seconds, failed }: Section, judges = true): string {
  const isReference = new Set(figures.flatMap(({ beside }) => beside ?? []));
  const rows = figures.map((figure) => [
    figure.what,
    formatSummary(figure, figure.unit),
    figure.beside === undefined
      ? isReference.has(figure.id)
        ? `reference: ${shortOf(figure.id)}`
        : ""
      : besideOf(figure),
    figure.goal === undefined
      ? ""
      : formatGoal(figure.goal, figure.unit) + (judges ? (figure.meets === true ? " ✓" : " ✗") : ""),
    figure.note ?? "",
  ]);
  const table = formatTable([["what", "median [spread]", "beside", "goal", "note"], ...rows]);
  return `\n## ${title}\n\n${table}\n\n${Math.round(seconds)} s\n${failed === undefined ? "" : `\n**Not measured to its end:** ${failed}\n`}`;
}

function besideOf({ beside = "", ratio, added, unit, goal }: Figure): string {
  if (!ratio || !added) return "";
  const times = `${formatSummary(ratio, "x")} ${shortOf(beside)}`;
  return goal?.of === "added" ? `+${formatSummary(added, unit)}, ${times}` : times;
}

/** An id without its section. */
function shortOf(id: string): string {
  return id.slice(id.indexOf("/") + 1);
}

/** `12,345/s [12,001–12,690]`. */
export function formatSummary({ median, low, high }: Summary, unit: Unit): string {
  return `${formatValue(median, unit)} [${formatNumber(low, median)}–${formatNumber(high, median)}]`;
}

/** `12,345/s`, `0.42 ms`, `0.87 ×`. */
export function formatValue(value: number, unit: Unit): string {
  return `${formatNumber(value, value)}${unit === "/s" ? "" : " "}${unit === "x" ? "×" : unit}`;
}

/** With as many digits as another number of the same row needs. */
function formatNumber(value: number, like: number): string {
  const size = Math.abs(like);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 3 : 5;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function formatGoal({ of, atLeast, atMost }: Goal, unit: Unit): string {
  const own: Unit = of === "ratio" ? "x" : unit;
  const bare = (value: number): string =>
    `${value.toLocaleString("en-US")}${own === "/s" ? "" : " "}${own === "x" ? "×" : own}`;
  const sign = of === "added" ? "+" : "";
  return [
    ...(atLeast === undefined ? [] : [`≥ ${sign}${bare(atLeast)}`]),
    ...(atMost === undefined ? [] : [`≤ ${sign}${bare(atMost)}`]),
  ].join(", ");
}

/** A Markdown table, whose columns line up in a terminal as well. The first row is the head. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const safe = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")));
  const widths = (safe[0] ?? []).map((_, column) => Math.max(3, ...safe.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell + " ".repeat(widths[i]! - cell.length)).join(" | ")} |`;
  const [head = [], ...body] = safe;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body.map(line)].join("\n");
}
