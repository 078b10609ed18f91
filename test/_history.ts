import {
  describeHistory,
  type Did,
  type Digest,
  type Entry,
  type Identity,
  identityFromSeed,
  parseEntry,
  type PolicyInput,
  requestDigest,
  signEntry,
  type Signer,
  type SignEntryOptions,
  tokenDigest,
  type Verified,
  verifyHistory,
} from "../core/src/index.ts";

/** The identities of examples/policy; whoever reads this has their keys. */
export const people: Record<"guard" | "alice" | "bob" | "fraud" | "ops" | "backup" | "agent" | "etl", Identity> = {
  guard: seeded(1),
  alice: seeded(21),
  bob: seeded(22),
  fraud: seeded(23),
  ops: seeded(24),
  backup: seeded(25),
  agent: seeded(26),
  etl: seeded(27),
};

export function seeded(seed: number): Identity {
  return identityFromSeed(new Uint8Array(32).fill(seed));
}

type AddOptions = Partial<Omit<SignEntryOptions, "step" | "result" | "now">>;

/** A history that grows by really signed entries; times are Unix seconds. */
export class TestRun {
  readonly tokens: string[] = [];
  readonly run: string;

  constructor(run = "0123456789abcdefghijkl") {
    this.run = run;
  }

  get digests(): Digest[] {
    return this.tokens.map(tokenDigest);
  }

  /** Appends an entry after the last one, or after `prev`. */
  async add(signer: Signer, step: string, result: string, at: number, options: AddOptions = {}): Promise<Digest> {
    const prev = options.prev ?? this.digests.slice(-1);
    const token = await signEntry(signer, { run: this.run, step, result, now: new Date(at * 1000), ...options, prev });
    this.tokens.push(token);
    return tokenDigest(token);
  }

  /** Appends an approval, or a denial, of a request of `caller` at `people.guard`. */
  approve(
    signer: Signer,
    caller: Did,
    req: Digest,
    at: number,
    options: AddOptions & { result?: string } = {},
  ): Promise<Digest> {
    const { result = "approved", ...more } = options;
    const approval = { req, aud: people.guard.did, sub: { caller }, exp: at + 900, ...more };
    return this.add(signer, "human_approval", result, at, approval);
  }
}

/** The input of a tool call with a really verified history. */
export function callInput(options: {
  readonly caller: Did;
  readonly tool: string;
  readonly args?: object;
  /** Unix seconds. */
  readonly now: number;
  readonly run?: TestRun;
  /** Tokens that the guard holds. */
  readonly held?: readonly string[];
  readonly more?: Partial<PolicyInput>;
}): PolicyInput {
  const { caller, tool, args = {}, now, run, held = [], more } = options;
  const at = new Date(now * 1000);
  const history = run && verifyHistory(run.tokens, tipsOf(run), { now: at });
  const kept: Verified<Entry>[] = held.map((token) => parseEntry(token));
  return {
    v: 1,
    now: at.toISOString(),
    method: "tools/call",
    target: tool,
    tool,
    server: people.guard.did,
    calling_agent: caller,
    caller: { did: caller, binding: "message", scheme: "peerage-call" },
    args: args as never,
    req: requestOf(tool, args),
    trust: {},
    ...describeHistory(history, { caller, now: at, held: kept }),
    ...more,
  };
}

/** The digest of a call of a tool. */
export function requestOf(tool: string, args: object): Digest {
  return requestDigest("tools/call", { name: tool, arguments: args as never });
}

function tipsOf(run: TestRun): Digest[] {
  const referred = new Set(run.tokens.flatMap((token) => parseEntry(token).prev));
  return run.digests.filter((digest) => !referred.has(digest));
}
