import { generateIdentity, type Identity, issueVouch, type Vouch } from "@peerage/core";

/** Vouches of some agents for one another, no two alike. */
export async function makeVouches(count: number, agents: readonly Identity[] = makeAgents(40)): Promise<Vouch[]> {
  const from = Date.now() - count * 1_000 - 2_000_000;
  return Promise.all(
    Array.from({ length: count }, (_, i) => {
      const issuer = agents[i % agents.length]!;
      const subject = agents[(i * 7 + 1 + Math.floor(i / agents.length)) % agents.length]!;
      const other = subject === issuer ? agents[(i + 1) % agents.length]! : subject;
      return issueVouch(issuer, {
        subject: other.did,
        scope: ["tools"],
        confidence: 1 + (i % 100),
        validFrom: new Date(from + i * 1_000),
      });
    }),
  );
}

/** So many agents with fresh keys. */
export function makeAgents(count: number): Identity[] {
  return Array.from({ length: count }, () => generateIdentity());
}
