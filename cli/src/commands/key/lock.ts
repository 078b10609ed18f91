import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Context } from "../../context.ts";
import { usage } from "../../errors.ts";
import { keyFilesOf } from "../../files/identities.ts";
import { inspectKeyFile, openKeyFile, recastKeyFile } from "../../files/key-file.ts";
import { leftovers } from "../../files/safe-file.ts";
import { KeyRing } from "../../keys/change.ts";
import { newPassphrase } from "../../keys/passphrase.ts";
import { sealedResult } from "../../keys/results.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";

/**
 * `peerage key lock`: seals every key file of an identity with one passphrase. Each takes the place of the open one in one
 * step, so that a crash leaves each whole, and running it again finishes.
 */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const me = await context.identityFile();
  const { used, retired } = await keyFilesOf(context.paths, me);
  const isLocked = async (path: string): Promise<boolean> => (await inspectKeyFile(path))?.locked === true;
  const states = await Promise.all([...retired, ...used].map(async (path) => ({ path, locked: await isLocked(path) })));
  const open = states.filter(({ locked }) => !locked).map(({ path }) => path);
  const dryRun = options["dryRun"] === true;
  if (open.length === 0 || dryRun)
    return sealedResult(context, me, { locked: true, files: open, total: states.length, dryRun });

  for (const path of used)
    if ((await inspectKeyFile(path))?.keychain !== undefined)
      throw usage(`the keys of ${me.name} are partly in the system's keychain`, "peerage key store keychain");
  const sealed = used.filter((path) => !open.includes(path));
  const ring = new KeyRing(context, me.name, options["passphraseFile"]);
  const passphrase = sealed.length > 0 ? await ring.passphrase() : await newPassphrase(context, options);
  // One passphrase for all of them: an earlier run's, if it was stopped.
  for (const path of sealed) (await openKeyFile(path, () => Promise.resolve(passphrase))).seed.fill(0);
  const ready = [];
  for (const path of open) ready.push(await recastKeyFile(path, ring.passphrase, passphrase));
  for (const recast of ready) await recast.commit();
  for (const path of await leftovers(dirname(me.path), context.io.now())) await rm(path, { force: true });
  return sealedResult(context, me, { locked: true, files: open, total: states.length, dryRun });
}
