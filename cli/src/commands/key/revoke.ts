import { issueKeyRevoke, type KeyEvent, type Verified } from "@peerage/core";
import type { Context } from "../../context.ts";
import { usage } from "../../errors.ts";
import { keyPaths } from "../../files/identities.ts";
import { carryOut, KeyRing } from "../../keys/change.ts";
import { chainOf } from "../../keys/chain.ts";
import { compromisedSince, pendingOf } from "../../keys/options.ts";
import { changedResult, plannedResult } from "../../keys/results.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";

/** `peerage key revoke`: from its entry on nothing that this identity gives or is given counts, until a rotate or recover. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const me = await context.identityFile();
  const registry = await context.needRegistry();
  const which = (["current", "next", "recovery"] as const).find((word) => word === (options["with"] ?? "current"));
  if (which === undefined) throw usage("--with is current, next or recovery");
  const since = compromisedSince(options, context.io.now());
  const ring = new KeyRing(context, me.name, options["passphraseFile"]);
  const path = keyPaths(context.paths, me.name)[which];
  const pending = await pendingOf(context, me.name, "revoke");
  if (options["dryRun"] === true) {
    const { state } = await chainOf(context, me.did, me.name, options["maxAge"]);
    return plannedResult(context, me, { event: "revoke", state, signs: path });
  }
  const sign = async (): Promise<Verified<KeyEvent>> => {
    const { prev } = await chainOf(context, me.did, me.name, options["maxAge"]);
    const question = `Suspend ${me.name}? Nothing of it counts until its key is changed.`;
    if (context.canAsk && !(await context.confirm(question))) throw usage("nothing was signed");
    const signer = await ring.signer(path, me.did);
    return issueKeyRevoke(signer, { prev, compromisedSince: since, now: context.io.now() });
  };
  const event = pending ?? (await sign());
  const { index } = await carryOut(context, me.name, registry, event, ring);
  return changedResult(context, me, event, { registry, index, resumed: pending !== undefined });
}
