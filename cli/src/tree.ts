import { agentCommands } from "./tree/agent.ts";
import { approvalCommands } from "./tree/approvals.ts";
import { bridgeCommands } from "./tree/bridges.ts";
import { hookCommands } from "./tree/hook.ts";
import { keyCommands } from "./tree/keys.ts";
import { mcpCommands } from "./tree/mcp.ts";
import { messageCommands } from "./tree/messages.ts";
import { operateCommands } from "./tree/operate.ts";
import { policyCommands } from "./tree/policy.ts";
import { proofCommands } from "./tree/proofs.ts";
import { signCommands } from "./tree/sign.ts";
import type { CommandSpec } from "./tree/spec.ts";
import { spiffeCommands } from "./tree/spiffe.ts";
import { startCommands } from "./tree/start.ts";
import { trustCommands } from "./tree/trust.ts";

export { globalFlags } from "./tree/flags.ts";
export { type Args, type CommandSpec, type Flag, type Group, groups, type Run } from "./tree/spec.ts";

/** Every command, in the order of the help. */
export const commands: readonly CommandSpec[] = [
  ...startCommands,
  ...trustCommands,
  ...bridgeCommands,
  ...signCommands,
  ...messageCommands,
  ...proofCommands,
  ...mcpCommands,
  ...agentCommands,
  ...hookCommands,
  ...approvalCommands,
  ...policyCommands,
  ...keyCommands,
  ...spiffeCommands,
  ...operateCommands,
];

/** What the two-word commands have in common. */
export const parents: Readonly<Record<string, string>> = {
  roots: "from whom I start to trust",
  names: "my own names for agents",
  pack: "a registry's log in a file, for when it cannot be reached",
  note: "what people wrote to statements",
  export: "what an agent shows elsewhere",
  import: "what was said elsewhere",
  calls: "what a guard has decided",
  audit: "the log that proves it",
  approvals: "what waits for a person",
  approvers: "who may approve",
  agent: "a process that signs, so that no other needs the key",
  hook: "each tool call of a host's agent, signed",
  console: "this machine's guards in a browser",
  prove: "whose a place on the web is",
  history: "the signed steps that a call carries",
  inbox: "messages that other agents sealed to me",
  policy: "what a guard admits",
  spiffe: "workload identities beside DIDs",
  registry: "run a registry, or a mirror of one",
  key: "keys of an identity",
  log: "the transparency log",
  config: "settings",
};
