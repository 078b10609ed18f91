import { resolve } from "node:path";
import type { Context } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { keyPaths } from "../../files/identities.ts";
import { keptMembership } from "../../files/join.ts";
import { inspectKeyFile, type KeyForm, keyFormOf, openKeyFile } from "../../files/key-file.ts";
import { tilde } from "../../files/paths.ts";
import { order, type Which, writeBundle } from "../../keys/bundle.ts";
import { KeyRing } from "../../keys/change.ts";
import { newPassphrase } from "../../keys/passphrase.ts";
import { readPending } from "../../keys/pending.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";

/** `peerage key export`: an identity's keys as one file for another machine, sealed by a passphrase unless told otherwise. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const me = await context.identityFile();
  if (typeof options["out"] !== "string") throw usage("an export needs a file", "--out <file>");
  const out = resolve(context.io.cwd, options["out"]);
  const dryRun = options["dryRun"] === true;
  const sealed = options["plaintext"] !== true;
  const pending = await readPending(context.paths, me.name);
  if (pending)
    throw new CliError("ERR_CONFIG_INVALID", `a ${pending.event} of ${me.name} was begun and is not finished`, {
      hint: `peerage key ${pending.event} --identity ${me.name}`,
    });
  const at = keyPaths(context.paths, me.name);
  const wanted: [Which, string][] = [["key", me.path]];
  if (me.path === at.current) wanted.push(["next", at.next]);
  if (options["withRecovery"] === true) wanted.push(["recovery", at.recovery]);
  const found: { which: Which; path: string; locked: boolean }[] = [];
  for (const [which, path] of wanted) {
    const info = await inspectKeyFile(path);
    // A secret in this machine's keychain opens nothing elsewhere: a passphrase takes its place.
    if (info) found.push({ which, path, locked: info.locked && info.keychain === undefined });
    else if (which === "recovery") throw new CliError("ERR_NOT_FOUND", `there is no recovery key at ${path}`);
  }
  if (!dryRun) {
    const question = `Write the keys of ${me.name} in clear to ${out}? Whoever reads that file signs as it.`;
    if (!sealed && !(await context.confirm(question))) throw usage("nothing was written");
    const ring = new KeyRing(context, me.name, options["passphraseFile"]);
    const isLocked = found.some(({ locked }) => locked);
    // A key that is sealed keeps its passphrase; a new one is chosen only where there was none.
    const passphrase = !sealed ? undefined : isLocked ? await ring.passphrase() : await newPassphrase(context, options);
    const keys = new Map<Which, KeyForm>();
    for (const { which, path } of found) {
      const { seed, did } = await openKeyFile(path, ring.passphrase);
      keys.set(which, await keyFormOf(did, seed, passphrase));
      seed.fill(0);
    }
    const membership = me.path === at.current ? await keptMembership(context.paths, me.name) : undefined;
    await writeBundle(out, { name: me.name === "key-file" ? "imported" : me.name, keys, membership });
  }
  const whiches = order.filter((which) => found.some((key) => key.which === which));
  const { ui } = context;
  return {
    data: { name: me.name, did: me.did, file: out, sealed, keys: whiches, dryRun },
    text: ui.facts([
      {
        mark: dryRun ? "none" : sealed ? "ok" : "warn",
        label: dryRun ? "would export" : "exported",
        value: styledDid(ui, me.did),
      },
      {
        label: "file",
        value: `${tilde(context.paths, out)} ${ui.dim(sealed ? "(0600, sealed)" : "(0600, in clear)")}`,
      },
      {
        label: "holds",
        value: whiches
          .map((which) => ({ key: "the key", next: "the next key", recovery: "the recovery key" })[which])
          .join(", "),
      },
      { label: "there", value: `peerage key import ${tilde(context.paths, out)}` },
    ]),
    plain: [[me.did, out]],
  };
}
