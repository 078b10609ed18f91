import {
  checkSealedForm,
  type Did,
  type ErrorCode,
  isPeerageError,
  type MultibaseKey,
  PeerageError,
  type SealedMessage,
  unixSeconds,
  verifyMessage,
  type View,
} from "@peerage/core";
import { keyStood } from "../verify/later-keys.ts";
import { rfc3339 } from "../ui/time.ts";
import { open, type OpeningKey } from "./age.ts";
import type { Kept, KeptMessages } from "./kept.ts";

/** A message that was opened and believed, or why it is not. */
export type Judged = { readonly kept: Kept } & (
  | { readonly message: SealedMessage; readonly error?: undefined }
  | { readonly error: { readonly code: ErrorCode; readonly message: string }; readonly message?: undefined }
);

/** Whose inbox it is, and by what messages in it are judged. */
export interface Judge {
  readonly did: Did;
  readonly keys: readonly OpeningKey[];
  readonly view: View;
  readonly store: KeptMessages;
  readonly now: Date;
}

/**
 * Opens a message and checks all that can be: the signature of its sender over this recipient, its time and its body; that
 * the key was the sender's then and is not lost; and that it was not taken in before.
 */
export async function judge(kept: Kept, by: Judge): Promise<Judged> {
  try {
    return { kept, message: await check(kept, by) };
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return { kept, error: { code: error.code, message: error.message } };
  }
}

async function check(kept: Kept, { did, keys, view, store, now }: Judge): Promise<SealedMessage> {
  checkSealedForm(kept.sealed);
  const content = await open(keys, kept.sealed);
  if (!content)
    throw new PeerageError("ERR_SEALED_INVALID", "no key of yours opens it: it was altered, or is another's");
  const message = verifyMessage(content, { recipient: did, now, keysOf: (sender) => view.keysOf(sender) });
  checkSender(view, message, kept);
  const outcome = await store.admit(kept.id, message, unixSeconds(now));
  if (outcome === "replayed") throw new PeerageError("ERR_PROOF_REPLAYED", "the same message came before");
  if (outcome === "expired")
    throw new PeerageError("ERR_PROOF_EXPIRED", `it was to be read by ${rfc3339(message.expiresAt)}`);
  return message;
}

/**
 * A thief writes any date. So of a key that was lost only what was here before counts; and a key that was retired must have
 * been the sender's also when the message came to the registry, whose clock is not the thief's.
 */
function checkSender(view: View, { sender, kid, issuedAt }: SealedMessage, { fetched, received }: Kept): void {
  const key = kid.slice(kid.indexOf("#") + 1) as MultibaseKey;
  const lost = view.keyLostSince(sender, key);
  if (lost !== undefined && fetched >= lost) {
    throw new PeerageError(
      view.keyState(sender).status === "disputed" ? "ERR_KEY_DISPUTED" : "ERR_KEY_REVOKED",
      `the sender's key does not count since ${rfc3339(lost)}: a thief could have written this`,
    );
  }
  const stood = (at: number): boolean => keyStood(view, { issuer: sender, kid, issuedAt: at });
  if (!stood(issuedAt) || !stood(received))
    throw new PeerageError("ERR_KEY_SUPERSEDED", "the key that signed it was not the sender's when it came");
}
