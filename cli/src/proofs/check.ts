import {
  type Did,
  type ErrorCode,
  fromUtf8,
  MAX_PLACE_FILE_BYTES,
  parsePlaceFile,
  type Place,
  type PlaceProof,
  SKEW_SECONDS,
  type Verified,
  verifyPlaceProof,
  type View,
} from "@peerage/core";
import { describeError } from "../errors.ts";
import { rfc3339 } from "../ui/time.ts";
import type { Check } from "../verify/check.ts";
import { keyCheck, keyDefect } from "../verify/later-keys.ts";
import type { ProvenBook } from "./book.ts";
import type { Published } from "./published.ts";

/** One proof that stands at a place, and what it is worth. */
export type FoundProof =
  | {
      readonly holds: true;
      readonly proof: Verified<PlaceProof>;
      /** What the log said of its key, if there was one to ask, and if it is new enough. */
      readonly key: Check;
    }
  | {
      readonly holds: false;
      readonly code: ErrorCode;
      readonly why: string;
      /** Set only where the signature holds. */
      readonly agent?: Did;
    };

/** What was found at a place, at one moment. */
export interface PlaceCheck {
  readonly place: Place;
  /** When it was looked at, RFC 3339. */
  readonly checkedAt: string;
  readonly answer: Published["state"];
  /** Of an answer that is no file: why. */
  readonly why?: string;
  readonly proofs: readonly FoundProof[];
  /** Agents that were found proven there before and are not now. While nobody can tell: all that were. */
  readonly before: readonly { readonly agent: Did; readonly at: string }[];
}

export interface PlaceCheckOptions {
  readonly read: (url: string, maxBytes: number) => Promise<Published>;
  readonly book: ProvenBook;
  readonly now: () => Date;
  /** The log by which keys are judged, asked once there is something to judge. */
  readonly viewFor: (text: string) => Promise<View | undefined>;
}

/**
 * Looks at a place now: reads the file that it publishes, verifies every proof in it, and remembers who was proven. What
 * was seen before is never taken for a proof.
 */
export async function checkPlace(place: Place, options: PlaceCheckOptions): Promise<PlaceCheck> {
  const published = await options.read(place.file, MAX_PLACE_FILE_BYTES);
  const now = options.now();
  const checkedAt = rfc3339(Math.floor(now.getTime() / 1000));
  const everyone = await options.book.everyone(place);
  if (published.state !== "found")
    return { place, checkedAt, answer: published.state, why: published.why, proofs: [], before: everyone };
  const proofs = await judgeFile(place, published.bytes, now, options);
  const holding = proofs.flatMap((found) => (found.holds ? [found.proof.issuer] : []));
  await options.book.keep(place, holding, checkedAt);
  const before = everyone.filter(({ agent }) => !holding.includes(agent));
  return { place, checkedAt, answer: "found", proofs, before };
}

async function judgeFile(
  place: Place,
  bytes: Uint8Array,
  now: Date,
  options: PlaceCheckOptions,
): Promise<readonly FoundProof[]> {
  let text: string;
  let documents: ReturnType<typeof parsePlaceFile>;
  try {
    documents = parsePlaceFile(bytes);
    text = fromUtf8(bytes);
  } catch (error) {
    return [refused(error)];
  }
  const view = documents.length === 0 ? undefined : await options.viewFor(text);
  const found: FoundProof[] = [];
  for (const document of documents) {
    try {
      found.push(judge(await verifyPlaceProof(document, place), now, view));
    } catch (error) {
      found.push(refused(error));
    }
  }
  return found;
}

function judge(proof: Verified<PlaceProof>, now: Date, view: View | undefined): FoundProof {
  const { issuer, key, issued } = proof;
  if (issued > now.getTime() / 1000 + SKEW_SECONDS) {
    const why = `it is dated ${rfc3339(issued)}, which is yet to come`;
    return { holds: false, code: "ERR_STATEMENT_NOT_YET_VALID", why, agent: issuer };
  }
  const defect = keyDefect({ issuer, key }, issued, view);
  if (defect) return { holds: false, code: defect.code, why: `its key ${defect.message}`, agent: issuer };
  // A place speaks for an agent of today: one that is burnt or suspended cannot be met there.
  const status = view?.keyState(issuer).status ?? "active";
  if (status !== "active")
    return { holds: false, code: "ERR_KEY_REVOKED", why: `its key is ${status}, by the log`, agent: issuer };
  return { holds: true, proof, key: keyCheck({ issuer, key }, issued, view, now) };
}

function refused(error: unknown): FoundProof {
  const { code, message } = describeError(error);
  return { holds: false, code, why: message };
}

/** What a check says of one agent at one place. */
export type Standing = "proven" | "not-proven" | "no-longer" | "unreachable";

/** What a check says of one agent. Nobody is proven by a place that could not be asked. */
export function standingAt(check: PlaceCheck, agent: Did): Standing {
  if (check.answer === "unreachable") return "unreachable";
  if (check.proofs.some((found) => found.holds && found.proof.issuer === agent)) return "proven";
  return check.before.some((one) => one.agent === agent) ? "no-longer" : "not-proven";
}
