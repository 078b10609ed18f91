export { AgentRun, type AgentRunOptions, type StepOptions } from "./agent-run.ts";
export { type CallSigner, type CallSignerOptions, createCallSigner, type Endpoint } from "./call-signer.ts";
export { HistoryChain, type PresentedHistory } from "./chain.ts";
export { commandEndpoint, FilePinStore, MemoryPinStore, type Pin, type PinStore } from "./pins.ts";
export { FileReceiptStore, MemoryReceiptStore, type ReceiptStore, type StoredReceipt } from "./receipts.ts";
export { CALL_HEADER, signFetch, type SignFetchOptions } from "./sign-fetch.ts";
export { type SignableTransport, signTransport } from "./sign-transport.ts";
