import { once } from "node:events";
import pino from "pino";

/** What a registry tells its operator while it runs. No network address is ever in it, and no content of a request. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** For machines, or for people. */
export type LogFormat = "json" | "text";
/** The least important line that is written. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** A logger that keeps silent. */
export const silentLogger: Logger = pino({ level: "silent" });

/**
 * A logger that writes one line an event: JSON (pino) for machines, `time level message name=value` for people.
 * @param write takes each line, its line feed included
 */
export function createLogger(options: {
  readonly format: LogFormat;
  readonly level?: LogLevel;
  readonly write: (line: string) => void;
  readonly now?: () => Date;
}): Logger {
  const { format, level = "info", write, now = () => new Date() } = options;
  const stream = { write: format === "json" ? write : (line: string) => write(textOf(line)) };
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${now().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    stream,
  );
}

/** Writes lines to a stream for as long as it takes them; a full pipe must not fill the memory. */
export function lineWriter(
  out: NodeJS.WritableStream & { readonly writableLength?: number },
  most: number = 1_000_000,
): (line: string) => void {
  let lost = 0;
  return (line) => {
    if ((out.writableLength ?? 0) > most) {
      lost++;
      if (lost === 1) void once(out, "drain").then(() => (lost = 0));
      return;
    }
    out.write(line);
  };
}

/** A line of the JSON log as people read it. Values are JSON, so no text in them can look like another line. */
function textOf(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${wordOf(value)}`);
  return `${[String(time), String(level).padEnd(5), String(msg), ...rest].join(" ")}\n`;
}

function wordOf(value: unknown): string {
  if (typeof value === "string" && /^[A-Za-z0-9_.:/{}-]+$/.test(value)) return value;
  const failure = value as { message?: unknown; stack?: unknown } | null;
  if (typeof failure === "object" && typeof failure?.stack === "string") return JSON.stringify(failure.stack);
  return JSON.stringify(value);
}
