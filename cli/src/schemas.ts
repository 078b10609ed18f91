import { agentSchemas } from "./schemas/agent.ts";
import { z } from "zod";
import { bridgeSchemas } from "./schemas/bridges.ts";
import { did, digest, dryRun, time } from "./schemas/common.ts";
import { guardSchemas } from "./schemas/guard.ts";
import { keySchemas } from "./schemas/keys.ts";
import { messageSchemas } from "./schemas/messages.ts";
import { policySchemas } from "./schemas/policy.ts";
import { claimedPlaces, proofSchemas } from "./schemas/proofs.ts";
import { spiffeSchemas } from "./schemas/spiffe.ts";
import { watchSchemas } from "./schemas/watch.ts";

const score = z.union([z.number().min(0).max(1), z.literal("unknown")]);
const log = z.object({
  registry: z.string(),
  origin: z.string(),
  size: z.int(),
  root: z.string().regex(/^[0-9a-f]{64}$/),
  time,
  ageSeconds: z.number(),
  witnessed: z.boolean(),
});
const pack = log.extend({
  file: z.string(),
  registry: z.string().nullable(),
  logKey: z.string(),
  witnessKey: z.string(),
  keys: z.enum(["pinned", "named", "its own"]),
  rejected: z.array(z.object({ index: z.int(), code: z.string() })),
});
const status = z.enum(["active", "burnt", "suspended", "disputed"]);
const check = z.object({ name: z.string(), text: z.string() });
const statement = z.object({
  id: digest,
  issuer: did,
  dryRun,
  statement: z.string().optional(),
  index: z.int().optional(),
});

const history = z.object({
  run: z.string(),
  tips: z.array(digest),
  entries: z.array(
    z.object({ digest, issuer: did, step: z.string(), result: z.string(), prev: z.array(digest), at: time }),
  ),
});
// Of a log that was forked before there was a first copy, only the proof is told.
const audit = z.union([
  log.extend({
    rejected: z.array(z.object({ index: z.int(), code: z.string() })),
    observations: z.array(z.object({ name: z.string(), status: z.string(), size: z.int().optional() })),
    evidence: z.array(z.object({ type: z.literal("ForkEvidence") })),
    kept: z.array(z.string()),
  }),
  z.object({
    registry: z.string(),
    evidence: z.array(z.object({ type: z.literal("ForkEvidence") })),
    kept: z.array(z.string()),
  }),
]);

/** What `data` holds in the answer of each command; members are added, never taken away. */
export const dataSchemas: Readonly<Record<string, z.ZodType>> = {
  init: z.object({
    name: z.string(),
    path: z.string(),
    recovery: z.string(),
    registry: z.string().nullable(),
    did: did.optional(),
  }),
  doctor: z.object({
    checks: z.array(check.extend({ state: z.enum(["ok", "warn", "problem", "skip"]), fix: z.string().optional() })),
    fine: z.int(),
    warnings: z.int(),
    problems: z.int(),
    fixes: z
      .array(
        z.object({
          name: z.string(),
          change: z.string(),
          undo: z.string(),
          state: z.enum(["done", "declined", "would", "failed"]),
          why: z.string().optional(),
        }),
      )
      .optional(),
  }),
  whoami: z.object({ name: z.string(), did, registry: z.string().nullable() }),
  trust: z.object({
    agent: did,
    scope: z.string(),
    score,
    min: z.number().optional(),
    trusted: z.boolean(),
    status,
    roots: z.array(did),
    evidence: z.number(),
    contributions: z.array(
      z.object({
        voucher: did,
        vouch: digest,
        value: z.number(),
        chain: z.array(z.object({ issuer: did, subject: did, vouch: digest })),
      }),
    ),
    independentVouchers: z.int(),
    powerless: z.array(did),
    notCounted: z.array(z.object({ id: digest, issuer: did, reason: z.string() })),
    provenance: z.object({ metric: z.literal("flow"), roots: digest, edges: digest }),
    log,
  }),
  vouch: z.union([
    statement.extend({
      subject: did,
      scope: z.array(z.string()),
      confidence: z.int(),
      validUntil: time,
      evidence: z.array(digest),
      note: z.object({ salt: z.string(), text: z.string() }).optional(),
      noteDigest: digest.optional(),
    }),
    z.object({
      proposals: z.array(
        z.object({
          did,
          as: z.enum(["server", "caller"]),
          done: z.int(),
          adverse: z.int(),
          first: time,
          last: time,
          evidence: z.array(digest),
        }),
      ),
    }),
  ]),
  report: statement.extend({
    subject: did,
    category: z.string(),
    evidence: z.array(digest),
    note: z.object({ salt: z.string(), text: z.string() }).optional(),
    noteDigest: digest.optional(),
  }),
  "registry backup": z.object({ file: z.string(), size: z.int(), root: z.string().regex(/^[0-9a-f]{64}$/) }),
  "log report": z.object({
    registry: z.string(),
    origin: z.string(),
    category: z.enum(["log-fork", "log-ended"]),
    evidence: digest,
    id: digest,
    index: z.int(),
  }),
  "note show": z.object({
    digest,
    note: z.object({
      salt: z.string(),
      name: z.string().optional(),
      text: z.string().optional(),
      urls: z.array(z.string()).optional(),
    }),
  }),
  "note erase": z.object({ digest, registry: z.string(), erased: z.literal(true) }),
  "pack export": z.object({
    file: z.string(),
    bytes: z.int(),
    registry: z.string(),
    origin: z.string(),
    size: z.int(),
    root: z.string().regex(/^[0-9a-f]{64}$/),
    time,
  }),
  "pack verify": z.union([pack, z.object({ error: z.object({ code: z.string(), message: z.string() }) })]),
  "pack import": pack,
  unvouch: statement.extend({ subject: did, revokes: z.enum(["statement", "subject"]), target: z.string() }),
  find: z.object({
    scope: z.string(),
    total: z.int(),
    agents: z.array(z.object({ did, score, status, since: z.int().nullable() })),
    log,
  }),
  show: z.discriminatedUnion("type", [
    z.object({
      type: z.literal("agent"),
      did,
      status,
      scope: z.string(),
      score,
      places: claimedPlaces,
      received: z.array(z.object({ id: digest })),
      given: z.array(z.object({ id: digest })),
      reports: z.array(z.object({ id: digest, issuer: did, category: z.string(), withdrawn: z.boolean() })),
      log,
    }),
    z.object({ type: z.literal("statement"), kind: z.string(), id: digest, index: z.int(), time, issuer: did, log }),
  ]),
  "roots list": z.object({ roots: z.array(z.object({ did, name: z.string().optional() })) }),
  "roots add": z.object({ added: z.array(did), roots: z.int(), dryRun }),
  "roots remove": z.object({ removed: did, roots: z.int(), dryRun }),
  "names list": z.object({ names: z.array(z.object({ name: z.string(), did })) }),
  "names set": z.object({ name: z.string(), did, dryRun }),
  "names remove": z.object({ name: z.string(), did, dryRun }),
  sign: z.object({
    issuer: did,
    covers: z.enum(["file", "folder"]),
    files: z.int(),
    bytes: z.int(),
    path: z.string(),
    dryRun,
    document: z.object({ type: z.literal("Manifest") }),
  }),
  verify: z.object({
    type: z.string(),
    verdict: z.enum(["valid", "not-now", "invalid"]),
    checks: z.array(check.extend({ state: z.enum(["ok", "no", "none"]), code: z.string().optional() })),
    summary: z.string(),
  }),
  "history show": history,
  "history verify": z.union([history, z.object({ error: z.object({ code: z.string(), message: z.string() }) })]),
  "history append": z.object({
    run: z.string(),
    digest,
    prev: z.array(digest),
    entries: z.int(),
    dryRun,
    token: z.string(),
  }),
  call: z.union([
    z.object({
      tool: z.string(),
      server: did.nullable(),
      signed: z.boolean(),
      admitted: z.boolean(),
      receipt: z.string().nullable(),
    }),
    z.object({ dryRun: z.literal(true), audience: z.string() }),
  ]),
  ...bridgeSchemas,
  ...messageSchemas,
  ...policySchemas,
  ...proofSchemas,
  ...watchSchemas,
  ...spiffeSchemas,
  ...guardSchemas,
  ...keySchemas,
  ...agentSchemas,
  "log head": log.extend({
    logKey: z.string(),
    rejected: z.array(z.object({ index: z.int(), code: z.string() })),
    note: z.string(),
  }),
  "log audit": audit,
  "log watch": z.intersection(audit, z.object({ seq: z.int() })),
  "registry mirror": z.object({
    registry: z.string(),
    origin: z.string(),
    size: z.int(),
    rejected: z.int(),
    key: z.string(),
    path: z.string(),
    hash: z.string(),
    data: z.string(),
  }),
  "log entry": z.object({
    registry: z.string(),
    index: z.int(),
    id: digest,
    kind: z.string(),
    issuer: did,
    time,
    size: z.int(),
    proof: z.string(),
  }),
  "config get": z.object({ settings: z.array(z.object({ key: z.string(), value: z.string(), origin: z.string() })) }),
  "config set": z.object({ key: z.string(), value: z.string().nullable(), dryRun, path: z.string() }),
  "config path": z.object({
    config: z.string(),
    keys: z.string(),
    data: z.string(),
    state: z.string(),
    cache: z.string(),
  }),
  "proxy install": z.union([
    z.object({
      client: z.string(),
      server: z.string(),
      file: z.string(),
      state: z.enum(["done", "already", "would", "undone", "would undo"]),
      backup: z.string().nullable(),
      dryRun,
    }),
    z.object({
      servers: z.array(
        z.object({ client: z.string(), name: z.string(), server: z.string(), signed: z.boolean(), file: z.string() }),
      ),
      clients: z.array(z.object({ id: z.string(), name: z.string() })),
    }),
  ]),
  completion: z.object({ shell: z.string(), install: z.string(), script: z.string() }),
  help: z.object({
    commands: z.array(
      z.object({ path: z.string(), usage: z.string(), text: z.string(), examples: z.array(z.string()) }),
    ),
  }),
  version: z.object({ version: z.string(), node: z.string() }),
};

/** The line of `--json` on stdout: an answer, `no` and `invalid` included. */
export const answerEnvelope: z.ZodType = z.strictObject({
  v: z.literal(1),
  ok: z.literal(true),
  command: z.string(),
  answer: z.enum(["yes", "no", "invalid", "waiting", "problems"]),
  exit: z.union([z.literal(0), z.literal(1), z.literal(3), z.literal(6), z.literal(8)]),
  data: z.record(z.string(), z.unknown()),
});

/** The line of `--json` on stderr: nothing was answered. */
export const errorLine: z.ZodType = z.strictObject({
  v: z.literal(1),
  ok: z.literal(false),
  command: z.string(),
  exit: z.int(),
  error: z.strictObject({ code: z.string().regex(/^ERR_/), message: z.string(), hint: z.string().optional() }),
});
