import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import { canonicalize, type Did, type Identity, identityFromSeed } from "@peerage/core";
import { z } from "zod";
import { CliError } from "../errors.ts";
import { createPrivateFile, readPrivateFile } from "./safe-file.ts";

const base64url = (bytes: number): z.ZodString =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${Math.ceil((bytes * 4) / 3)}}$`));
const plainForm = z.strictObject({ v: z.literal(1), did: z.string(), seed: base64url(32) });
const sealedForm = z.strictObject({
  v: z.literal(1),
  did: z.string(),
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
  nonce: base64url(12),
  sealed: base64url(48),
});
type Sealed = z.infer<typeof sealedForm>;

/** The public part of a key file: readable without a passphrase, believed only once the key was opened. */
export interface KeyFileInfo {
  readonly did: string;
  readonly locked: boolean;
}

/**
 * Writes the key of a 32-byte seed to a new file, 0600; sealed by scrypt and AES-256-GCM if there is a passphrase.
 * @throws {CliError} ERR_KEY_FILE_UNSAFE if the name is taken
 */
export async function createKeyFile(path: string, seed: Uint8Array, passphrase?: string): Promise<Did> {
  const { did } = identityFromSeed(seed);
  const form =
    passphrase === undefined
      ? { v: 1, did, seed: Buffer.from(seed).toString("base64url") }
      : await seal(did, seed, passphrase);
  await createPrivateFile(path, `${JSON.stringify(form)}\n`);
  return did;
}

/** Reads what a key file says without opening the key; undefined if there is none. @throws {CliError} as {@link loadKeyFile} */
export async function inspectKeyFile(path: string): Promise<KeyFileInfo | undefined> {
  const form = await readForm(path);
  return form && { did: form.did, locked: !("seed" in form) };
}

/**
 * Opens a key file. The DID it names must be the key's own.
 * @param passphrase asked for only if the key is sealed
 * @throws {CliError} ERR_IDENTITY_MISSING, ERR_KEY_FILE_UNSAFE, ERR_KEY_FILE_INVALID, ERR_KEY_LOCKED
 */
export async function loadKeyFile(path: string, passphrase: () => Promise<string>): Promise<Identity> {
  const form = await readForm(path);
  if (!form) throw new CliError("ERR_IDENTITY_MISSING", `there is no key at ${path}`);
  const seed = "seed" in form ? Buffer.from(form.seed, "base64url") : await unseal(form, await passphrase(), path);
  const identity = identityFromSeed(seed);
  seed.fill(0);
  if (identity.did !== form.did) throw invalid(path, "it names a DID that is not its key's");
  return identity;
}

async function readForm(path: string): Promise<z.infer<typeof plainForm> | Sealed | undefined> {
  const text = await readPrivateFile(path);
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid(path, "it is not JSON");
  }
  const kdf = (json as { kdf?: { n?: unknown } } | null)?.kdf;
  const parsed = (kdf === undefined ? plainForm : sealedForm).safeParse(json);
  if (parsed.success) return parsed.data;
  // Only member names are told: what stands in a key file never reaches a message.
  const where = parsed.error.issues[0]?.path.join(".") || "its members";
  throw invalid(path, `${where} is not as written by peerage`);
}

async function seal(did: Did, seed: Uint8Array, passphrase: string): Promise<Sealed> {
  const open: Omit<Sealed, "sealed"> = {
    v: 1,
    did,
    kdf: { name: "scrypt", n: 2 ** 17, r: 8, p: 1, salt: randomBytes(16).toString("base64url") },
    cipher: "aes-256-gcm",
    nonce: randomBytes(12).toString("base64url"),
  };
  const cipher = createCipheriv(
    "aes-256-gcm",
    await derive(passphrase, open.kdf),
    Buffer.from(open.nonce, "base64url"),
  );
  cipher.setAAD(associated(open));
  const sealed = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
  return { ...open, sealed: sealed.toString("base64url") };
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
