import { passphraseFile } from "./flags.ts";
import type { CommandSpec, Flag } from "./spec.ts";

const socket: Flag = ["--socket <path>", "where it listens (agent.sock of this user)"];

/** Commands about the process that holds a key and signs for others of this user. */
export const agentCommands: readonly CommandSpec[] = [
  {
    path: "agent run",
    text: "hold the key and sign over a Unix socket, within rules",
    group: "mcp",
    byDefault: true,
    flags: [
      socket,
      ["--allow <kind>", "calls, entries, receipts, approvals, checkpoints, statements or messages", { many: true }],
      ["--audience <agent>", "sign for this DID or URL alone (repeatable; any)", { many: true }],
      ["--confirm", "ask on this terminal before each signature"],
      ["--idle <time>", "lock after so long without a signature (15m if the key is sealed)"],
      passphraseFile,
    ],
    examples: ["peerage agent", "peerage agent --allow calls --audience https://tools.example/mcp --idle 5m"],
    load: () => import("../commands/agent/run.ts"),
  },
  {
    path: "agent status",
    text: "what the agent holds, what it signs and whether it is locked",
    group: "mcp",
    flags: [socket],
    examples: ["peerage agent status", "peerage agent status --json"],
    load: () => import("../commands/agent/status.ts"),
  },
  {
    path: "agent lock",
    text: "let go of the key until it is unlocked",
    group: "mcp",
    flags: [socket],
    examples: ["peerage agent lock", "peerage agent lock --socket /run/user/1000/peerage/agent.sock"],
    load: () => import("../commands/agent/lock.ts"),
  },
  {
    path: "agent unlock",
    text: "give the agent the passphrase of its key again",
    group: "mcp",
    flags: [socket, passphraseFile],
    examples: ["peerage agent unlock", "peerage agent unlock --passphrase-file ~/phrase"],
    load: () => import("../commands/agent/unlock.ts"),
  },
];
