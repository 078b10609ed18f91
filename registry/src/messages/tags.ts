import { createHmac } from "node:crypto";
import { type Did, type NoteSigner, utf8 } from "@peerage/core";

/** Names a DID in the table of messages. */
export type Tagger = (did: Did) => string;

/**
 * Makes the tags of DIDs: HMAC-SHA-256 under a key that only who holds the log's key can compute. So a stolen database or
 * backup does not tell who writes to whom, and all processes with the log's key give the same tags. Ed25519 is
 * deterministic, so its signature over one text that is no note, and that is never shown, is such a key.
 */
export async function openTagger(log: Pick<NoteSigner, "sign">): Promise<Tagger> {
  const key = await log.sign(utf8("peerage/messages/tags/v1\n"));
  return (did) => createHmac("sha256", key).update(did).digest("base64url");
}
