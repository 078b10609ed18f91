import { rm } from "node:fs/promises";
import { type Did, type Identity, identityFromSeed, type KeyEvent, type Verified } from "@peerage/core";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { keyPaths } from "../files/identities.ts";
import { keepKeyEvent } from "../files/join.ts";
import { inspectKeyFile, openKeyFile, replaceKeyFile, type Seal } from "../files/key-file.ts";
import { keepAs, moveOver } from "../files/safe-file.ts";
import { submit, type Submitted } from "../submit.ts";
import { dropPending, keepPending } from "./pending.ts";

/** Opens key files of one identity, asking for its passphrase once at most. */
export class KeyRing {
  readonly #context: Context;
  readonly #name: string;
  readonly #file: string | undefined;
  #phrase: Promise<string> | undefined;

  constructor(context: Context, name: string, passphraseFile: unknown) {
    this.#context = context;
    this.#name = name;
    this.#file = typeof passphraseFile === "string" ? passphraseFile : undefined;
  }

  readonly passphrase = (): Promise<string> => (this.#phrase ??= this.#context.passphrase(this.#name, this.#file));

  /** What a file is sealed by; undefined if it is not. */
  async sealOf(path: string): Promise<Seal | undefined> {
    const info = await inspectKeyFile(path);
    if (info?.keychain !== undefined) return { keychain: info.keychain };
    return info?.locked === true ? this.passphrase() : undefined;
  }

  /** The key of a file, speaking for a DID. */
  async signer(path: string, did: Did): Promise<Identity> {
    const { seed } = await openKeyFile(path, this.passphrase);
    const identity = identityFromSeed(seed, { did });
    seed.fill(0);
    return identity;
  }
}

/**
 * Hands a key event to the registry and, once it is there, puts the new key in its place. Run again after a crash between
 * any two steps, with the event that was kept, it comes out the same: every file is whole at every instant, and the key
 * that signed before is kept beside the new one.
 */
export async function carryOut(
  context: Context,
  name: string,
  registry: string,
  event: Verified<KeyEvent>,
  ring: KeyRing,
): Promise<Submitted> {
  const { paths } = context;
  await keepPending(paths, name, event);
  const submitted = await send(context, name, registry, event);
  const signer = event.key === undefined ? undefined : await switchKeys(context, name, event, ring);
  await keepKeyEvent(paths, name, event, signer, context.io.now());
  await dropPending(paths, name);
  return submitted;
}

async function send(context: Context, name: string, registry: string, event: Verified<KeyEvent>): Promise<Submitted> {
  try {
    return await submit(registry, event);
  } catch (error) {
    // What a registry refuses for good it has not logged, so that another event may be signed in its place.
    if (error instanceof CliError && ["ERR_KEY_EVENT_INVALID", "ERR_STATEMENT_INVALID"].includes(error.code))
      await dropPending(context.paths, name);
    throw error;
  }
}

async function switchKeys(context: Context, name: string, event: KeyEvent, ring: KeyRing): Promise<Identity> {
  const at = keyPaths(context.paths, name);
  const isRecovery = event.event === "recover";
  const source = isRecovery ? at.recovered : at.next;
  const current = await inspectKeyFile(at.current);
  if (current?.key !== event.key) {
    if ((await inspectKeyFile(source))?.key !== event.key)
      throw new CliError("ERR_KEY_FILE_INVALID", `${source} is not the key that the event names`, {
        hint: "put it back",
      });
    const { seed } = await openKeyFile(source, ring.passphrase);
    if (current) await keepAs(at.current, at.retired(event.id, "key"));
    await replaceKeyFile(at.current, event.issuer, seed, await ring.sealOf(source));
    seed.fill(0);
  }
  // The new next key takes its place last: until then its file says how far this came.
  if (await inspectKeyFile(at.after)) {
    if (isRecovery && (await inspectKeyFile(at.next))) await keepAs(at.next, at.retired(event.id, "next"));
    await moveOver(at.after, at.next);
  }
  await rm(at.recovered, { force: true });
  return ring.signer(at.current, event.issuer);
}
