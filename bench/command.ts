import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Comparison, compareReports, formatComparison, hasRegression } from "./lib/compare.ts";
import { formatReport } from "./lib/markdown.ts";
import { parseReport, type Report } from "./lib/report.ts";
import { type Options, parseOptions, usage, UsageError } from "./options.ts";
import { measureAll } from "./run.ts";

/** Where a command writes. */
export interface Output {
  readonly out: (text: string) => void;
  readonly problem: (text: string) => void;
}

/**
 * `npm run bench`, by its words.
 * @returns the exit code: 1 if a section could not be measured, or something got worse and that was asked; 2 for words that
 * cannot be understood
 */
export async function benchCommand(words: readonly string[], output: Output): Promise<number> {
  try {
    return await run(parseOptions(words), output);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    output.problem(`${error.message}\n\nhow to: npm run bench -- --help\n`);
    return 2;
  }
}

async function run(options: Options, { out: print, problem }: Output): Promise<number> {
  if (options.help) {
    print(`${usage}\n`);
    return 0;
  }
  // Before minutes are spent on measuring.
  const old = options.compare === undefined ? undefined : readReport(options.compare);
  const out = options.out === undefined ? undefined : outOf(options.out);
  const report =
    options.with === undefined ? await measureAll(options, (what) => problem(`${what}\n`)) : readReport(options.with);
  const comparison = old && compareReports(old, report);
  const markdown = formatReport(report) + (comparison ? `\n${formatComparison(comparison)}` : "") + "\n";
  const json = `${JSON.stringify(comparison ? { ...report, comparison: withoutFigures(comparison) } : report)}\n`;
  if (out?.json !== undefined) writeFileSync(out.json, json);
  if (out?.markdown !== undefined) writeFileSync(out.markdown, markdown);
  print(
    options.json ? json : options.with !== undefined && comparison ? formatComparison(comparison) + "\n" : markdown,
  );
  const isIncomplete = report.sections.some(({ failed }) => failed !== undefined);
  const isWorse = options.failOnRegression && comparison !== undefined && hasRegression(comparison);
  return isIncomplete || isWorse ? 1 : 0;
}

function readReport(path: string): Report {
  try {
    return parseReport(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(
      `${path} cannot be compared: ${(error as Error).message}; make one with npm run bench -- --out ${path}`,
    );
  }
}

/** Where to write. A path that ends in neither .md nor .json is a folder. */
function outOf(path: string): { markdown?: string; json?: string } {
  const isFile = /\.(md|json)$/.test(path);
  const folder = isFile ? dirname(path) : path;
  if (existsSync(folder) && !statSync(folder).isDirectory()) throw new UsageError(`${folder} is no folder`);
  mkdirSync(folder, { recursive: true });
  if (path.endsWith(".md")) return { markdown: path };
  return path.endsWith(".json") ? { json: path } : { markdown: join(path, "bench.md"), json: join(path, "bench.json") };
}

/** The figures themselves are in the two reports. */
function withoutFigures({ changes, ...rest }: Comparison): object {
  return { ...rest, changes: changes.map(({ id, factor, verdict }) => ({ id, factor, verdict })) };
}
