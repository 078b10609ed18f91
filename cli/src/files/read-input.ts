import { readFile } from "node:fs/promises";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { visible } from "../ui/visible.ts";
import { codeOf } from "./safe-file.ts";

/**
 * Reads a file that the user named, or with `-` what comes on stdin.
 * @throws {CliError} ERR_NOT_FOUND, ERR_USAGE if it cannot be read or is longer than `maxBytes`
 */
export async function readInput(context: Context, path: string, maxBytes: number): Promise<Uint8Array> {
  if (path === "-") {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of context.io.stdin) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > maxBytes) throw usage(`that is larger than ${maxBytes} bytes`);
      chunks.push(bytes);
    }
    return Buffer.concat(chunks);
  }
  try {
    const bytes = await readFile(path);
    if (bytes.length > maxBytes) throw usage(`${visible(path, 200)} is larger than ${maxBytes} bytes`);
    return bytes;
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (codeOf(error) === "ENOENT") throw new CliError("ERR_NOT_FOUND", `there is no file ${visible(path, 200)}`);
    throw new CliError("ERR_USAGE", `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`);
  }
}
