import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { AuditReader, exportLines, otlpLines } from "@peerage/mcp-middleware";
import type { Context } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { codeOf } from "../../files/safe-file.ts";
import { escaped, type Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/**
 * `peerage audit export`: the log as lines, to be verified elsewhere (`ndjson`) or taken in by a collector (`otlp`). To
 * stdout, or with `--out` into a new file that only its owner can read.
 */
export async function run(context: Context, { options }: Args): Promise<Result | number> {
  const format = options["format"] ?? "ndjson";
  if (format !== "ndjson" && format !== "otlp") throw usage("--format is ndjson or otlp", "--format otlp");
  using reader = new AuditReader(await findAuditFile(context, options));
  const lines = format === "ndjson" ? exportLines(reader) : otlpLines(reader);
  const out = options["out"];
  if (typeof out !== "string") {
    // A file or a program gets the bytes that were signed; a terminal nothing that it would obey.
    for (const line of lines)
      if (!context.io.stdout.write(`${context.ui.tty ? escaped(line) : line}\n`)) await drained(context);
    return 0;
  }
  const path = resolve(context.io.cwd, out);
  const written = await writeNew(path, lines);
  const { ui } = context;
  return {
    data: { path, format, lines: written, records: reader.size - (reader.base?.size ?? 0) },
    text: ui.facts([
      { mark: "ok", label: "written", value: `${count(written, "line")} to ${visible(path, 200)}` },
      ...(format === "ndjson" ? [{ label: "to check", value: `peerage audit verify ${visible(out, 200)}` }] : []),
    ]),
    plain: [[path, format, written]],
  };
}

function drained({ io }: Context): Promise<void> {
  return new Promise((resolve) => io.stdout.once("drain", resolve));
}

async function writeNew(path: string, lines: Iterable<string>): Promise<number> {
  const file = await open(path, "wx", 0o600).catch((error: unknown) => {
    const why = codeOf(error) === "EEXIST" ? "is there already" : `cannot be written (${codeOf(error) ?? "unknown"})`;
    throw new CliError("ERR_CONFIG_INVALID", `${visible(path, 200)} ${why}`, { hint: "--out <a new file>" });
  });
  try {
    let written = 0;
    for (const line of lines) {
      await file.write(`${line}\n`);
      written++;
    }
    await file.sync();
    return written;
  } finally {
    await file.close();
  }
}
