export { type Submission } from "./admission/admission.ts";
export type { Env } from "./http/route.ts";
export type { StreamLimits } from "./http/service.ts";
export { originOf } from "./keys/log-keys.ts";
export type { Publication } from "./published.ts";
export { openRegistry, type Registry, type RegistryOptions } from "./registry.ts";
export { type RegistryServer, serveRegistry, type ServeOptions } from "./serve.ts";
export type { StoredCheckpoint } from "./store/log-store.ts";
export type { Durability } from "./store/sqlite.ts";
