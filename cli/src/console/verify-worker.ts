import { parentPort } from "node:worker_threads";
import { verifyAudit } from "@peerage/mcp-middleware";
import type { Verified } from "./verifier.ts";

/** Verifies one audit log after another. */
parentPort?.on("message", ({ id, path }: { id: number; path: string }) => {
  const answer = (said: Verified): void => parentPort?.postMessage(said);
  verifyAudit(path).then(
    (report) => answer({ id, report }),
    (error: unknown) => answer({ id, problem: error instanceof Error ? error.message : String(error) }),
  );
});
