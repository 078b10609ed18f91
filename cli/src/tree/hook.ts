import { passphraseFile, policy } from "./flags.ts";
import type { CommandSpec, Flag } from "./spec.ts";

const asks: readonly Flag[] = [policy, ["--require", "deny a call that cannot be recorded, instead of only saying so"]];

/** Commands that an agent's host runs around each of its tool calls. */
export const hookCommands: readonly CommandSpec[] = [
  {
    path: "hook run",
    text: "sign each tool call of a host's agent, as its hook; with a policy, deny",
    group: "mcp",
    byDefault: true,
    flags: [...asks, passphraseFile],
    examples: ["peerage hook < event.json", "peerage hook --policy guard.yaml --require < event.json"],
    load: () => import("../commands/hook.ts"),
  },
  {
    path: "hook settings",
    text: "what to put into Claude Code's settings, so that it runs the hook",
    group: "mcp",
    flags: asks,
    examples: ["peerage hook settings", "peerage hook settings --policy guard.yaml --require"],
    load: () => import("../commands/hook.ts").then(({ settings }) => ({ run: settings })),
  },
];
