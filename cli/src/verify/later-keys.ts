import { type Did, type Entry, type MultibaseKey, SKEW_SECONDS, type View } from "@peerage/core";
import type { Snapshot } from "../network.ts";

/**
 * The log by which keys are judged, where there is one to ask. Offline a DID's first key is believed; what a later one
 * signed cannot be judged without the log, so then it must be there.
 * @throws {PeerageError} ERR_REGISTRY_UNREACHABLE and what else following it throws, if a later key is named
 */
export async function viewFor(text: string, snapshot: () => Promise<Snapshot | undefined>): Promise<View | undefined> {
  try {
    return (await snapshot())?.view;
  } catch (error) {
    if (namesLaterKey(text)) throw error;
    return undefined;
  }
}

/**
 * True if the key of an entry or proof stood behind its issuer when it signed. Times are whole seconds, so the second of
 * a change counts for both keys; and a signer's clock may be a little behind the log's when it takes up a new one.
 */
export function keyStood(view: View, { issuer, kid, issuedAt }: Pick<Entry, "issuer" | "kid" | "issuedAt">): boolean {
  const key = kid.slice(kid.indexOf("#") + 1) as MultibaseKey;
  return [issuedAt, issuedAt - 1, issuedAt + SKEW_SECONDS].some((time) => view.keyStoodAt(issuer, key, time));
}

/**
 * Why the key that signed a document cannot speak for its issuer at the time it names; undefined where it can. Offline
 * that is a DID's own first key.
 */
export function keyDefect(
  { issuer, key }: { readonly issuer: Did; readonly key: MultibaseKey },
  issuedAt: number,
  view: View | undefined,
): string | undefined {
  if (!view) return issuer === `did:key:${key}` ? undefined : "not the DID's own key, and no log to ask";
  return keyStood(view, { issuer, kid: `${issuer}#${key}`, issuedAt })
    ? undefined
    : "did not stand behind the DID when it signed, by the log";
}

/** True if some signature in a text names a key that is not its DID's first. */
function namesLaterKey(text: string): boolean {
  const headers = [...text.matchAll(/(?<![\w.-])(eyJ[\w-]{50,400})\.[\w-]+\.[\w-]+/g)].map(([, header = ""]) =>
    Buffer.from(header, "base64url").toString("latin1"),
  );
  return [text, ...headers].some((part) =>
    [...part.matchAll(/did:key:(z6Mk\w{44})#(z6Mk\w{44})/g)].some(([, did, key]) => did !== key),
  );
}
