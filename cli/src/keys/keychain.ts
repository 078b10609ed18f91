import { randomBytes } from "node:crypto";
import { CliError } from "../errors.ts";

/** What is used of the optional package `@napi-rs/keyring`. */
interface Keyring {
  readonly AsyncEntry: new (
    service: string,
    account: string,
    options: { readonly linux: { readonly store: "secret-service" } },
  ) => Entry;
}

interface Entry {
  setPassword(password: string): Promise<void>;
  getPassword(): Promise<string | null | undefined>;
  deleteCredential(): Promise<boolean>;
}

const PACKAGE = "@napi-rs/keyring";
const SERVICE = "peerage";

/** The name of an entry in the system's keychain, as a key file carries it. */
export const accountForm: RegExp = /^[0-9a-f]{32}$/;

/**
 * Puts a fresh secret into the system's keychain, and reads it back before it is relied on.
 * @returns the name under which it is kept there
 * @throws {CliError} ERR_CONFIG_INVALID if the package is not installed, ERR_KEY_LOCKED if no keychain answers
 */
export async function newKeychainSecret(): Promise<string> {
  const account = randomBytes(16).toString("hex");
  const secret = randomBytes(32).toString("base64url");
  const entry = await entryOf(account);
  await answered(entry.setPassword(secret));
  if ((await answered(entry.getPassword())) !== secret)
    throw new CliError("ERR_KEY_LOCKED", "the system's keychain did not keep what it was given");
  return account;
}

/** A secret that was put there. @throws {CliError} as {@link newKeychainSecret}, ERR_KEY_LOCKED if it is gone */
export async function keychainSecret(account: string): Promise<string> {
  const secret = await answered((await entryOf(account)).getPassword());
  if (typeof secret === "string") return secret;
  throw new CliError("ERR_KEY_LOCKED", "the system's keychain holds no secret for this key file", {
    hint: "put a backup of the keychain or of the key in its place",
  });
}

/** Takes a secret out of the keychain, for good. */
export async function dropKeychainSecret(account: string): Promise<void> {
  await answered((await entryOf(account)).deleteCredential());
}

async function entryOf(account: string): Promise<Entry> {
  let keyring: Keyring;
  try {
    // Optional: by a name that no build resolves.
    const loaded = (await import(PACKAGE)) as Partial<Keyring> & { readonly default?: Keyring };
    const found = loaded.AsyncEntry ? (loaded as Keyring) : loaded.default;
    if (!found) throw new TypeError(`${PACKAGE} has another form than expected`);
    keyring = found;
  } catch (error) {
    throw new CliError("ERR_CONFIG_INVALID", `the system's keychain is reached by ${PACKAGE}, which is not installed`, {
      hint: `npm install ${PACKAGE}   (beside peerage; --global if peerage is)`,
      cause: error,
    });
  }
  try {
    // Never the kernel's keyring, which Linux would fall back to: it is empty after the next start.
    return new keyring.AsyncEntry(SERVICE, account, { linux: { store: "secret-service" } });
  } catch (error) {
    throw silent(error);
  }
}

async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw silent(error);
  }
}

function silent(cause: unknown): CliError {
  return new CliError("ERR_KEY_LOCKED", "no keychain answers on this machine: it is locked, or there is none", {
    hint: "peerage key lock seals by a passphrase instead",
    cause,
  });
}
