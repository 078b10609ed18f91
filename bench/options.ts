import { parseArgs } from "node:util";
import { sectionNames } from "./sections.ts";

/** What `npm run bench` was asked for. */
export interface Options {
  readonly only: readonly string[];
  readonly size: "quick" | "normal" | "full";
  readonly passes: number;
  readonly json: boolean;
  readonly out: string | undefined;
  readonly compare: string | undefined;
  /** A report to compare, in place of a run. */
  readonly with: string | undefined;
  readonly failOnRegression: boolean;
  readonly help: boolean;
}

/** Words that cannot be understood: exit 2. */
export class UsageError extends Error {}

export const usage: string = `npm run bench -- [--only NAME,…] [--quick | --full] [--passes N] [--json] [--out DIR|FILE.md|FILE.json]
                [--compare OLD.json [--with NEW.json] [--fail-on-regression]]

Measures everything in one run and prints one report as Markdown; the big sizes only with --full.

  --only NAME,…         some sections only: ${sectionNames.join(", ")}
  --quick               a look at whether all of it works, in under two minutes; its figures say little
  --full                the big sizes too: logs and graphs of a million
  --passes N            goes through all sections N times, 1 to 20 (2; 1 with --quick)
  --json                the report as JSON, rounds included, on standard output
  --out PATH            writes FILE.md, FILE.json, or both into a folder
  --compare OLD.json    prints beside it what a run before measured, and marks what moved beyond both spreads
  --with NEW.json       compares two reports that are there, and measures nothing
  --fail-on-regression  ends with 1 if something got worse beyond both spreads, or is measured no more

npm run bench -- --only proofs,policy --out bench.json
npm run bench -- --compare bench.json --fail-on-regression`;

/** @throws {UsageError} what is wrong with the words, and what would be right */
export function parseOptions(words: readonly string[]): Options {
  const { only, quick, full, passes, json, out, compare, with: against, ...more } = read(words);
  const names = only === undefined ? sectionNames : only.split(",");
  const unknown = names.filter((name) => !sectionNames.includes(name));
  if (unknown.length > 0)
    throw new UsageError(`no such section: ${unknown.join(", ")}; there are ${sectionNames.join(", ")}`);
  if (quick && full) throw new UsageError("--quick and --full are two; take one");
  if (against !== undefined && compare === undefined) throw new UsageError("--with NEW.json needs --compare OLD.json");
  const failOnRegression = more["fail-on-regression"];
  if (failOnRegression && compare === undefined) throw new UsageError("--fail-on-regression needs --compare OLD.json");
  const size = quick ? "quick" : full ? "full" : "normal";
  const count = passes === undefined ? (quick ? 1 : 2) : Number(passes);
  if (!Number.isInteger(count) || count < 1 || count > 20) throw new UsageError("--passes takes a number from 1 to 20");
  return { only: names, size, passes: count, json, out, compare, with: against, failOnRegression, help: more.help };
}

function read(words: readonly string[]) {
  try {
    const flag = { type: "boolean", default: false } as const;
    const text = { type: "string" } as const;
    return parseArgs({
      args: [...words],
      options: {
        only: text,
        quick: flag,
        full: flag,
        passes: text,
        json: flag,
        out: text,
        compare: text,
        with: text,
        "fail-on-regression": flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message.split("\n")[0]);
  }
}
