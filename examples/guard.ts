/** The guard of every example here, before it is told its URL. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fromHex, generateSeed, identityFromSeed, parsePolicy, toHex } from "@peerage/core";
import { createGuard, type Guard, SqliteReplayStore } from "@peerage/mcp-middleware";

/**
 * GUARD_HOME is the folder with the guard's key and its memory of used proofs, made at the first start. Both outlive the
 * process: clients that reach a guard over stdio sign for its DID, and may do so before it has started. GUARD_POLICY says
 * who may do what; without it everybody who signs may call every tool.
 */
export async function exampleGuard(): Promise<Guard> {
  const home = process.env["GUARD_HOME"] ?? join(homedir(), ".guard-example");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const key = join(home, "key");
  if (!existsSync(key)) writeFileSync(key, toHex(generateSeed()), { mode: 0o600, flag: "wx" });
  const policy = process.env["GUARD_POLICY"] ?? new URL("policy/open-demo.yaml", import.meta.url);
  return createGuard({
    identity: identityFromSeed(fromHex(readFileSync(key, "utf8"))),
    policy: parsePolicy(readFileSync(policy, "utf8")),
    replay: new SqliteReplayStore(join(home, "replay.db")),
  });
}
