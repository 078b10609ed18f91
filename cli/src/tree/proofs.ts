import { dryRun, passphraseFile } from "./flags.ts";
import type { CommandSpec, Flag } from "./spec.ts";

const flags: readonly Flag[] = [
  ["--out <file>", "write it into this file, beside the proofs of others in it"],
  ["--list", "name the place in my profile, once the file is published"],
  ["--unlist", "take it out of my profile"],
  passphraseFile,
  dryRun,
];

/** Commands about places on the web, and whose they are. */
export const proofCommands: readonly CommandSpec[] = [
  {
    path: "prove domain",
    args: "<domain>",
    text: "the signed file by which a domain says that it is mine",
    group: "sign and check",
    flags,
    examples: [
      "peerage prove domain example.org --out public/.well-known/peerage.json",
      "peerage prove domain example.org --list",
    ],
    load: () => import("../commands/prove.ts").then(({ domain }) => ({ run: domain })),
  },
  {
    path: "prove repository",
    args: "<repository>",
    text: "the same for a repository on GitHub, GitLab or Codeberg",
    group: "sign and check",
    flags,
    examples: [
      "peerage prove repository github.com/owner/name --out peerage-proof.json",
      "peerage prove repository github.com/owner/name --list",
    ],
    load: () => import("../commands/prove.ts").then(({ repository }) => ({ run: repository })),
  },
];
