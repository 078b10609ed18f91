/** The key of an agent of this example, kept in a file of its own that only its owner can read. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fromHex, generateSeed, type Identity, identityFromSeed, toHex } from "@peerage/core";

/** Opens the key in a file, which is made if it is not there. */
export function agentKey(path: string): Identity {
  if (!existsSync(path)) writeFileSync(path, toHex(generateSeed()), { mode: 0o600, flag: "wx" });
  return identityFromSeed(fromHex(readFileSync(path, "utf8")));
}
