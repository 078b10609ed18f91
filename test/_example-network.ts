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
  const planned: { readonly weight: number; readonly make: (now: Date) => Promise<Statement> }[] = [];
  const plan = (weight: number, make: (now: Date) => Promise<Statement>): number => planned.push({ weight, make });

  const communities = Math.max(1, Math.min(6, Math.round(agents / 9)));
  const strangers = agents >= 10 ? 2 : 0;
  const home = (i: number): number => Math.floor((i / (agents - strangers)) ** 1.35 * communities);
  const groups = Array.from({ length: communities }, (): number[] => []);
  for (let i = 0; i < agents - strangers; i++) groups[home(i)]!.push(i);
  const roots = agents < 4 ? [0] : [groups[0]![0]!, groups.at(-1)![0]!];
  const scopes = [
    ["tools"],
    ["tools", "code-review"],
    ["research", "tools"],
    ["payments", "tools"],
    ["tools"],
    ["research"],
  ];
  const vouched = new Set<string>();
  const vouch = (from: number, to: number): void => {
    if (from === to || vouched.has(`${from} ${to}`)) return;
    vouched.add(`${from} ${to}`);
    const scope = scopes[Math.floor(random() * scopes.length)]!;
    const confidence = 30 + Math.floor(random() * 62);
    plan(0.4 + random(), (validFrom) =>
      issueVouch(identities[from]!, { subject: identities[to]!.did, scope, confidence, validFrom }),
    );
  };

  for (let i = 0; i < agents; i++) {
    const signer = identities[i]!;
    if (i % 3 === 0) plan(0.3, (now) => issueKeyInit(signer, { next: `sha256:${"0".repeat(64)}`, now }));
    else plan(0.3, (now) => issueProfile(signer, { role: i % 7 === 1 ? "server" : "agent", now }));
  }
  for (const root of roots) {
    for (const group of groups) for (const to of group.slice(0, 2)) if (random() < 0.55) vouch(root, to);
  }
  for (const group of groups) {
    for (const [n, i] of group.entries()) {
      // Few are vouched for by many: the first of a group are its hubs.
      for (let k = 0; k < 1 + Math.floor(random() * 3); k++) vouch(i, group[Math.floor(random() ** 2 * group.length)]!);
      if (n > 0) vouch(group[Math.floor(random() ** 2 * n)]!, i);
    }
  }
  for (let i = 0; i < communities; i++) {
    const from = groups[i]!;
    const to = groups[(i + 1) % communities]!;
    vouch(from[Math.floor(random() * Math.min(3, from.length))]!, to[Math.floor(random() * Math.min(3, to.length))]!);
  }

  const span = 40 * 86_400_000;
  const total = planned.reduce((sum, { weight }) => sum + weight, 3);
  const statements: { statement: Statement; at: Date }[] = [];
  let weight = 0;
  const timeAt = (): Date => new Date(Math.floor((until.getTime() - span * (1 - weight / total)) / 1000) * 1000);
  for (const event of planned) {
    weight += event.weight;
    statements.push({ statement: await event.make(timeAt()), at: timeAt() });
  }
  const vouches = statements.map(({ statement }) => statement).filter(({ kind }) => kind === "Vouch");
  if (vouches.length > 8) {
    const target = vouches[7]!;
    const issuer = identities.find(({ did }) => did === target.issuer)!;
    weight += 1;
    const revoked = await issueRevocation(issuer, { revokes: "statement", target: target.id, now: timeAt() });
    statements.push({ statement: revoked, at: timeAt() });
    weight += 1;
    const burnt = await issueRevocation(identities[groups[0]!.at(-1)!]!, { revokes: "self", now: timeAt() });
    statements.push({ statement: burnt, at: timeAt() });
  }
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
