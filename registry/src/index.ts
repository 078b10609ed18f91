export { type Submission } from "./admission/admission.ts";
export type { Clients } from "./http/client-address.ts";
export type { Env } from "./http/route.ts";
export type { StreamLimits } from "./http/service.ts";
export { originOf, prepareLogKeys } from "./keys/log-keys.ts";
export { type Mirror, openMirror, type MirrorOptions } from "./mirror/mirror.ts";
export type { Publication } from "./published.ts";
export type { RegistryOptions } from "./options.ts";
export { openRegistry, type Registry } from "./registry.ts";
export { backupRegistry, type BackupOptions } from "./operations/backup.ts";
export { createLogger, lineWriter, type LogFormat, type Logger, type LogLevel } from "./operations/logger.ts";
export {
  closeServer,
  type RegistryServer,
  serveApp,
  serveRegistry,
  type ServeOptions,
  type ServedApp,
} from "./serve.ts";
export { forkDigest } from "./witness/forks.ts";
export { type OpenWitness, openWitness, type OpenWitnessOptions } from "./witness/open-witness.ts";
export { QuorumClient, type WitnessParty, type WitnessQuorum, type WitnessState } from "./witness/quorum.ts";
export { Witness, type WitnessAnswer, type WitnessOptions } from "./witness/witness.ts";
export type { Durability, StoredCheckpoint } from "./store/log-store.ts";
