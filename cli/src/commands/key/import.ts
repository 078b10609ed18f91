import { resolve } from "node:path";
import type { Context } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { writeSetting } from "../../files/config.ts";
import { identityName, keyPaths } from "../../files/identities.ts";
import { keepMembership, keptMembership } from "../../files/join.ts";
import { createKeyFileOf, inspectKeyFile, keyFormOf } from "../../files/key-file.ts";
import { tilde } from "../../files/paths.ts";
import { openBundle, order, readBundle, type Which } from "../../keys/bundle.ts";
import { chosenPassphrase } from "../../keys/passphrase.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import { visible } from "../../ui/visible.ts";

/**
 * `peerage key import`: puts an exported identity in its place, never over another. Sealed keys stay sealed by their
 * passphrase; none is written in clear without `--plaintext` and a yes. Safe to run again.
 */
export async function run(context: Context, { words: [word = "", as], options }: Args): Promise<Result> {
  const file = resolve(context.io.cwd, word);
  const bundle = await readBundle(file);
  const { did } = bundle;
  const name = as ?? bundle.name;
  if (!identityName.test(name))
    throw usage(`${visible(name)} is no name for an identity`, "lower-case letters, digits, - and _");
  if ((await context.names()).has(name))
    throw usage(`${name} is your name for another agent`, `peerage key import ${word} <another name>`);
  const paths = keyPaths(context.paths, name);
  const at: Record<Which, string> = { key: paths.current, next: paths.next, recovery: paths.recovery };
  const missing: Which[] = [];
  for (const which of order) {
    const there = await inspectKeyFile(at[which]);
    const given = bundle.keys.get(which);
    if (!there && given) missing.push(which);
    // Keys of two identities, or of two times of one, never stand under one name.
    if (there && (there.key !== given?.info.key || there.did !== given.info.did)) {
      if (!given && (await inspectKeyFile(at.key))?.did === did) continue;
      throw new CliError("ERR_KEY_FILE_UNSAFE", `${at[which]} holds another key and is never overwritten`, {
        hint: `peerage key import ${word} <another name>`,
      });
    }
  }
  const kept = await keptMembership(context.paths, name);
  if (kept && bundle.membership && JSON.stringify(kept) !== JSON.stringify(bundle.membership))
    throw new CliError("ERR_KEY_FILE_UNSAFE", `${name} has joined registries by other statements on this machine`, {
      hint: `peerage key import ${word} <another name>`,
    });

  const dryRun = options["dryRun"] === true;
  const plaintext = options["plaintext"] === true;
  if (!dryRun && missing.length > 0) {
    const passphrase = await sealFor(context, name, bundle.sealed, plaintext, options);
    const opened = await openBundle(
      bundle,
      async () => passphrase ?? context.passphrase(name, textOf(options["passphraseFile"])),
      file,
    );
    try {
      for (const which of missing) {
        const key = opened.get(which);
        const given = bundle.keys.get(which);
        if (!key || !given) continue;
        if (which === "key" && bundle.membership) await keepMembership(context.paths, name, bundle.membership);
        // What is sealed is put in its place as it came.
        const isKept = given.info.locked && !plaintext;
        const form = isKept ? given.form : await keyFormOf(key.did, key.seed, plaintext ? undefined : passphrase);
        await createKeyFileOf(at[which], form);
      }
    } finally {
      for (const { seed } of opened.values()) seed.fill(0);
    }
    if ((await context.settings()).value("identity") === undefined) await writeSetting(context.paths, "identity", name);
  }
  const keys = order
    .filter((which) => bundle.keys.has(which))
    .map((which) => ({
      which,
      path: at[which],
      state: missing.includes(which) ? (dryRun ? ("would" as const) : ("made" as const)) : ("already" as const),
    }));
  const sealed = (await inspectKeyFile(at.key))?.locked ?? !plaintext;
  const { ui } = context;
  const label = missing.length === 0 ? "already here" : dryRun ? "would import" : "imported";
  return {
    data: { name, did, file, sealed, keys, dryRun },
    text: ui.facts([
      { mark: missing.length > 0 && dryRun ? "none" : "ok", label, value: styledDid(ui, did) },
      {
        label: "kept at",
        value: `${tilde(context.paths, at.key)} ${ui.dim(sealed ? "(0600, sealed)" : "(0600, no passphrase)")}`,
      },
      { label: "note", value: "both copies sign as this identity: keep one of them" },
    ]),
    plain: [[did, at.key]],
  };
}

/** The passphrase by which the keys will be sealed here; undefined for none, which needs a yes. */
async function sealFor(
  context: Context,
  name: string,
  isSealed: boolean,
  plaintext: boolean,
  options: Args["options"],
): Promise<string | undefined> {
  if (plaintext) {
    if (await context.confirm(`Keep the keys of ${name} in clear? Whoever reads their files signs as it.`))
      return undefined;
    throw usage("nothing was written");
  }
  if (isSealed) return context.passphrase(name, textOf(options["passphraseFile"]));
  const chosen = await chosenPassphrase(context, { ...options, passphrase: context.canAsk });
  if (chosen === undefined)
    throw usage("the keys in this file are in clear", "--passphrase-file <path> to seal them, or --plaintext");
  return chosen;
}

function textOf(option: unknown): string | undefined {
  return typeof option === "string" ? option : undefined;
}
