import { createLogger, type LogFormat, type Logger, type LogLevel, lineWriter } from "@peerage/registry";
import type { Context, Options } from "../context.ts";
import { usage } from "../errors.ts";

const formats: readonly LogFormat[] = ["json", "text"];
const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/**
 * What `--log` and `--log-level` ask for: one line an event on stderr. Undefined without them.
 * @throws {CliError} ERR_USAGE
 */
export function loggerOf(context: Context, options: Options, flag: "log" | "logFormat" = "log"): Logger | undefined {
  const given = options[flag];
  const level = options["logLevel"] ?? "info";
  const format = formats.find((one) => one === given);
  if (given !== undefined && !format) throw usage(`--${flag === "log" ? "log" : "log-format"} is json or text`);
  const known = levels.find((one) => one === level);
  if (!known) throw usage("--log-level is debug, info, warn or error");
  if (!format) {
    if (options["logLevel"] !== undefined) throw usage("--log-level goes with --log json or --log text");
    return undefined;
  }
  return createLogger({ format, level: known, now: context.io.now, write: lineWriter(context.io.stderr) });
}

/** Tells what has started: to people by facts, to a log by one line. */
export function announce(
  context: Context,
  logger: Logger | undefined,
  what: string,
  facts: Readonly<Record<string, string | number | boolean>>,
): void {
  if (logger) {
    logger.info(facts, `${what} started`);
    return;
  }
  const { err } = context;
  const [[, first] = ["", ""], ...rest] = Object.entries(facts);
  context.say(`  ${err.good(err.mark.on)} ${what.padEnd(10)} ${err.link(String(first))}`);
  for (const [label, value] of rest) context.say(`    ${label.padEnd(10)} ${value}`);
  context.say(`    ${err.dim("Ctrl-C stops it")}`);
}
