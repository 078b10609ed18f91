import {
  type Did,
  type Entry,
  isPeerageError,
  type MultibaseKey,
  PeerageError,
  SKEW_SECONDS,
  type View,
} from "@peerage/core";
import { maxAgeSeconds, type Snapshot } from "../network.ts";
import { rfc3339 } from "../ui/time.ts";
import { type Check, notChecked, passed, thrown } from "./check.ts";

/** No registry answers at its address: whoever can bring that about can cut the line as well. */
const away: ReadonlySet<string> = new Set([
  "ERR_REGISTRY_UNREACHABLE",
  "ERR_REGISTRY_BUSY",
  "ERR_REGISTRY_RESPONSE",
  "ERR_NOT_FOUND",
]);

/**
 * The log by which keys are judged, where there is one to ask. Offline a DID's first key is believed; what a later one
 * signed cannot be judged without the log, so then it must be there.
 * @throws {PeerageError} ERR_REGISTRY_UNREACHABLE and the like only if a later key is named; what else following the log
 *   throws always: one that contradicts itself, or goes back, is not away
 */
export async function viewFor(text: string, snapshot: () => Promise<Snapshot | undefined>): Promise<View | undefined> {
  try {
    return (await snapshot())?.view;
  } catch (error) {
    if (!(isPeerageError(error) && away.has(error.code)) || namesLaterKey(text)) throw error;
    return undefined;
  }
}

/**
 * True if the key of an entry or proof stood behind its issuer when it signed. Times are whole seconds, so the second of
 * a change counts for both keys; and a signer's clock may be a little behind the log's when it takes up a new one.
 */
export function keyStood(view: View, { issuer, kid, issuedAt }: Pick<Entry, "issuer" | "kid" | "issuedAt">): boolean {
  const key = keyIn(kid);
  return [issuedAt, issuedAt - 1, issuedAt + SKEW_SECONDS].some((time) => view.keyStoodAt(issuer, key, time));
}

/** Who signed something, by which of its keys. */
export interface Signed {
  readonly issuer: Did;
  readonly key: MultibaseKey;
}

/**
 * Why the key that signed something cannot speak for its issuer at the time it names; undefined where it can. Offline that
 * is a DID's own first key. What a lost key signed speaks for nobody, whatever its date: a thief dates back, and a reader
 * who has it from a file alone did not see it before.
 */
export function keyDefect({ issuer, key }: Signed, issuedAt: number, view: View | undefined): PeerageError | undefined {
  if (!view) {
    const isOwn = issuer === `did:key:${key}`;
    return isOwn ? undefined : new PeerageError("ERR_KEY_SUPERSEDED", "is not the DID's own, and no log to ask");
  }
  const lost = view.keyLostSince(issuer, key);
  if (lost !== undefined) {
    const text = `is lost since ${rfc3339(lost)}, by the log: a thief could have signed this, with any date`;
    return new PeerageError("ERR_KEY_REVOKED", text);
  }
  if (keyStood(view, { issuer, kid: `${issuer}#${key}`, issuedAt })) return undefined;
  return new PeerageError("ERR_KEY_SUPERSEDED", "did not stand behind the DID when it signed, by the log");
}

/** {@link keyDefect} as a check. Whether a key is good is only as new as the log that says so. */
export function keyCheck(signed: Signed, issuedAt: number, view: View | undefined, now: Date): Check {
  const defect = keyDefect(signed, issuedAt, view);
  if (defect) return thrown("key", defect);
  if (!view) return notChecked("key", "no log to ask: by the DID's own key (offline)");
  const good = "stood behind the DID when it signed, by the log";
  return now.getTime() / 1000 - view.time > maxAgeSeconds(undefined)
    ? notChecked("key", `${good} of ${rfc3339(view.time)}: what happened since is not known`)
    : passed("key", good);
}

/** The key of a verification method. */
export function keyIn(kid: string): MultibaseKey {
  return kid.slice(kid.indexOf("#") + 1) as MultibaseKey;
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
