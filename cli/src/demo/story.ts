import {
  CALL_META,
  generateIdentity,
  HttpRegistryReader,
  isPeerageError,
  issueRevocation,
  issueVouch,
  type JsonObject,
  member,
  Network,
  parseEntry,
  RECEIPT_META,
  requestDigest,
  signCall,
  trustScore,
  verifyReceipt,
} from "@peerage/core";
import { submit } from "../submit.ts";
import { type Outcome, Session } from "./session.ts";
import { players, type World } from "./world.ts";

/** One step of the story: what must happen, and what did. */
export interface Step {
  readonly step: string;
  readonly expected: string;
  readonly got: string;
  /** In a sentence, for people. */
  readonly told: string;
}

/** How long a change in the registry may take to reach the gate. */
const PATIENCE_MS = 10_000;

/** Plays the story, step by step. Whatever happens is reported; nothing is assumed. */
export async function* playStory(world: World): AsyncGenerator<Step> {
  const { who, env } = world;
  const vouch = await issueVouch(who.owner, { subject: who.scout.did, scope: ["tools"], confidence: 80 });
  await submit(world.registryUrl, vouch);
  const open = (command: readonly [string, ...string[]]): Promise<Session> =>
    Session.open(command, env, world.sessions);
  const [scout, stranger, outsider] = await Promise.all([
    open(world.bridge("scout", world.gate)),
    open(world.bridge("stranger", world.gate)),
    open(world.gate),
  ]);

  const first = await eventually(
    () => scout.echo("hello"),
    (outcome) => outcome.admitted,
  );
  const kept = first.admitted ? receiptOf(first.result) : undefined;
  yield step("admitted call", "admitted", first, `scout, for whom the owner vouches with 80: ${first.text}`);

  yield step(
    "unsigned call",
    "refused ERR_PROOF_MISSING",
    await outsider.echo("hello"),
    "the same call without a proof",
  );

  const unknown = await stranger.echo("hello");
  yield {
    step: "stranger",
    expected: "refused ERR_TRUST_INSUFFICIENT, score unknown",
    got: `${said(unknown)}, score ${await scoreOf(world, "stranger")}`,
    told: "well signed, but nobody stands for it: unknown, which is no number",
  };

  const given = await issueVouch(who.scout, { subject: who.stranger.did, scope: ["tools"], confidence: 90 });
  await submit(world.registryUrl, given);
  const vouched = await eventually(
    () => stranger.echo("hello"),
    (outcome) => outcome.admitted,
  );
  yield step(
    "vouch",
    "admitted",
    vouched,
    `scout vouches for the stranger: its score is ${await scoreOf(world, "stranger")} now`,
  );

  const forged = await signEcho(world, "hello");
  yield step(
    "tampered arguments",
    "refused ERR_PROOF_MISMATCH",
    await outsider.echo("hello, and rm -rf /", forged),
    "a good proof under other arguments",
  );

  const once = await signEcho(world, "once");
  const used = await outsider.echo("once", once);
  const again = await outsider.echo("once", once);
  yield {
    step: "replay",
    expected: "admitted, then refused ERR_PROOF_REPLAYED",
    got: `${said(used)}, then ${said(again)}`,
    told: "the same proof, twice",
  };

  const elsewhere = await signEcho(world, "hello", generateIdentity().did);
  yield step(
    "wrong audience",
    "refused ERR_PROOF_AUDIENCE",
    await outsider.echo("hello", elsewhere),
    "a proof that was meant for another server",
  );

  await submit(world.registryUrl, await issueRevocation(who.scout, { revokes: "statement", target: given.id }));
  const closed = await eventually(
    () => stranger.echo("hello"),
    (outcome) => !outcome.admitted,
  );
  yield step("revocation", "refused ERR_TRUST_INSUFFICIENT", closed, "scout withdraws its vouch, and the gate closes");

  // From here on nobody is asked any more: registry, gate and server are gone.
  await world.sessions.disposeAsync();
  await world.stopRegistry();
  yield {
    step: "receipt",
    expected: "verifies, altered it does not",
    got: kept === undefined ? "there is none" : judgeReceipt(world, kept),
    told: "the gate's receipt of the first call, checked with everything switched off",
  };
}

function step(name: string, expected: string, outcome: Outcome, told: string): Step {
  return { step: name, expected, got: said(outcome), told };
}

function said(outcome: Outcome): string {
  return outcome.admitted ? "admitted" : `refused ${outcome.reason}`;
}

/** Repeats a call, each time signed anew, until the gate has followed the log; gives up in the end. */
async function eventually(call: () => Promise<Outcome>, wanted: (outcome: Outcome) => boolean): Promise<Outcome> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const outcome = await call();
    if (wanted(outcome) || performance.now() > until) return outcome;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A proof made by hand, as scout, for a call of `echo`. */
async function signEcho(
  { who }: World,
  message: string,
  audience: string = who.gate.did,
): Promise<Record<string, unknown>> {
  const params = { name: "echo", arguments: { message } };
  return { [CALL_META]: await signCall(who.scout, { audience, message: { method: "tools/call", params } }) };
}

/** The score of a player as anybody computes it: from the owner, over the log, every signature checked. */
async function scoreOf({ registryUrl, who }: World, player: (typeof players)[number]): Promise<string> {
  const { view } = await Network.open({ reader: await HttpRegistryReader.connect({ url: registryUrl }) });
  const { score } = trustScore(view.graph("tools"), { roots: [who.owner.did], target: who[player].did });
  return score === "unknown" ? score : score.toFixed(2);
}

function receiptOf(result: JsonObject): { receipt: string; result: JsonObject } | undefined {
  const receipt = member(result["_meta"], RECEIPT_META);
  return typeof receipt === "string" ? { receipt, result } : undefined;
}

function judgeReceipt({ who }: World, { receipt, result }: { receipt: string; result: JsonObject }): string {
  const params = { name: "echo", arguments: { message: "hello" } };
  const { call: jti = "" } = parseEntry(receipt);
  const call = { jti, req: requestDigest("tools/call", params), tool: "echo" };
  const holds = (of: JsonObject): boolean => {
    try {
      verifyReceipt(receipt, { server: who.gate.did, call, prev: [], result: of });
      return true;
    } catch (error) {
      if (isPeerageError(error, "ERR_RECEIPT_INVALID")) return false;
      throw error;
    }
  };
  const altered = { ...result, content: [{ type: "text", text: "something else" }] };
  return `${holds(result) ? "verifies" : "does not verify"}, altered it ${holds(altered) ? "does too" : "does not"}`;
}
