import { createHash } from "node:crypto";
import {
  type Did,
  type Identity,
  identityFromSeed,
  issueKeyInit,
  issueProfile,
  issueRevocation,
  issueVouch,
  type Statement,
} from "../core/src/index.ts";

/** An invented network: statements in the order in which they are to be logged, with the time of each. */
export interface ExampleNetwork {
  readonly identities: readonly Identity[];
  readonly roots: readonly Did[];
  readonly names: (did: Did) => string | undefined;
  readonly statements: readonly { readonly statement: Statement; readonly at: Date }[];
}

const adjectives =
  "brisk calm amber deft eager fable hazel ionic jade mossy plain rapid silver umber vivid warm young zesty".split(" ");
const nouns =
  "quill lantern falcon warden vector signal oracle compass harbor archive mirror kernel otter scribe".split(" ");

/**
 * Communities of agents that mostly vouch for their own, a few bridges, two roots, two strangers, a revoked vouch and a
 * burnt agent. The same size and time always make the same network.
 */
export async function exampleNetwork(agents: number, until: Date): Promise<ExampleNetwork> {
  const random = numbers(`example ${agents}`);
  const identities = Array.from({ length: agents }, (_, i) => identityFromSeed(hash(`example agent ${i}`)));
  const names = new Map(
    identities.map(({ did }, i) => [did, `${pick(adjectives, i * 7)}-${pick(nouns, i * 5 + Math.floor(i / 14))}`]),
  );
  const hour = 3_600_000;
  const began = until.getTime() - 40 * 24 * hour;
  const statements: { statement: Statement; at: Date }[] = [];
  const sign = async (at: number, make: (now: Date) => Promise<Statement>): Promise<void> => {
    const now = new Date(Math.floor(at / 1000) * 1000);
    statements.push({ statement: await make(now), at: now });
  };

  const communities = Math.max(1, Math.min(6, Math.round(agents / 9)));
  const strangers = agents >= 10 ? 2 : 0;
  const home = (i: number): number => Math.floor((i / (agents - strangers)) ** 1.35 * communities);
  const groups = Array.from({ length: communities }, (): number[] => []);
  for (let i = 0; i < agents - strangers; i++) groups[home(i)]!.push(i);
  const roots = agents < 4 ? [0] : [groups[0]![0]!, groups.at(-1)![0]!];
  const step = (until.getTime() - began - 2 * hour) / Math.max(1, agents * 4);
  let at = began;

  const scopes = [
    ["tools"],
    ["tools", "code-review"],
    ["research", "tools"],
    ["payments", "tools"],
    ["tools"],
    ["research"],
  ];
  const vouched = new Set<string>();
  const vouch = async (from: number, to: number): Promise<void> => {
    if (from === to || vouched.has(`${from} ${to}`)) return;
    vouched.add(`${from} ${to}`);
    at += step * (0.4 + random());
    const scope = scopes[Math.floor(random() * scopes.length)]!;
    const confidence = 40 + Math.floor(random() * 58);
    await sign(at, (validFrom) =>
      issueVouch(identities[from]!, { subject: identities[to]!.did, scope, confidence, validFrom }),
    );
  };

  for (let i = 0; i < agents; i++) {
    at += step * 0.3;
    if (i % 3 === 0) await sign(at, (now) => issueKeyInit(identities[i]!, { next: `sha256:${"0".repeat(64)}`, now }));
    else await sign(at, (now) => issueProfile(identities[i]!, { role: i % 7 === 1 ? "server" : "agent", now }));
  }
  for (const group of groups) {
    for (const [n, i] of group.entries()) {
      // Few are vouched for by many: the first of a group are its hubs.
      for (let k = 0; k < 2 + Math.floor(random() * 2); k++) {
        const to = group[Math.floor(random() ** 2 * group.length)]!;
        await vouch(i, to);
      }
      if (n > 0) await vouch(group[Math.floor(random() ** 2 * n)]!, i);
    }
  }
  for (const root of roots)
    for (const group of groups) for (const to of group.slice(0, 2)) if (random() < 0.7) await vouch(root, to);
  for (let i = 0; i < communities; i++) {
    const from = groups[i]!;
    const to = groups[(i + 1) % communities]!;
    await vouch(
      from[Math.floor(random() * Math.min(3, from.length))]!,
      to[Math.floor(random() * Math.min(3, to.length))]!,
    );
  }
  const vouches = statements.filter(({ statement }) => statement.kind === "Vouch");
  if (vouches.length > 8) {
    const { statement } = vouches[7]!;
    const issuer = identities.find(({ did }) => did === statement.issuer)!;
    await sign(at + step, (now) => issueRevocation(issuer, { revokes: "statement", target: statement.id, now }));
    const burnt = identities[groups[0]!.at(-1)!]!;
    await sign(at + 2 * step, (now) => issueRevocation(burnt, { revokes: "self", now }));
  }
  statements.sort((a, b) => a.at.getTime() - b.at.getTime());
  return { identities, roots: roots.map((i) => identities[i]!.did), names: (did) => names.get(did), statements };
}

function pick(list: readonly string[], i: number): string {
  return list[i % list.length]!;
}

function hash(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** Numbers in [0, 1) that are the same every time. */
function numbers(seed: string): () => number {
  let i = 0;
  return () => createHash("sha256").update(`${seed} ${i++}`).digest().readUInt32BE(0) / 2 ** 32;
}
