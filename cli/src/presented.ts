import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type JsonObject, PeerageError, verifyVouchNow } from "@peerage/core";
import { MAX_PRESENTED_BYTES, MAX_PRESENTED_VOUCHES } from "@peerage/mcp-middleware";
import type { Context, Options } from "./context.ts";
import { CliError, usage } from "./errors.ts";
import { codeOf } from "./files/safe-file.ts";
import { visible } from "./ui/visible.ts";

/**
 * The vouches of `--present`: files as `peerage vouch --out` writes them, or several of them in one, a line each. Each is
 * verified before it is sent anywhere.
 * @throws {CliError} ERR_NOT_FOUND, ERR_USAGE, or ERR_STATEMENT_INVALID with the file's name
 */
export async function presentedVouches(context: Context, options: Options): Promise<readonly JsonObject[]> {
  const paths = (options["present"] as string[] | undefined) ?? [];
  const found = new Map<string, { document: JsonObject; bytes: number }>();
  for (const path of paths) {
    for (const line of await linesOf(resolve(context.io.cwd, path))) {
      const vouch = verified(line, path);
      found.set(vouch.id, { document: vouch.document, bytes: vouch.bytes.length });
      if (vouch.validUntil * 1000 <= context.io.now().getTime())
        context.warn(`${visible(path, 200)}: the vouch of ${vouch.issuer} has expired`);
    }
  }
  const vouches = [...found.values()];
  const bytes = vouches.reduce((sum, one) => sum + one.bytes, 0);
  if (vouches.length > MAX_PRESENTED_VOUCHES || bytes > MAX_PRESENTED_BYTES)
    throw usage(
      `at most ${MAX_PRESENTED_VOUCHES} vouches are presented, of ${MAX_PRESENTED_BYTES / 1024} KiB together`,
    );
  return vouches.map(({ document }) => document);
}

function verified(line: string, path: string): ReturnType<typeof verifyVouchNow> {
  try {
    return verifyVouchNow(line);
  } catch (error) {
    if (!(error instanceof PeerageError)) throw error;
    throw new CliError(error.code, `${visible(path, 200)} holds something else than vouches: ${error.message}`);
  }
}

async function linesOf(path: string): Promise<string[]> {
  try {
    return (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
  } catch (error) {
    const why =
      codeOf(error) === "ENOENT"
        ? `there is no file ${visible(path, 200)}`
        : `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`;
    throw new CliError("ERR_NOT_FOUND", why, {
      hint: "whoever vouches writes one: peerage vouch <agent> --out <file>",
    });
  }
}
