export { createObservatory } from "./site.ts";
export type { ObservatoryOptions, ObservatorySource, Publication } from "./source.ts";
export { type Console, createConsole } from "./console.ts";
export type {
  ConsoleAccess,
  ConsoleOptions,
  ConsolePairing,
  GuardAudit,
  GuardReceipt,
  GuardSource,
} from "./console/source.ts";
export { pairingWords } from "./console/pairing-words.ts";
