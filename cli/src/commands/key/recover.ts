import { type Did, generateSeed, issueKeyRecover, keyDigest, type KeyEvent, type Verified } from "@peerage/core";
import { checkedDid } from "../../agents.ts";
import type { Context, Options } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { findIdentity, identityName, keyPaths } from "../../files/identities.ts";
import { createKeyFile, inspectKeyFile } from "../../files/key-file.ts";
import { carryOut, KeyRing } from "../../keys/change.ts";
import { chainOf } from "../../keys/chain.ts";
import { compromisedSince, pendingOf } from "../../keys/options.ts";
import { changedResult, plannedResult } from "../../keys/results.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";

/** `peerage key recover`: takes an identity back by its recovery keys, whatever a thief or a dispute did in the last 7 days. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const me = await whose(context, options);
  const registry = await context.needRegistry();
  const since = compromisedSince(options, context.io.now());
  const ring = new KeyRing(context, me.name, options["passphraseFile"]);
  const at = keyPaths(context.paths, me.name);
  const given = (options["recoveryKey"] as string[] | undefined) ?? [at.recovery];
  const pending = await pendingOf(context, me.name, "recover");
  if (options["dryRun"] === true) {
    const { state } = await chainOf(context, me.did, me.name, options["maxAge"]);
    return plannedResult(context, me, { event: "recover", state, signs: given.join(" "), makes: at.recovered });
  }
  const event = pending ?? (await sign(context, me, ring, given, since, options["maxAge"]));
  const { index } = await carryOut(context, me.name, registry, event, ring);
  return changedResult(context, me, event, { registry, index, resumed: pending !== undefined });
}

interface Whose {
  readonly name: string;
  readonly did: Did;
  readonly path: string;
}

/** The identity, whose own key may be lost with the machine that had it: then its DID must be told. */
async function whose(context: Context, options: Options): Promise<Whose> {
  const did = options["did"] === undefined ? undefined : checkedDid(String(options["did"]));
  if (did === undefined) return context.identityFile();
  const name = (await context.settings()).value("identity");
  if (name === undefined || !identityName.test(name))
    throw usage("--did needs a name for the identity here", "--identity <name>");
  const found = await findIdentity(context.paths, name);
  if (found && found.did !== did)
    throw usage(`${name} is another identity on this machine`, "--identity <another name>");
  return found ?? { name, did, path: keyPaths(context.paths, name).current };
}

async function sign(
  context: Context,
  me: Whose,
  ring: KeyRing,
  given: readonly string[],
  compromised: Date | undefined,
  maxAge: unknown,
): Promise<Verified<KeyEvent>> {
  const { state, prev } = await chainOf(context, me.did, me.name, maxAge);
  const { recovery } = state;
  if (!recovery) throw new CliError("ERR_KEY_EVENT_INVALID", `${me.name} has committed no recovery keys`, { exit: 3 });
  const keys = await Promise.all(given.map(inspectKeyFile));
  for (const [i, file] of keys.entries()) {
    const path = given[i] ?? "";
    if (!file)
      throw new CliError("ERR_IDENTITY_MISSING", `there is no recovery key at ${path}`, {
        hint: "--recovery-key <path>",
      });
    if (!recovery.keys.includes(keyDigest(file.key)))
      throw new CliError("ERR_KEY_FILE_INVALID", `${path} is none of the recovery keys that were committed`);
  }
  if (keys.length < recovery.threshold)
    throw usage(`${recovery.threshold} recovery keys must sign`, "--recovery-key <path> --recovery-key <path>");
  if (context.canAsk && !(await context.confirm(`Recover ${me.name} with a new key? The event is public for ever.`)))
    throw usage("nothing was signed");
  const at = keyPaths(context.paths, me.name);
  const seal = await ring.sealOf(given[0] ?? at.recovery);
  for (const path of [at.recovered, at.after])
    if (!(await inspectKeyFile(path))) await createKeyFile(path, generateSeed(), seal);
  const after = await inspectKeyFile(at.after);
  if (!after) throw new CliError("ERR_KEY_FILE_INVALID", `${at.after} is gone`);
  return issueKeyRecover(
    await ring.signer(at.recovered, me.did),
    await Promise.all(given.map((path) => ring.signer(path, me.did))),
    { prev, next: keyDigest(after.key), compromisedSince: compromised, now: context.io.now() },
  );
}
