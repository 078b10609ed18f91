import { dryRun, maxAge, passphraseFile, root, scope } from "./flags.ts";
import type { CommandSpec } from "./spec.ts";

/** Commands that speak with other systems of agents. */
export const bridgeCommands: readonly CommandSpec[] = [
  {
    path: "export a2a",
    args: "[agent]",
    text: "an A2A agent card that shows who stands for an agent, signed by me",
    group: "trust",
    flags: [
      ["--self", "of the identity in use"],
      ["--card <file>", "the card it has already, to which the vouches are added"],
      ["--url <url>", "where it answers A2A, for a new card"],
      ["--binding <word>", "how: JSONRPC, GRPC or HTTP+JSON (JSONRPC)"],
      ["--name <text>", "its name (the one it chose, else mine for it)"],
      ["--description <text>", "what it is, in a sentence"],
      ["--card-version <text>", "the version of the agent (1.0.0)"],
      scope,
      root,
      ["--present <file>", "show these vouches, as vouch --out writes them (repeatable)", { many: true }],
      maxAge,
      ["--out <file>", "write it to a file, to be served at /.well-known/agent-card.json"],
      passphraseFile,
      dryRun,
    ],
    examples: [
      "peerage export a2a --self --url https://agent.example/a2a --out agent-card.json",
      "peerage export a2a --self --card my-card.json --scope code",
    ],
    load: () => import("../commands/export-a2a.ts"),
  },
  {
    path: "import aip",
    args: "[file|url]",
    text: "agents and vouches of AIP, as names and claims; alone: what was imported",
    group: "trust",
    flags: [["--no-names", "keep what they say, and take none of their names"], dryRun],
    examples: ["peerage import aip certificate.json --yes", "peerage import aip identity.json --dry-run"],
    load: () => import("../commands/import-aip.ts"),
  },
];
