import { dryRun, passphraseFile } from "./flags.ts";
import type { CommandSpec, Flag } from "./spec.ts";

/** Of `init`, which `key new` is another name of. */
export const initFlags: readonly Flag[] = [
  ["--role <word>", "agent, server, person or organization (agent)"],
  ["--roots <registry>", "take the roots that the registry publishes: --roots registry"],
  ["--passphrase", "seal the key with a passphrase, and ask for it"],
  passphraseFile,
  dryRun,
];

/** Commands to start with. */
export const startCommands: readonly CommandSpec[] = [
  {
    path: "init",
    args: "[name]",
    text: "make an identity; join a registry if one is named",
    group: "start",
    front: 1,
    flags: initFlags,
    examples: ["peerage init build-bot", "peerage init build-bot --registry https://observatory.example"],
    load: () => import("../commands/init.ts"),
  },
  {
    path: "demo",
    text: "a whole network on this machine in half a minute",
    group: "start",
    front: 2,
    examples: ["peerage demo", "peerage demo --json"],
    load: () => import("../commands/demo.ts"),
  },
  {
    path: "doctor",
    text: "check Node, key, clock, registry, log and vouches",
    group: "start",
    front: 7,
    flags: [
      ["--fix", "mend what can be: each change is shown, asked, and can be undone"],
      ["--dry-run", "with --fix: show the changes, change nothing"],
      ["--via <url>", "also the way to a guard, its outermost URL first (repeatable)", { many: true }],
    ],
    examples: [
      "peerage doctor --fix",
      "peerage doctor --via https://gateway.example/mcp --via http://127.0.0.1:7070/mcp",
    ],
    load: () => import("../commands/doctor.ts"),
  },
  {
    path: "whoami",
    text: "who am I, and who vouches for me",
    group: "start",
    flags: [
      ["--share", "a message and a link with which to ask for a vouch"],
      ["-s, --scope <word>", "what the vouch is asked for"],
      ["--qr", "the link as a code to scan, off a terminal too"],
    ],
    examples: ["peerage whoami", "peerage whoami --share"],
    load: () => import("../commands/whoami.ts"),
  },
];
