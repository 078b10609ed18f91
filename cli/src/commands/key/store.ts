import type { Context } from "../../context.ts";
import { usage } from "../../errors.ts";
import { type IdentityFile, keyFilesOf } from "../../files/identities.ts";
import { inspectKeyFile, type KeyFileInfo, recastKeyFile } from "../../files/key-file.ts";
import { KeyRing } from "../../keys/change.ts";
import { dropKeychainSecret, keychainSecret, newKeychainSecret } from "../../keys/keychain.ts";
import { sealedResult } from "../../keys/results.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";

interface File {
  readonly path: string;
  readonly info: KeyFileInfo;
}

/**
 * `peerage key store`: seals an identity's key files by a secret that the system's keychain keeps, so that they open while
 * its owner is logged in; or takes that seal off again. Running it again after a crash finishes it.
 */
export async function run(context: Context, { words: [where], options }: Args): Promise<Result> {
  if (where !== "keychain" && where !== "file")
    throw usage("a key is kept in the keychain or a file", "keychain, file");
  const me = await context.identityFile();
  const { used, retired } = await keyFilesOf(context.paths, me);
  const files: File[] = [];
  for (const path of [...retired, ...used]) {
    const info = await inspectKeyFile(path);
    if (info) files.push({ path, info });
  }
  const todo = files.filter(({ path, info }) =>
    where === "file"
      ? info.keychain !== undefined
      : info.keychain === undefined && (used.includes(path) || !info.locked),
  );
  const dryRun = options["dryRun"] === true;
  if (todo.length > 0 && !dryRun) await move(context, me, where, files, todo, options);
  const changed = todo.map(({ path }) => path);
  const result = sealedResult(context, me, {
    locked: where === "keychain",
    files: changed,
    total: files.length,
    dryRun,
  });
  return { ...result, data: { ...result.data, where } };
}

async function move(
  context: Context,
  me: IdentityFile,
  where: "keychain" | "file",
  files: readonly File[],
  todo: readonly File[],
  options: Args["options"],
): Promise<void> {
  const ring = new KeyRing(context, me.name, options["passphraseFile"]);
  if (where === "file") {
    if (!(await context.confirm(`Write the keys of ${me.name} in clear? Whoever reads their files signs as it.`)))
      throw usage("nothing was changed");
    await recastAll(todo, ring, undefined);
    // No file needs them any more.
    for (const account of new Set(todo.flatMap(({ info }) => info.keychain ?? []))) await dropKeychainSecret(account);
    return;
  }
  // The secret of an earlier run, if one was stopped.
  const begun = files.find(({ info }) => info.keychain !== undefined)?.info.keychain;
  if (begun !== undefined) await keychainSecret(begun);
  await recastAll(todo, ring, { keychain: begun ?? (await newKeychainSecret()) });
}

async function recastAll(files: readonly File[], ring: KeyRing, seal: { keychain: string } | undefined): Promise<void> {
  const ready = [];
  for (const { path } of files) ready.push(await recastKeyFile(path, ring.passphrase, seal));
  for (const recast of ready) await recast.commit();
}
