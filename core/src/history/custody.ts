import type { Did } from "../did/did-key.ts";
import { Ancestry, type Linked } from "./ancestry.ts";

/** What custody reads of an entry, each after those it refers to. */
export interface CustodyEntry extends Linked {
  readonly step: string;
  readonly result: string;
  readonly agent: string;
  readonly aud?: string | undefined;
  /** Unix seconds. */
  readonly expiresAt?: number | undefined;
}

/** The steps that only a guard takes: a run that begins with its receipt belongs to the caller it answered. */
const receiptSteps: ReadonlySet<string> = new Set(["tool_call", "approval_request"]);

/**
 * The agents that may continue a run, and so call with its history: the signer of its root, or, where the root is a
 * receipt, the caller it was given to; and whoever one of them handed it to by a `handoff`, unexpired, signed after
 * getting it. The giver keeps custody. An agent that only added a step, or a server that saw the history, has none.
 * @param now Unix seconds
 */
export function custodians(entries: readonly CustodyEntry[], now: number): ReadonlySet<string> {
  const ancestry = new Ancestry(entries);
  const grants: { place: number; to: string }[] = [];
  for (const [place, entry] of entries.entries()) {
    const holds = (): boolean =>
      grants.some((grant) => grant.to === entry.agent && ancestry.descends(place, grant.place));
    const to = entry.prev.length === 0 ? rootHolder(entry) : handedTo(entry, now);
    if (to !== undefined && (entry.prev.length === 0 || holds())) grants.push({ place, to });
  }
  return new Set(grants.map((grant) => grant.to));
}

/** True if `caller` may continue the run. */
export function hasCustody(entries: readonly CustodyEntry[], caller: Did, now: number): boolean {
  return custodians(entries, now).has(caller);
}

function rootHolder({ step, agent, aud }: CustodyEntry): string {
  return receiptSteps.has(step) && aud !== undefined ? aud : agent;
}

function handedTo({ step, result, aud, expiresAt }: CustodyEntry, now: number): string | undefined {
  if (step !== "handoff" || result !== "given") return undefined;
  return expiresAt !== undefined && now >= expiresAt ? undefined : aud;
}
