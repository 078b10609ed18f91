import type { Section } from "./figures.ts";
import type { Load, Machine } from "./machine.ts";

/** The version of {@link Report}; raised when a file of before cannot be read as one of now. */
export const REPORT_VERSION = 1;

/** Everything that one run measured: what `--json` prints, and `--compare` reads. */
export interface Report {
  readonly version: typeof REPORT_VERSION;
  readonly startedAt: string;
  readonly seconds: number;
  readonly scale: "quick" | "normal" | "full";
  readonly passes: number;
  readonly machine: Machine;
  readonly load: Load;
  readonly sections: readonly Section[];
}

/**
 * Reads a report that was written before.
 * @throws {RangeError} if the text is none, or one of another version
 */
export function parseReport(text: string): Report {
  let value: (Partial<Omit<Report, "version">> & { readonly version?: unknown }) | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    throw new RangeError("it is not JSON");
  }
  if (typeof value !== "object" || value === null || !("version" in value))
    throw new RangeError("it is no bench report");
  if (value.version !== REPORT_VERSION) throw new RangeError(`it is a report of version ${String(value.version)}`);
  const figures = Array.isArray(value.sections) ? value.sections.flatMap((section: Section) => section.figures) : [];
  const isWhole = figures.every(
    ({ id, median, low, high }) => typeof id === "string" && low <= median && median <= high,
  );
  if (figures.length === 0 || !isWhole) throw new RangeError("its figures are not whole");
  return value as Report;
}
