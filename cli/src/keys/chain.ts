import { type Did, type Digest, type KeyState, keyDigest, type MultibaseKey } from "@peerage/core";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { freshSnapshot, type Snapshot } from "../network.ts";

/** What the log says of an identity's keys: the event that the next one builds on, and what it committed. */
export interface Chain {
  readonly snapshot: Snapshot;
  readonly state: KeyState;
  readonly prev: { readonly id: Digest; readonly seq: number };
}

/** Reads an identity's key events, all of them checked. @throws {CliError} ERR_NOT_FOUND if the log has none */
export async function chainOf(context: Context, did: Did, name: string, maxAge: unknown): Promise<Chain> {
  const snapshot = await freshSnapshot(context, maxAge);
  const state = snapshot.view.keyState(did);
  if (state.last === undefined || state.seq === undefined) {
    throw new CliError("ERR_NOT_FOUND", `${snapshot.url} has no key events of ${name}: its key cannot change there`, {
      hint: `peerage init ${name} --registry ${snapshot.url}`,
    });
  }
  return { snapshot, state, prev: { id: state.last, seq: state.seq } };
}

/** True if a key is the one that was committed by this digest. */
export function isCommitted(key: MultibaseKey | undefined, digest: Digest | undefined): boolean {
  return key !== undefined && digest !== undefined && keyDigest(key) === digest;
}
