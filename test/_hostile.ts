import { StatementSet, View, type Verified, type Vouch, type Revocation } from "@peerage/core";
import { markVerified } from "../core/src/verified.ts";
import { sha256Hex } from "../core/src/encoding/sha256.ts";
import type { Did } from "../core/src/did/did-key.ts";
import { didOf } from "./_trust.ts";

/** When everything in a hostile log was said, Unix seconds. */
export const HOSTILE_TIME = 1_795_000_000;
/** Who is who: a root, two agents it vouches for, and the fakes. The hub is vouched for by both. */
export const cast: { root: number; one: number; two: number; hub: number; victim: number; firstFake: number } = {
  root: 0,
  one: 1,
  two: 2,
  hub: 3,
  victim: 4,
  firstFake: 10,
};

/** A vouch as the verifier of a follower leaves it. Signing a million would measure the signing. */
export function saidVouch(issuer: number, subject: number, confidence = 100, nonce = 0): Verified<Vouch> {
  const text = `${issuer} ${subject} ${confidence} ${nonce}`;
  return markVerified<Vouch>({
    ...said(issuer, text),
    kind: "Vouch",
    subject: didOf(subject),
    scope,
    confidence,
    validFrom: HOSTILE_TIME,
    validUntil: HOSTILE_TIME + 90 * 86_400,
    evidence,
  });
}

export function saidRevocation(issuer: number, target: Vouch["id"] | Did, nonce = 0): Verified<Revocation> {
  const revokes = target.startsWith("sha256:") ? "statement" : "subject";
  return markVerified<Revocation>({ ...said(issuer, `${target} ${nonce}`), kind: "Revocation", revokes, target });
}

// A million statements share what they have in common.
const nothing = new Uint8Array(0);
const document = {};
const scope = ["tools"];
const evidence: never[] = [];

function said(issuer: number, text: string) {
  const did = didOf(issuer);
  return {
    id: `sha256:${sha256Hex(`${issuer} ${text}`)}` as const,
    issuer: did,
    issuedAt: HOSTILE_TIME,
    createdAt: HOSTILE_TIME,
    keys: [did.slice(8) as `z6Mk${string}`],
    bytes: nothing,
    document,
  };
}

/**
 * A log made to be slow: a hub that vouches for `fans` agents, all of whom vouch for it and five thousand for a victim, a long chain
 * and a clique behind it. Two fooled vouchers give the hub power, so that every fan has some.
 */
export function* hostileVouches(fans: number): Generator<Verified<Vouch>> {
  const { root, one, two, hub, victim, firstFake } = cast;
  for (const [issuer, subject] of [
    [root, one],
    [root, two],
    [one, hub],
    [two, hub],
    [one, victim],
  ] as const) {
    yield saidVouch(issuer, subject);
  }
  for (let i = 0; i < fans; i++) {
    yield saidVouch(hub, firstFake + i);
    yield saidVouch(firstFake + i, hub);
    if (i < 5_000) yield saidVouch(firstFake + i, victim, 50);
  }
  const chain = firstFake + fans;
  const long = Math.ceil(fans / 10);
  for (let i = 0; i < long; i++) yield saidVouch(i === 0 ? hub : chain + i - 1, chain + i);
  const clique = chain + long;
  const size = Math.ceil(Math.sqrt(fans / 10));
  yield saidVouch(hub, clique);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) if (i !== j) yield saidVouch(clique + i, clique + j);
  }
}

/** A log as its followers hold it, which grows. */
export class HostileLog {
  readonly set: StatementSet = new StatementSet();
  time: number = HOSTILE_TIME + 60;

  add(...statements: readonly Verified<Vouch | Revocation>[]): this {
    for (const statement of statements) this.set.add({ statement, index: this.set.size, time: HOSTILE_TIME });
    return this;
  }

  get view(): View {
    const { set, time } = this;
    const head = { origin: "hostile.test", root: new Uint8Array(32), witnessed: true, note: "" };
    return new View(set, { ...head, size: set.size, time });
  }
}
