import { z } from "zod";
import { kinds } from "../agent/kinds.ts";
import { did } from "./common.ts";

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

/** What `data` holds in the answers of `peerage agent …`. */
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
};
