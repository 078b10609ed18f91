import type { Context } from "../../context.ts";
import { usage } from "../../errors.ts";
import { keyFilesOf } from "../../files/identities.ts";
import { inspectKeyFile, recastKeyFile } from "../../files/key-file.ts";
import { KeyRing } from "../../keys/change.ts";
import { sealedResult } from "../../keys/results.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";

/** `peerage key unlock`: takes the passphrase off an identity's key files, so that it signs unattended. Asks for a yes. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const me = await context.identityFile();
  const { used } = await keyFilesOf(context.paths, me);
  const infos = await Promise.all(used.map(async (path) => ({ path, info: await inspectKeyFile(path) })));
  const sealed = infos.filter(({ info }) => info?.locked === true).map(({ path }) => path);
  const dryRun = options["dryRun"] === true;
  if (sealed.length === 0 || dryRun)
    return sealedResult(context, me, { locked: false, files: sealed, total: used.length, dryRun });

  if (!(await context.confirm(`Write the keys of ${me.name} in clear? Whoever reads their files signs as it.`)))
    throw usage("nothing was changed");
  const ring = new KeyRing(context, me.name, options["passphraseFile"]);
  const ready = [];
  for (const path of sealed) ready.push(await recastKeyFile(path, ring.passphrase, undefined));
  for (const recast of ready) await recast.commit();
  return sealedResult(context, me, { locked: false, files: sealed, total: used.length, dryRun });
}
