import { generateSeed, issueKeyRotate, keyDigest, type KeyEvent, type Verified } from "@peerage/core";
import type { Context } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { type IdentityFile, keyPaths } from "../../files/identities.ts";
import { createKeyFile, inspectKeyFile } from "../../files/key-file.ts";
import { carryOut, KeyRing } from "../../keys/change.ts";
import { chainOf, isCommitted } from "../../keys/chain.ts";
import { compromisedSince, pendingOf } from "../../keys/options.ts";
import { changedResult, plannedResult } from "../../keys/results.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";

/** `peerage key rotate`: changes to the key that was committed before. The DID stays, and with it what others vouched for. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const me = await context.identityFile();
  const registry = await context.needRegistry();
  const ring = new KeyRing(context, me.name, options["passphraseFile"]);
  const since = compromisedSince(options, context.io.now());
  const pending = await pendingOf(context, me.name, "rotate");
  const at = keyPaths(context.paths, me.name);
  if (options["dryRun"] === true) {
    const { state } = await chainOf(context, me.did, me.name, options["maxAge"]);
    return plannedResult(context, me, { event: "rotate", state, signs: at.next, makes: at.after });
  }
  const event = pending ?? (await sign(context, me, ring, since, options["maxAge"]));
  const submitted = await carryOut(context, me.name, registry, event, ring);
  return changedResult(context, me, event, { registry, index: submitted.index, resumed: pending !== undefined });
}

async function sign(
  context: Context,
  me: IdentityFile,
  ring: KeyRing,
  compromised: Date | undefined,
  maxAge: unknown,
): Promise<Verified<KeyEvent>> {
  const { state, prev } = await chainOf(context, me.did, me.name, maxAge);
  if (state.status === "disputed" || state.status === "burnt") {
    const why =
      state.status === "burnt" ? "has revoked itself" : "is in dispute: its key events contradict one another";
    throw new CliError("ERR_KEY_DISPUTED", `${me.name} ${why}; only a recovery key can say what holds`, {
      hint: "peerage key recover",
    });
  }
  const at = keyPaths(context.paths, me.name);
  const next = await inspectKeyFile(at.next);
  if (!isCommitted(next?.key, state.next)) {
    throw new CliError("ERR_KEY_FILE_INVALID", `${at.next} is not the key that the last event committed`, {
      hint: "put a backup in its place, or: peerage key recover",
    });
  }
  if (context.canAsk && !(await context.confirm(`Change the key of ${me.name}? The event is public for ever.`)))
    throw usage("nothing was signed");
  if (!(await inspectKeyFile(at.after))) await createKeyFile(at.after, generateSeed(), await ring.sealOf(at.next));
  const after = await inspectKeyFile(at.after);
  if (!after) throw new CliError("ERR_KEY_FILE_INVALID", `${at.after} is gone`);
  return issueKeyRotate(await ring.signer(at.next, me.did), {
    prev,
    next: keyDigest(after.key),
    compromisedSince: compromised,
    now: context.io.now(),
  });
}
