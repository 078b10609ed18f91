import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isJsonObject, parseJson, PeerageError } from "@peerage/core";
import type { SequenceStore } from "./bundle-store.ts";

/** Keeps sequences in a 0600 JSON file, replaced whole: a bundle is not rolled back by restarting the guard. */
export class FileSequences implements SequenceStore {
  readonly #path: string;
  readonly #seen: Map<string, bigint>;

  /** @throws {PeerageError} ERR_STORE_CORRUPT if the file is there and cannot be read: forgetting would allow a rollback */
  constructor(path: string) {
    this.#path = path;
    this.#seen = existsSync(path) ? read(path) : new Map<string, bigint>();
  }

  read(trustDomain: string): bigint | undefined {
    return this.#seen.get(trustDomain);
  }

  write(trustDomain: string, sequence: bigint): void {
    this.#seen.set(trustDomain, sequence);
    const document = Object.fromEntries([...this.#seen].map(([name, value]) => [name, String(value)]));
    const next = `${this.#path}.${String(process.pid)}.tmp`;
    writeFileSync(next, `${JSON.stringify(document, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(next, this.#path);
  }
}

function read(path: string): Map<string, bigint> {
  try {
    const document = parseJson(readFileSync(path));
    if (!isJsonObject(document)) throw new TypeError("not an object");
    return new Map(Object.entries(document).map(([name, value]) => [name, BigInt(value as string)]));
  } catch (cause) {
    throw new PeerageError("ERR_STORE_CORRUPT", `${path} does not hold sequences of SPIFFE bundles`, { cause });
  }
}
