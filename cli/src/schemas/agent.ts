import { z } from "zod";
import { kinds } from "../agent/kinds.ts";
import { did, digest } from "./common.ts";

const status = z.object({
  did,
  kid: z.string(),
  socket: z.string(),
  locked: z.boolean(),
  sealed: z.boolean(),
  kinds: z.array(z.enum(kinds)),
  audiences: z.array(z.string()).nullable(),
  signed: z.int(),
  refused: z.int(),
});

/** What `data` holds in the answers of `peerage agent …` and `peerage hook …`. */
export const agentSchemas: Readonly<Record<string, z.ZodType>> = {
  "agent run": z.object({
    name: z.string(),
    did,
    socket: z.string(),
    sealed: z.boolean(),
    kinds: z.array(z.enum(kinds)),
    audiences: z.array(z.string()).nullable(),
    idle: z.int().nullable(),
    confirm: z.boolean(),
  }),
  "agent status": status,
  "agent lock": status,
  "agent unlock": status,
  "hook run": z.object({
    event: z.enum(["PreToolUse", "PostToolUse", "PostToolUseFailure"]),
    tool: z.string(),
    decision: z.enum(["none", "deny", "ask"]),
    reason: z.string().optional(),
    recorded: z.boolean(),
    digest: digest.optional(),
    run: z.string().optional(),
    file: z.string().optional(),
  }),
  "hook settings": z.object({
    host: z.literal("claude-code"),
    file: z.string(),
    settings: z.record(z.string(), z.unknown()),
    steps: z.string(),
  }),
};
