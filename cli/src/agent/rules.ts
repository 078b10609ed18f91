import type { Asked, Kind } from "./kinds.ts";

/** What a signing agent signs without asking anybody. */
export interface Rules {
  readonly kinds: ReadonlySet<Kind>;
  /** DIDs and URLs; undefined for any. */
  readonly audiences: ReadonlySet<string> | undefined;
}

/** Signed unless told otherwise: what an agent does all day. Never what others will believe of somebody else. */
export const ordinary: readonly Kind[] = ["calls", "entries"];

const forNobody: ReadonlySet<Kind> = new Set<Kind>(["entries", "statements"]);

/** Why something is not signed; undefined if it may be. */
export function refusal({ kinds, audiences }: Rules, { kind, audience }: Asked): string | undefined {
  if (!kinds.has(kind)) return `this agent does not sign ${kind}`;
  // A step of one's own history is for nobody in particular, and a statement is for everybody.
  if (audiences === undefined || (audience === undefined && forNobody.has(kind))) return undefined;
  if (kind === "checkpoints") return undefined;
  return audience !== undefined && audiences.has(audience) ? undefined : "this agent does not sign for this audience";
}
