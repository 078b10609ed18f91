import { usage } from "../errors.ts";

/** The value of `--every`: how often a log is looked at, in seconds. @throws {CliError} ERR_USAGE */
export function everySeconds(value: unknown, byDefault: number): number {
  const number =
    value === undefined ? byDefault : typeof value === "string" && /^\d{1,5}(\.\d)?$/.test(value) ? Number(value) : NaN;
  if (!(number >= 0.1 && number <= 86_400)) throw usage("--every is a number of seconds from 0.1 to 86400");
  return number;
}
