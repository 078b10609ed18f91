export { createGuard } from "./guard/create-guard.ts";
export { type GuardOptions, MAX_BODY_BYTES, MAX_LINE_BYTES } from "./guard/guard.ts";
export { MemoryReplayStore, type Nonce, type ReplayLimits, type ReplayStore } from "./guard/replay.ts";
export { SqliteReplayStore } from "./guard/replay-sqlite.ts";
export { errorNumber, REFUSAL_META } from "./guard/refusal.ts";
export { type Advertisement, receiptOf } from "./guard/results.ts";
export { type LifecycleMethod, lifecycleMethods, type Synthetic } from "./guard/subject.ts";
export { trustFromNetwork, type TrustFromNetworkOptions, type TrustSource } from "./guard/trust.ts";
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
