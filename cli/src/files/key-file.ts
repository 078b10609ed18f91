import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import {
  canonicalize,
  type Did,
  type Identity,
  identityFromSeed,
  type MultibaseKey,
  multibaseOf,
  parseDid,
  parseMultibaseKey,
} from "@peerage/core";
import { z } from "zod";
import { CliError } from "../errors.ts";
import { accountForm, keychainSecret } from "../keys/keychain.ts";
import { createPrivateFile, readPrivateFile, replaceFile } from "./safe-file.ts";

const base64url = (bytes: number): z.ZodString =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${Math.ceil((bytes * 4) / 3)}}$`));
// `key` stands where the DID's own key is another: after a rotation.
const named = { v: z.literal(1), did: z.string(), key: z.string().exactOptional() };
const plainForm = z.strictObject({ ...named, seed: base64url(32) });
const sealedForm = z.strictObject({
  ...named,
  kdf: z.strictObject({
    name: z.literal("scrypt"),
    // Below 2^15 a passphrase is guessed too fast, above 2^20 a file could ask for more memory than there is.
    n: z
      .int()
      .min(2 ** 15)
      .max(2 ** 20)
      .refine((n) => Number.isInteger(Math.log2(n))),
    r: z.literal(8),
    p: z.literal(1),
    salt: base64url(16),
  }),
  cipher: z.literal("aes-256-gcm"),
  // Where the passphrase is a secret in the system's keychain: its name there.
  keychain: z.string().regex(accountForm).exactOptional(),
  nonce: base64url(12),
  sealed: base64url(48),
});
interface Named {
  readonly v: 1;
  readonly did: string;
  readonly key?: string;
}

interface Plain extends Named {
  readonly seed: string;
}

interface Sealed extends Named {
  readonly kdf: { readonly name: "scrypt"; readonly n: number; readonly r: 8; readonly p: 1; readonly salt: string };
  readonly cipher: "aes-256-gcm";
  readonly keychain?: string;
  readonly nonce: string;
  readonly sealed: string;
}

/** What stands in a key file, or in the same form elsewhere: the key in clear, or sealed. */
export type KeyForm = Plain | Sealed;

/** The public part of a key file: readable without a passphrase, believed only once the key was opened. */
export interface KeyFileInfo {
  readonly did: string;
  /** The key that is in the file. */
  readonly key: MultibaseKey;
  readonly locked: boolean;
  /** The name of the secret in the system's keychain by which it is sealed, if it is. */
  readonly keychain?: string;
}

/** What a key is sealed by: a passphrase, or a secret in the system's keychain, by its name there. */
export type Seal = string | { readonly keychain: string };

/**
 * Writes the key of a 32-byte seed to a new file, 0600; sealed by scrypt and AES-256-GCM if there is a seal.
 * @throws {CliError} ERR_KEY_FILE_UNSAFE if the name is taken
 */
export async function createKeyFile(path: string, seed: Uint8Array, seal?: Seal): Promise<Did> {
  const { did } = identityFromSeed(seed);
  await createPrivateFile(path, await formOf(did, seed, seal));
  return did;
}

/** Puts the key of a seed, standing behind a DID, into a file in one step; what was there is gone. */
export async function replaceKeyFile(path: string, did: Did, seed: Uint8Array, seal?: Seal): Promise<void> {
  await replaceFile(path, await formOf(did, seed, seal));
}

/** A change of a key file that was made ready, and of which nothing is on the disk yet. */
export interface Recast {
  readonly path: string;
  /** Puts the new form in its place in one step. @throws {CliError} ERR_KEY_FILE_UNSAFE if the file changed meanwhile */
  commit(): Promise<void>;
}

/**
 * Makes the same key ready in another form: sealed, or with an undefined `seal` in clear.
 * @param open the passphrase of a file that is sealed
 * @throws {CliError} as {@link openKeyFile}
 */
export async function recastKeyFile(
  path: string,
  open: () => Promise<string>,
  seal: Seal | undefined,
): Promise<Recast> {
  const before = await readPrivateFile(path);
  if (before === undefined) throw new CliError("ERR_IDENTITY_MISSING", `there is no key at ${path}`);
  const { seed, did } = await openKeyForm(parseForm(before, path), open, path);
  const form = await keyFormOf(did, seed, seal);
  if (seal !== undefined) {
    // What cannot be opened again would be lost: it is opened once before it takes the place of the other.
    const again = await openKeyForm(form, () => secretOf(seal), path);
    again.seed.fill(0);
  }
  seed.fill(0);
  return {
    path,
    commit: async (): Promise<void> => {
      if ((await readPrivateFile(path)) !== before)
        throw new CliError("ERR_KEY_FILE_UNSAFE", `${path} was changed by another command and is left as it is`, {
          hint: "run the command again",
        });
      await replaceFile(path, lineOf(form));
    },
  };
}

/** A key in the form of a file, for a DID behind which it stands. */
export async function keyFormOf(did: Did, seed: Uint8Array, seal: Seal | undefined): Promise<KeyForm> {
  const own = identityFromSeed(seed).did;
  const name = { v: 1 as const, did, ...(own === did ? {} : { key: multibaseOf(own) }) };
  return seal === undefined
    ? { ...name, seed: Buffer.from(seed).toString("base64url") }
    : await sealed(name, seed, seal);
}

/** Writes a key in the form of a file to a new file, 0600. @throws {CliError} ERR_KEY_FILE_UNSAFE if the name is taken */
export async function createKeyFileOf(path: string, form: KeyForm): Promise<void> {
  await createPrivateFile(path, lineOf(form));
}

async function formOf(did: Did, seed: Uint8Array, seal: Seal | undefined): Promise<string> {
  return lineOf(await keyFormOf(did, seed, seal));
}

function lineOf(form: KeyForm): string {
  return `${JSON.stringify(form)}\n`;
}

/** Reads what a key file says without opening the key; undefined if there is none. @throws {CliError} as {@link loadKeyFile} */
export async function inspectKeyFile(path: string): Promise<KeyFileInfo | undefined> {
  const form = await readForm(path);
  return form && describeKeyForm(form, path);
}

/** What a key says in the form of a file, without opening it. @param where names it in messages */
export function describeKeyForm(form: KeyForm, where: string): KeyFileInfo {
  const keychain = "seed" in form ? undefined : form.keychain;
  return { did: form.did, key: keyOf(form, where), locked: !("seed" in form), ...(keychain && { keychain }) };
}

/**
 * Opens a key file. The DID it names must be the key's own.
 * @param passphrase asked for only if the key is sealed
 * @throws {CliError} ERR_IDENTITY_MISSING, ERR_KEY_FILE_UNSAFE, ERR_KEY_FILE_INVALID, ERR_KEY_LOCKED
 */
export async function loadKeyFile(path: string, passphrase: () => Promise<string>): Promise<Identity> {
  const { seed, did } = await openKeyFile(path, passphrase);
  const identity = identityFromSeed(seed, { did });
  seed.fill(0);
  return identity;
}

/** {@link loadKeyFile}, the secret itself with it: to put a key into another file. The caller wipes it. */
export async function openKeyFile(
  path: string,
  passphrase: () => Promise<string>,
): Promise<{ readonly seed: Uint8Array; readonly did: Did }> {
  const form = await readForm(path);
  if (!form) throw new CliError("ERR_IDENTITY_MISSING", `there is no key at ${path}`);
  return openKeyForm(form, passphrase, path);
}

/** {@link openKeyFile} for a key that stands elsewhere in the form of a file. @param path names it in messages */
export async function openKeyForm(
  form: KeyForm,
  passphrase: () => Promise<string>,
  path: string,
): Promise<{ readonly seed: Uint8Array; readonly did: Did }> {
  const seed =
    "seed" in form
      ? Buffer.from(form.seed, "base64url")
      : await unseal(form, await passphraseOf(form, passphrase), path);
  const own = identityFromSeed(seed).did;
  if (multibaseOf(own) !== keyOf(form, path)) throw invalid(path, "it names a key that is not the one in it");
  return { seed, did: form.key === undefined ? own : didOf(form.did, path) };
}

function passphraseOf({ keychain }: Sealed, asked: () => Promise<string>): Promise<string> {
  return keychain === undefined ? asked() : secretOf({ keychain });
}

/** The key that a file names: its own member, or else the DID's. */
function keyOf({ did, key }: { readonly did: string; readonly key?: string | undefined }, path: string): MultibaseKey {
  if (key === undefined) return multibaseOf(didOf(did, path));
  if (didOf(did, path) === `did:key:${key}`) throw invalid(path, "it names the DID's own key twice");
  try {
    parseMultibaseKey(key);
  } catch {
    throw invalid(path, "it names no acceptable key");
  }
  return key as MultibaseKey;
}

function didOf(did: string, path: string): Did {
  try {
    return parseDid(did);
  } catch {
    throw invalid(path, "it names no acceptable DID");
  }
}

async function readForm(path: string): Promise<KeyForm | undefined> {
  const text = await readPrivateFile(path);
  return text === undefined ? undefined : parseForm(text, path);
}

function parseForm(text: string, path: string): KeyForm {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid(path, "it is not JSON");
  }
  return checkKeyForm(json, path);
}

/** Reads a key in the form of a file. @param path names it in messages @throws {CliError} ERR_KEY_FILE_INVALID */
export function checkKeyForm(json: unknown, path: string): KeyForm {
  const kdf = (json as { kdf?: { n?: unknown } } | null)?.kdf;
  const parsed = (kdf === undefined ? plainForm : sealedForm).safeParse(json);
  if (parsed.success) return parsed.data;
  // Only member names are told: what stands in a key file never reaches a message.
  const where = parsed.error.issues[0]?.path.join(".") || "its members";
  throw invalid(path, `${where} is not as written by peerage`);
}

/** The passphrase itself. @throws {CliError} where the keychain does not give it */
async function secretOf(seal: Seal): Promise<string> {
  if (typeof seal === "string") return seal;
  return keychainSecret(seal.keychain);
}

async function sealed(name: Pick<Sealed, "v" | "did" | "key">, seed: Uint8Array, seal: Seal): Promise<Sealed> {
  const open: Omit<Sealed, "sealed"> = {
    ...name,
    // A keychain's secret is 32 random bytes: no work makes it harder to guess.
    kdf: {
      name: "scrypt",
      n: typeof seal === "string" ? 2 ** 17 : 2 ** 15,
      r: 8,
      p: 1,
      salt: randomBytes(16).toString("base64url"),
    },
    cipher: "aes-256-gcm",
    ...(typeof seal === "string" ? {} : { keychain: seal.keychain }),
    nonce: randomBytes(12).toString("base64url"),
  };
  const cipher = createCipheriv(
    "aes-256-gcm",
    await derive(await secretOf(seal), open.kdf),
    Buffer.from(open.nonce, "base64url"),
  );
  cipher.setAAD(associated(open));
  const bytes = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
  return { ...open, sealed: bytes.toString("base64url") };
}

async function unseal(form: Sealed, passphrase: string, path: string): Promise<Buffer> {
  const bytes = Buffer.from(form.sealed, "base64url");
  const key = await derive(passphrase, form.kdf);
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(form.nonce, "base64url"), { authTagLength: 16 });
  const { sealed: _, ...open } = form;
  decipher.setAAD(associated(open));
  decipher.setAuthTag(bytes.subarray(32));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, 32)), decipher.final()]);
  } catch {
    throw new CliError("ERR_KEY_LOCKED", `${path} does not open: the passphrase is wrong, or the file was altered`);
  }
}

/** All other members, so that none of them can be changed unnoticed. */
function associated(form: Omit<Sealed, "sealed">): Buffer {
  return Buffer.from(canonicalize(form));
}

function derive(passphrase: string, kdf: Sealed["kdf"]): Promise<Buffer> {
  const { n: N, r, p } = kdf;
  return new Promise((resolve, reject) => {
    scrypt(
      passphrase.normalize("NFC"),
      Buffer.from(kdf.salt, "base64url"),
      32,
      { N, r, p, maxmem: 160 * N * r },
      (error, key) => {
        if (error) reject(error);
        else resolve(key);
      },
    );
  });
}

function invalid(path: string, why: string): CliError {
  return new CliError("ERR_KEY_FILE_INVALID", `${path} is no usable key: ${why}`, {
    hint: "put a backup in its place, or make another identity: peerage init <name>",
  });
}
