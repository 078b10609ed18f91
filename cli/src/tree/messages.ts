import { dryRun, maxAge, passphraseFile, root, scope } from "./flags.ts";
import type { CommandSpec } from "./spec.ts";

/** Commands about messages between agents. */
export const messageCommands: readonly CommandSpec[] = [
  {
    path: "send",
    args: "<agent> [text]",
    text: "a message that only this agent can open, signed inside; - reads stdin",
    group: "sign and check",
    flags: [
      ["--file <path>", "send a file's bytes, at most 60 KiB"],
      ["--for <duration>", "how long it may be read for the first time: 15m, 24h (30d)"],
      maxAge,
      passphraseFile,
      dryRun,
    ],
    examples: ["peerage send lantern hello", "peerage send lantern --file report.json --for 24h"],
    load: () => import("../commands/send.ts"),
  },
  {
    path: "inbox list",
    text: "fetch what others sealed to me; whom my roots trust stands first",
    group: "sign and check",
    byDefault: true,
    flags: [
      ["--keep", "leave the messages at the registry too, for my other machines"],
      ["--follow", "go on, and show what is new"],
      ["--every <duration>", "with --follow: how often to ask (10s)"],
      scope,
      root,
      maxAge,
      passphraseFile,
    ],
    examples: ["peerage inbox", "peerage inbox list --keep --scope code"],
    load: () => import("../commands/inbox.ts").then(({ list }) => ({ run: list })),
  },
  {
    path: "inbox read",
    args: "<id>",
    text: "one message: who wrote it, when, and what",
    group: "sign and check",
    flags: [["--out <file>", "write the exact bytes to a new file"], scope, root, maxAge, passphraseFile],
    examples: ["peerage inbox read 1f3a9c02", "peerage inbox read 1f3a9c02 --out report.json"],
    load: () => import("../commands/inbox.ts").then(({ read }) => ({ run: read })),
  },
  {
    path: "inbox remove",
    args: "<id>",
    text: "take a message away from this machine",
    group: "sign and check",
    flags: [dryRun],
    examples: ["peerage inbox remove 1f3a9c02", "peerage inbox remove 1f3a9c02 --dry-run"],
    load: () => import("../commands/inbox.ts").then(({ remove }) => ({ run: remove })),
  },
];
