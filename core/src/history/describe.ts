import type { Did } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import type { JsonObject } from "../json/types.ts";
import { formatTime } from "../time.ts";
import type { Verified } from "../verified.ts";
import { hasCustody } from "./custody.ts";
import type { Entry } from "./entry.ts";
import type { History } from "./history.ts";

/** One verified entry as policies, adapters and people see it. An absent fact is an absent member. */
export interface EntryDocument {
  /** Its place among the presented entries. */
  readonly seq?: number;
  readonly digest: Digest;
  readonly prev: readonly Digest[];
  readonly step: string;
  readonly result: string;
  /** The signer. */
  readonly agent: Did;
  /** The signer's bound SPIFFE ID. */
  readonly spiffe?: string;
  /** RFC 3339 in UTC. */
  readonly timestamp: string;
  readonly expires?: string;
  readonly req?: string;
  readonly aud?: string;
  readonly call?: string;
  readonly tool?: string;
  /** Where it is not the run that the call presents. */
  readonly run?: string;
  readonly sub: JsonObject;
}

/** The members of a policy input that speak of history. */
export interface HistoryDocument {
  readonly run?: string;
  readonly in_custody?: boolean;
  readonly history: readonly EntryDocument[];
  readonly held: readonly EntryDocument[];
}

/** Whose history it is, and what is known beside it. */
export interface DescribeHistoryOptions {
  readonly caller: Did;
  readonly now: Date;
  /**
   * Verified entries that this guard keeps itself, each after those it refers to: approvals for this caller and request,
   * adverse entries seen for this run or request, and the ancestors of both.
   */
  readonly held?: readonly Verified<Entry>[];
  /** The SPIFFE ID of an entry's signer, where that was verified. */
  readonly spiffeOf?: ((entry: Entry) => string | undefined) | undefined;
}

/** The facts that a policy may ask of a presented history and of what this guard holds. */
export function describeHistory(
  history: Verified<History> | undefined,
  options: DescribeHistoryOptions,
): HistoryDocument {
  const entries = history?.entries ?? [];
  const presented = new Set(entries.map((entry) => entry.digest));
  const held = (options.held ?? []).filter((entry) => !presented.has(entry.digest));
  const now = options.now.getTime() / 1000;
  const { spiffeOf } = options;
  return {
    ...(history && {
      run: history.run,
      in_custody: hasCustody(
        entries.map(({ issuer, audience, ...entry }) => ({ ...entry, agent: issuer, aud: audience })),
        options.caller,
        now,
      ),
    }),
    history: entries.map((entry, seq) => ({ seq, ...describeEntry(entry, history?.run, spiffeOf?.(entry)) })),
    held: held.map((entry) => describeEntry(entry, history?.run, spiffeOf?.(entry))),
  };
}

/** One entry as a document; its run is named where it is not `run`. `spiffe` is the verified SPIFFE ID of its signer. */
export function describeEntry(entry: Entry, run: string | undefined, spiffe?: string): EntryDocument {
  const { req, audience: aud, call, tool, expiresAt } = entry;
  return {
    digest: entry.digest,
    prev: entry.prev,
    step: entry.step,
    result: entry.result,
    agent: entry.issuer,
    ...(spiffe !== undefined && { spiffe }),
    timestamp: formatTime(entry.issuedAt),
    ...(expiresAt !== undefined && { expires: formatTime(expiresAt) }),
    ...(req !== undefined && { req }),
    ...(aud !== undefined && { aud }),
    ...(call !== undefined && { call }),
    ...(tool !== undefined && { tool }),
    ...(entry.run !== run && { run: entry.run }),
    sub: entry.sub ?? {},
  };
}
