export { createGuard } from "./guard/create-guard.ts";
export { type GuardOptions, MAX_BODY_BYTES, MAX_LINE_BYTES } from "./guard/guard.ts";
export { type ApprovalOptions } from "./approval/desk.ts";
export { ApprovalStore } from "./approval/approval-store.ts";
export { type Answer, type ApprovalItem, type ItemState, mayAnswer, signAnswer } from "./approval/item.ts";
export { ApprovalWebhook, type WebhookOptions } from "./approval/webhook.ts";
export { type Delivered, type WebhookEndpoint, WebhookSender } from "./webhook/sender.ts";
export { parseWebhookSecret, verifyWebhook } from "./webhook/signature.ts";
export { AuditLog, type AuditLogOptions, type RecordedArguments } from "./audit/audit-log.ts";
export { checkKeptReceipt } from "./audit/receipts.ts";
export { auditKey, auditOrigin, checkpointPath } from "./audit/checkpointer.ts";
export { type AuditedCall, AuditReader, type CallFilter, matches as matchesCall } from "./audit/reader.ts";
export { disclose, type Disclosure, eraseOpenings, verifyDisclosure } from "./audit/disclosure.ts";
export { otlpLines } from "./audit/otlp.ts";
export { archivePath, type Rotated, rotateAudit } from "./audit/rotate.ts";
export { type AuditExport, exportLines, verifyExport } from "./audit/export.ts";
export type {
  ApprovalBody,
  AuditRecord,
  DecisionBody,
  Outcome,
  OutcomeBody,
  RecordedInput,
  StartBody,
  SuppressedBody,
} from "./audit/record.ts";
export { type AuditDefect, type AuditReport, verifyAudit, type VerifyAuditOptions } from "./audit/verify.ts";
export { MemoryReplayStore, type Nonce, type ReplayLimits, type ReplayStore } from "./guard/replay.ts";
export { SqliteReplayStore } from "./guard/replay-sqlite.ts";
export { clearDenyAll, type DenyAll, denyEverything, readDenyAll, setDenyAll } from "./guard/deny-all.ts";
export { type PolicySource, PolicyWatch, type PolicyWatchOptions, watchPolicy } from "./guard/policy-watch.ts";
export { socketFetch } from "./guard/policy-socket.ts";
export type { ShadowAnswer } from "@peerage/core";
export type { AfterVerdict, BeforeVerdict, GuardHooks, HookCall } from "./guard/hooks.ts";
export { checkMode, MAX_SHADOW_DAYS, type Mode } from "./guard/mode.ts";
export { errorNumber, REFUSAL_META } from "./guard/refusal.ts";
export { type Advertisement, receiptOf } from "./guard/results.ts";
export { type LifecycleMethod, lifecycleMethods, type Synthetic } from "./guard/subject.ts";
export { MAX_PRESENTED_BYTES, MAX_PRESENTED_VOUCHES, VOUCHES_META } from "./guard/presented.ts";
export {
  type NetworkTrust,
  trustFromNetwork,
  type TrustFromNetworkOptions,
  type TrustSource,
  trustWithoutRegistry,
  type VouchedTrust,
} from "./guard/trust.ts";
export type {
  Admission,
  Binding,
  Caller,
  Context,
  DecisionRecord,
  Guard,
  JsonRpcMessage,
  Step,
  Verdict,
} from "./guard/types.ts";
export { type AuthInfo, bindInstance, currentCaller } from "./adapters/caller.ts";
export { type GuardableTransport, guardTransport, type GuardTransportOptions } from "./adapters/guard-transport.ts";
export { type FetchHandler, type FetchHandlerOptions, guardFetch } from "./adapters/guard-fetch.ts";
export * from "./proxy/index.ts";
export * from "./sign/index.ts";
export { loadSpiffe } from "./spiffe/load.ts";
