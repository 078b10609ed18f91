import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type CheckpointPolicy,
  didFromPublicKey,
  type MultibaseKey,
  multibaseOf,
  noteSignerFromSeed,
  type NoteSigner,
  PeerageError,
  type VerifierKey,
} from "@peerage/core";
import { createKeyFile, type KeyPurpose, readKeyFile } from "./key-file.ts";

/** The two keys with which a registry speaks, and the name under which it does. */
export interface LogKeys {
  /** Scheme-less public URL, or `local/<multibase log key>`. */
  readonly origin: string;
  /** Signs heads (type 0x01). */
  readonly log: NoteSigner;
  /** The operator's own witness: stamps the time (type 0x04); never counts in a quorum. */
  readonly witness: NoteSigner;
  /** The log's public key. */
  readonly logKey: MultibaseKey;
}

/**
 * Reads the keys in `folder`, or makes them at the first start.
 * @param options.mayCreate false once there is a log: a lost key cannot be replaced, only restored
 * @throws {PeerageError} ERR_KEY_FILE_INVALID, ERR_KEY_FILE_UNSAFE, ERR_CONFIG_INVALID
 */
export async function openLogKeys(
  folder: string,
  options: { publicUrl?: string; mayCreate: boolean },
): Promise<LogKeys> {
  const seeds = new Map<KeyPurpose, Uint8Array>();
  for (const purpose of ["log", "witness"] as const) {
    const path = join(folder, `${purpose}.key`);
    const seed =
      (await readKeyFile(path, purpose)) ?? (options.mayCreate ? await createKeyFile(path, purpose) : undefined);
    if (!seed) {
      throw new PeerageError(
        "ERR_KEY_FILE_INVALID",
        `${path} is missing, although this registry has a log: restore it`,
      );
    }
    seeds.set(purpose, seed);
  }
  const seedOf = (purpose: KeyPurpose): Uint8Array => seeds.get(purpose) ?? new Uint8Array(0);
  // The name is not known before the key; a signer under any name tells the key.
  const logKey = multibaseOf(didFromPublicKey(noteSignerFromSeed("log", 1, seedOf("log")).key.publicKey.bytes));
  const origin = options.publicUrl === undefined ? `local/${logKey}` : originOf(options.publicUrl);
  return {
    origin,
    logKey,
    log: noteSignerFromSeed(origin, 1, seedOf("log")),
    witness: noteSignerFromSeed(`${origin}/witness`, 4, seedOf("witness")),
  };
}

/**
 * The keys of the registry in a folder, made if it has none and no log: so that witnesses can be told of them before the
 * first start.
 * @throws {PeerageError} as {@link openLogKeys}
 */
export async function prepareLogKeys(
  dataDir: string,
  options: { readonly publicUrl?: string } = {},
): Promise<Pick<LogKeys, "origin"> & { readonly logKey: VerifierKey; readonly witnessKey: VerifierKey }> {
  const folder = join(dataDir, "keys");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const mayCreate = !existsSync(join(dataDir, "registry.db")) && !existsSync(join(folder, "head"));
  const { origin, log, witness } = await openLogKeys(folder, { ...options, mayCreate });
  return { origin, logKey: log.key, witnessKey: witness.key };
}

/** By which a registry judges what it stored itself. */
export function ownPolicy(keys: LogKeys): CheckpointPolicy {
  return { origin: keys.origin, logKey: keys.log.key, operatorWitness: keys.witness.key };
}

/**
 * The origin that belongs to a public URL: host, port and path, without scheme and trailing slash.
 * @throws {PeerageError} ERR_CONFIG_INVALID
 */
export function originOf(publicUrl: string): string {
  const url = URL.parse(publicUrl);
  if (!url || !["http:", "https:"].includes(url.protocol) || url.search || url.hash || url.username || url.password) {
    throw new PeerageError(
      "ERR_CONFIG_INVALID",
      "a registry's public URL is http(s)://host/path, without query or user",
    );
  }
  const origin = `${url.host}${url.pathname}`.replace(/\/+$/, "");
  if (/[\s+]/.test(origin)) throw new PeerageError("ERR_CONFIG_INVALID", "a registry's public URL has no plus sign");
  return origin;
}
