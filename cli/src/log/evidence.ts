import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digest, type ForkEvidence, type JsonValue } from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { codeOf } from "../files/safe-file.ts";

/** Keeps proofs that a log contradicted itself, each in a file of its own that anyone can check: `peerage verify <file>`. */
export async function keepEvidence(
  context: Context,
  options: Options,
  evidence: readonly ForkEvidence[],
): Promise<string[]> {
  if (evidence.length === 0) return [];
  const given = options["evidence"];
  const folder = typeof given === "string" ? given : join(context.paths.state, "evidence");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return Promise.all(
    evidence.map(async (one) => {
      const path = join(folder, `fork-${digest(one as unknown as JsonValue).slice(7, 23)}.json`);
      await writeFile(path, `${JSON.stringify(one)}\n`, { flag: "wx" }).catch((error: unknown) => {
        // The same proof is kept already.
        if (codeOf(error) !== "EEXIST") throw error;
      });
      return path;
    }),
  );
}
