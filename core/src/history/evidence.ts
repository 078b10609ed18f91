import type { Did } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import type { JsonObject } from "../json/types.ts";
import { Ancestry } from "./ancestry.ts";
import type { Entry } from "./entry.ts";

/** What a requirement reads of one verified entry. */
export interface EntryFacts {
  readonly digest: Digest;
  readonly prev: readonly Digest[];
  readonly step: string;
  readonly result: string;
  readonly agent: Did;
  /** The signer's bound SPIFFE ID. */
  readonly spiffe?: string | undefined;
  /** Unix seconds. */
  readonly issuedAt: number;
  /** Unix seconds. */
  readonly expiresAt?: number | undefined;
  readonly req?: string | undefined;
  readonly aud?: string | undefined;
  readonly tool?: string | undefined;
  readonly sub?: JsonObject | undefined;
  /** True for an entry of another run than the one that the call presents. */
  readonly otherRun: boolean;
}

/**
 * The entries that a call is judged over, each after those it refers to. What a requirement asks of the graph is
 * computed at the first question and kept: one call asks it for many rules.
 */
export class Evidence {
  readonly entries: readonly EntryFacts[];
  #byStep: Map<string, number[]> | undefined;
  #ancestry: Ancestry | undefined;

  constructor(entries: readonly EntryFacts[]) {
    this.entries = entries;
  }

  /** The places of the entries with this step, in order. */
  withStep(step: string): readonly number[] {
    return (this.#byStep ??= placesByStep(this.entries)).get(step) ?? none;
  }

  /** True if the entry at `descendant` refers, by `prev` over any number of entries, to the one at `ancestor`. */
  descends(descendant: number, ancestor: number): boolean {
    return (this.#ancestry ??= new Ancestry(this.entries)).descends(descendant, ancestor);
  }
}

/** The facts of verified entries as they stand; `run` is the run that the call presents. */
export function entryFacts(entry: Entry, run: string | undefined): EntryFacts {
  const { digest, prev, step, result, issuer, issuedAt, expiresAt, req, audience, tool, sub } = entry;
  return {
    digest,
    prev,
    step,
    result,
    agent: issuer,
    issuedAt,
    expiresAt,
    req,
    aud: audience,
    tool,
    sub,
    otherRun: entry.run !== run,
  };
}

const none: readonly number[] = [];

function placesByStep(entries: readonly EntryFacts[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [place, { step }] of entries.entries()) {
    const known = places.get(step);
    if (known) known.push(place);
    else places.set(step, [place]);
  }
  return places;
}
