import type { Did, Digest, Explanation, Score } from "@peerage/core";
import type { AgentRef, Asked } from "./page.ts";
import { addingColumn } from "./ui/format.ts";

/** One voucher's part of a score, ready to be shown and to be added up again. */
export interface Term {
  readonly voucher: AgentRef;
  readonly vouch: Digest;
  readonly root: boolean;
  /** `value = decay × power × dilution × weight`. */
  readonly decay: number;
  readonly power: number;
  readonly dilution: number;
  readonly weight: number;
  readonly value: number;
  /** The value with six decimals; all terms of a working add up to its evidence, digit for digit. */
  readonly addend: string;
  readonly chain: readonly Step[];
}

/** One vouch on the way from a root to the agent. */
export interface Step {
  readonly from: AgentRef;
  readonly to: AgentRef;
  readonly vouch: Digest;
  readonly confidence: number;
}

/** Why an agent has its score: what `explainTrust` of core says, with names. */
export interface Working {
  readonly target: AgentRef;
  readonly scope: string;
  readonly score: Score;
  readonly root: boolean;
  readonly evidence: string;
  /** Largest first. */
  readonly terms: readonly Term[];
  readonly independentVouchers: number;
  readonly holdsUp?: {
    readonly from: AgentRef;
    readonly to: AgentRef;
    readonly vouch: Digest;
    readonly scoreAfter: Score;
    readonly exact: boolean;
  };
  readonly raise?: {
    readonly threshold: number;
    readonly options: readonly {
      readonly by: readonly AgentRef[];
      readonly confidence: number;
      readonly scoreAfter: Score;
    }[];
  };
  readonly powerless: readonly AgentRef[];
  readonly notCounted: readonly { readonly id: Digest; readonly from: AgentRef; readonly reason: string }[];
  readonly provenance: Explanation["provenance"];
}

/** Puts an explanation into the form of pages. */
export function working(explanation: Explanation, { ref }: Pick<Asked, "ref">): Working {
  const ordered = [...explanation.contributions].sort((a, b) => b.value - a.value);
  const addends = addingColumn(
    ordered.map(({ value }) => value),
    explanation.evidence,
  );
  const { holdsUp, raise, provenance } = explanation;
  return {
    target: ref(explanation.target as Did),
    scope: provenance.scope ?? "",
    score: explanation.score,
    root: explanation.root,
    evidence: explanation.evidence.toFixed(6),
    terms: ordered.map((contribution, i) => ({
      voucher: ref(contribution.voucher),
      vouch: contribution.vouch,
      root: contribution.root,
      decay: contribution.decay,
      power: contribution.power,
      dilution: contribution.dilution,
      weight: contribution.weight,
      value: contribution.value,
      addend: addends[i] ?? "",
      chain: contribution.chain.map(({ issuer, subject, vouch, confidence }) => ({
        from: ref(issuer),
        to: ref(subject),
        vouch,
        confidence,
      })),
    })),
    independentVouchers: explanation.independentVouchers,
    ...(holdsUp && {
      holdsUp: {
        from: ref(holdsUp.issuer),
        to: ref(holdsUp.subject),
        vouch: holdsUp.vouch,
        scoreAfter: holdsUp.scoreAfter,
        exact: holdsUp.exact,
      },
    }),
    ...(raise && {
      raise: {
        threshold: raise.threshold,
        options: raise.options.map((option) => ({ ...option, by: option.by.map(ref) })),
      },
    }),
    powerless: explanation.powerless.map(ref),
    notCounted: explanation.notCounted.map(({ vouch, reason }) => ({ id: vouch.id, from: ref(vouch.issuer), reason })),
    provenance,
  };
}

/** Addends of the line; of more, the smaller ones are one sum, and the full working has each. */
const MOST_ADDENDS = 8;

/**
 * The line whose arithmetic gives the score: `0.590000 + 0.130000 = 0.720000`; of a single term, its factors; of very many,
 * the largest and the sum of the others.
 */
export function sumLine({ terms, evidence }: Pick<Working, "terms" | "evidence">): string {
  const [only, ...others] = terms;
  const left = only && others.length === 0 && !only.root ? factors(only) : addends(terms, evidence).join(" + ");
  const sum = left === evidence ? evidence : `${left} = ${evidence}`;
  return Number(evidence) > 1 ? `${sum}, of which at most 1 counts` : sum;
}

function addends(terms: readonly Term[], evidence: string): string[] {
  const shown = terms
    .slice(0, terms.length > MOST_ADDENDS + 1 ? MOST_ADDENDS : terms.length)
    .map(({ addend }) => addend);
  if (shown.length === terms.length) return shown;
  const millionths = (text: string): number => Math.round(Number(text) * 1_000_000);
  const rest = shown.reduce((left, addend) => left - millionths(addend), millionths(evidence));
  return [...shown, `${(rest / 1_000_000).toFixed(6)} of ${terms.length - shown.length} others`];
}

/** The factors of a term, `0.7 × 0.85 × 1 × 0.65`; a root's word is its confidence alone. */
export function factors({ root, decay, power, dilution, weight }: Term): string {
  const numbers = root ? [weight] : [decay, power, dilution, weight];
  return numbers.map((value) => String(Number(value.toFixed(6)))).join(" × ");
}
