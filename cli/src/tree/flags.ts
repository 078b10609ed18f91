import type { Flag } from "./spec.ts";

export const scope: Flag = ["-s, --scope <word>", "what the trust is for (tools)"];
export const dryRun: Flag = ["--dry-run", "print the exact bytes, change nothing"];
export const passphraseFile: Flag = ["--passphrase-file <path>", "read the key's passphrase from a file or /dev/fd/N"];
export const root: Flag = ["--root <agent>", "start trust from here instead (repeatable)", { many: true }];
export const maxAge: Flag = ["--max-age <seconds>", "how old the log may be (86400)"];
export const policy: Flag = ["--policy <file>", "the deny-by-default policy"];
export const also: Flag = [
  "--also <name=where>",
  "an adapter that the policy names: a .cedar file or an OPA's URL (repeatable)",
  { many: true },
];

export const audit: Flag = ["--audit <file>", "the guard's audit log, if it is kept elsewhere"];
export const state: Flag = ["--state <folder>", "where the guard keeps audit, approvals and used proofs"];

/** Flags that every command takes. */
export const globalFlags: readonly Flag[] = [
  ["--json", "one line of JSON"],
  ["--plain", "tab-separated lines"],
  ["--registry <url>", "the registry to use"],
  ["--identity <name>", "the identity to use"],
  ["--as <agent>", "see trust with another's eyes"],
  ["--no-input", "never ask, fail instead"],
  ["-y, --yes", "answer questions with yes"],
  ["-q, --quiet", "no messages"],
  ["-v, --verbose", "say more"],
];
