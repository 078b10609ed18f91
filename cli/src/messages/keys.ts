import { identityFromSeed, type Signer } from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { CliError } from "../errors.ts";
import { keyFilesOf, type IdentityFile } from "../files/identities.ts";
import { openKeyFile } from "../files/key-file.ts";
import { KeyRing } from "../keys/change.ts";
import { tilde } from "../files/paths.ts";
import { openingKey, type OpeningKey } from "./age.ts";

/** An identity that reads its messages: who signs for it now, and every key of its that something may be sealed to. */
export interface Reader {
  readonly file: IdentityFile;
  readonly signer: Signer;
  /** The current key first; then retired ones, since what was sealed to them is still the identity's to read. */
  readonly keys: readonly OpeningKey[];
}

/**
 * Opens the keys of the identity that is meant; a passphrase is asked for once.
 * @throws {CliError} ERR_IDENTITY_MISSING, ERR_KEY_LOCKED, and the rest of `loadKeyFile`
 */
export async function openReader(context: Context, options: Options): Promise<Reader> {
  const file = await context.identityFile();
  if (file.path === (await context.settings()).value("agent")) {
    throw new CliError("ERR_KEY_LOCKED", "a signing agent signs, and opens nothing: messages need the key's own file", {
      hint: `run it where the key of ${file.name} is kept`,
    });
  }
  const ring = new KeyRing(context, file.name, options["passphraseFile"]);
  const { seed } = await openKeyFile(file.path, ring.passphrase);
  const signer = identityFromSeed(seed, { did: file.did });
  const keys = [await openingKey(seed)];
  seed.fill(0);
  for (const path of (await keyFilesOf(context.paths, file)).retired) {
    if (!/\.key\.retired-/.test(path)) continue;
    try {
      const retired = await openKeyFile(path, ring.passphrase);
      keys.push(await openingKey(retired.seed));
      retired.seed.fill(0);
    } catch (error) {
      if (!(error instanceof CliError && error.code === "ERR_KEY_LOCKED")) throw error;
      context.warn(`${tilde(context.paths, path)} has another passphrase: what was sealed to it stays closed`);
    }
  }
  return { file, signer, keys };
}
