/** The few functions of `node:crypto` that core uses where the runtime has them. */
export interface NodeCrypto {
  hash(algorithm: "sha256", data: Uint8Array | string, encoding: "buffer"): Uint8Array;
  hash(algorithm: "sha256", data: Uint8Array | string, encoding: "hex"): string;
  createPublicKey(input: { key: Uint8Array; format: "der"; type: "spki" }): object;
  createPrivateKey(input: { key: Uint8Array; format: "der"; type: "pkcs8" }): object;
  verify(algorithm: null, data: Uint8Array, key: object, signature: Uint8Array): boolean;
  verify(
    algorithm: null,
    data: Uint8Array,
    key: object,
    signature: Uint8Array,
    callback: (error: Error | null, result: boolean) => void,
  ): void;
  sign(algorithm: null, data: Uint8Array, key: object): Uint8Array;
}

interface NodeModule {
  createRequire(url: string): (id: string) => unknown;
}

const process = (globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }).process;

/** `node:crypto`, or undefined in a browser. Looked up instead of imported, so that browsers load core unchanged. */
export const nodeCrypto: NodeCrypto | undefined = process?.getBuiltinModule?.("node:crypto") as NodeCrypto | undefined;

/** Loads an optional native package, or returns undefined where there is no Node or no such package. */
export function optionalRequire(id: string): unknown {
  const module = process?.getBuiltinModule?.("node:module") as NodeModule | undefined;
  try {
    return module?.createRequire(import.meta.url)(id);
  } catch {
    return undefined;
  }
}
