import type { EdgeInput } from "../../core/src/trust/csr.ts";
import type { Did } from "../../core/src/did/did-key.ts";
import { sha256Hex } from "../../core/src/encoding/sha256.ts";
import type { VouchFields } from "../../core/src/trust/graph.ts";
// The engine takes verified vouches only. These are made up for the measurement, so the mark is set by hand.
import { markVerified, type Verified } from "../../core/src/verified.ts";

/** A network as guard and registry have it: vouches among agents with DIDs. */
export function vouchesOf(input: EdgeInput): { dids: readonly Did[]; vouches: readonly Verified<VouchFields>[] } {
  const dids = Array.from(
    { length: input.agents },
    (_, agent): Did => `did:key:z6Mk${String(agent).padStart(44, "1")}`,
  );
  const vouches = Array.from(input.issuers, (issuer, i) =>
    markVerified<VouchFields>({
      id: `sha256:${sha256Hex(String(i))}`,
      issuer: dids[issuer]!,
      subject: dids[input.subjects[i]!]!,
      scope: ["tools"],
      confidence: input.confidences[i]!,
      validFrom: 0,
      validUntil: 1,
    }),
  );
  return { dids, vouches };
}
