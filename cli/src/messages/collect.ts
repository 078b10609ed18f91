import { type Digest, unixSeconds } from "@peerage/core";
import { CliError } from "../errors.ts";
import { type Judge, judge } from "./judge.ts";
import { eraseWaiting, fetchWaiting, listWaiting, type Post, type Waiting } from "./post.ts";

/** What came of a look into the mail. */
export interface Collected {
  /** Messages that are new on this machine. */
  readonly fetched: readonly Digest[];
  /** Messages that came before, in other sealed bytes: they were not taken in. */
  readonly replayed: number;
}

/**
 * Brings what waits at the registry to this machine. A message is erased there only when it is on the disk here, so that an
 * end at any moment loses nothing: the next run goes on where this one ended.
 * @param options.keep leave everything at the registry
 */
export async function collect(post: Post, by: Judge, options: { readonly keep: boolean }): Promise<Collected> {
  const fetched: Digest[] = [];
  let replayed = 0;
  const here = new Set((await by.store.all()).map(({ id }) => id));
  for (const waiting of await listWaiting(post)) {
    if (!here.has(waiting.id) && !(await by.store.isRemoved(waiting.id))) {
      const outcome = await take(post, by, waiting);
      if (outcome === "fetched") fetched.push(waiting.id);
      if (outcome === "replayed") replayed++;
    }
    if (!options.keep) await eraseWaiting(post, waiting.id);
  }
  await by.store.forgetExpired(unixSeconds(by.now));
  return { fetched, replayed };
}

async function take(post: Post, by: Judge, { id }: Waiting): Promise<"fetched" | "replayed" | "gone"> {
  let sealed: Uint8Array;
  let received: number;
  try {
    ({ sealed, received } = await fetchWaiting(post, id));
  } catch (error) {
    // Another machine of the same identity was faster.
    if (error instanceof CliError && error.code === "ERR_NOT_FOUND") return "gone";
    throw error;
  }
  // Only now is it here: many may have been fetched since the look began.
  const kept = { id, sealed, registry: post.registry, received, fetched: unixSeconds(post.now()), read: false };
  await by.store.add(kept);
  const { error } = await judge(kept, by);
  if (error?.code !== "ERR_PROOF_REPLAYED") return "fetched";
  await by.store.remove(id);
  return "replayed";
}
