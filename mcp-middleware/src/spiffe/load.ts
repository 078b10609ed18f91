/**
 * Loads the SPIFFE part of this package. It is not among the static exports: with SPIFFE off nothing of it is loaded,
 * neither validators nor gRPC.
 */
export function loadSpiffe(): Promise<typeof import("./index.ts")> {
  return import("./index.ts");
}
