import { z } from "zod";
import { code, did, digest, dryRun, time } from "./common.ts";

const decision = z.object({
  seq: z.int(),
  kind: z.literal("decision"),
  id: z.string(),
  at: time,
  verdict: z.enum(["admitted", "asked", "refused"]),
  reason: code.optional(),
  method: z.string(),
  target: z.string().optional(),
  caller: z.object({ did }).optional(),
  req: digest.optional(),
  rule: z.string().optional(),
  policy: digest,
  outcome: z
    .object({ outcome: z.enum(["executed", "errored", "refused", "cancelled", "abandoned"]), at: time })
    .optional(),
});
const item = z.object({
  id: z.string(),
  state: z.enum(["open", "approved", "used", "denied", "timeout", "lapsed", "replaced"]),
  guard: did,
  caller: did,
  method: z.string(),
  target: z.string(),
  req: digest,
  rule: z.string(),
  policy: digest,
  approvers: z.array(z.string()),
  count: z.int(),
  filedAt: time,
  expiresAt: time,
  answers: z.array(z.object({ digest, by: did, result: z.enum(["approved", "denied"]), at: time })),
  request: z.object({ method: z.string(), params: z.json() }).optional(),
  history: z.array(z.object({ digest, agent: did, step: z.string(), result: z.string(), at: time })),
});
const answer = z.object({
  id: z.string(),
  req: digest,
  caller: did,
  approver: did,
  result: z.enum(["approved", "denied"]),
  state: item.shape.state,
  missing: z.int(),
  dryRun,
  token: z.string(),
});
const approver = z.object({
  group: z.string(),
  approver: did,
  approvers: z.int(),
  change: z.enum(["added", "removed", "none"]),
  written: z.boolean(),
  dryRun,
});

/** What `data` holds in the answers of `peerage calls`, `approvals` and `approvers`. */
const auditReport = z.object({
  guard: did,
  from: z.int(),
  size: z.int(),
  signed: z.int(),
  open: z.int(),
  archives: z.int(),
  defect: z.object({ seq: z.int(), kind: z.string() }).optional(),
});

export const guardSchemas: Readonly<Record<string, z.ZodType>> = {
  // With --follow each line holds one record, of whatever kind, its place in `seq`.
  "calls list": z.union([
    z.object({ guard: did.nullable(), records: z.int(), calls: z.array(decision) }),
    z.object({ v: z.literal(1), seq: z.int(), kind: z.string(), at: time }),
  ]),
  "calls show": decision.extend({
    receipt: z
      .object({
        token: z.string(),
        step: z.string().optional(),
        result: z.string().optional(),
        at: time.optional(),
        // Why it is not the guard's word on this call; exit 6.
        problem: z.string().optional(),
      })
      .optional(),
  }),
  "calls verify": auditReport,
  "audit verify": z.union([
    auditReport,
    z.object({
      guard: did,
      size: z.int(),
      records: z.array(z.looseObject({ seq: z.int() })),
      opened: z.record(z.string(), z.unknown()),
    }),
  ]),
  "calls replay": z.object({
    counts: z.object({ same: z.int(), differs: z.int(), undecidable: z.int() }),
    calls: z.array(
      z.object({
        seq: z.int(),
        id: z.string(),
        verdict: z.enum(["same", "differs", "undecidable"]),
        recorded: z.enum(["admitted", "asked", "refused"]),
        effect: z.enum(["allow", "ask", "deny"]).optional(),
      }),
    ),
  }),
  "audit export": z.object({ path: z.string(), format: z.enum(["ndjson", "otlp"]), lines: z.int(), records: z.int() }),
  "audit disclose": z.object({
    kind: z.literal("disclosure"),
    v: z.literal(1),
    guard: did,
    checkpoint: z.string(),
    records: z.array(z.object({ text: z.string(), proof: z.array(z.string()) })),
    opened: z.array(z.object({ name: z.string(), salt: z.string(), value: z.unknown() })),
  }),
  "audit erase": z.object({ seq: z.int(), id: z.string(), erased: z.int() }),
  "audit rotate": z.object({
    rotated: z.object({ path: z.string(), from: z.int(), to: z.int() }).nullable(),
  }),
  "approvals list": z.object({ items: z.array(item) }),
  "approvals show": item,
  "approvals approve": answer,
  "approvals deny": answer,
  "approvals watch": item.extend({ seq: z.int() }),
  "approvers list": z.object({
    group: z.string(),
    approvers: z.array(z.object({ approver: z.string(), name: z.string().optional() })),
    rules: z.array(z.object({ rule: z.string(), by: z.array(z.string()), count: z.int() })),
  }),
  "approvers add": approver,
  "approvers remove": approver,
  "console open": z.object({ url: z.string(), console: z.string(), code: z.string(), expires: time }),
  "console pair": approver,
};
