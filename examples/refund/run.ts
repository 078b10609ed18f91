/**
 * Refunds, end to end, with real processes: a refund agent, a fraud-check agent, people with keys of their own, and a
 * payment server behind a guard. `npm run example:refund` plays everything that may happen, and ends with 0 only if each
 * came out as it must; `--json` says it to programs.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, assemble, type Cast } from "./cast.ts";
import { Transcript } from "./transcript.ts";

const transcript = new Transcript(process.argv.includes("--json"));
const folder = mkdtempSync(join(tmpdir(), "peerage-refund-"));
try {
  const cast = await assemble(folder);
  try {
    transcript.introduce(cast.dids);
    await refunds(cast);
    await refusals(cast);
    await fraud(cast);
  } finally {
    await cast.agent[Symbol.asyncDispose]();
  }
  await audit(cast);
} catch (error) {
  transcript.broke(error);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = transcript.finish();

async function refunds(cast: Cast): Promise<void> {
  const { agent, ledger } = cast;
  const large = { order: "4471", amount_cents: 1_250_000, currency: "USD" };
  transcript.chapter("A refund of $12,500");
  await agent.ask({ do: "begin", ticket: "refund order 4471" });
  const early = await agent.ask({ do: "refund", args: large });
  transcript.expect("without a fraud check", "ERR_POLICY_DENIED", outcome(early));
  const checked = await agent.ask({ do: "check", args: { order: "4471", amount_cents: 1_250_000 } });
  transcript.expect("the fraud-check agent signs its answer", "passed, risk 12", checked.text);
  const small = { order: "4471", amount_cents: 5_000, currency: "USD" };
  transcript.expect("$50 need no person", "executed", outcome(await agent.ask({ do: "refund", args: small })));
  const asked = await agent.ask({ do: "refund", args: large });
  transcript.expect("$12,500 without an approval", "ERR_APPROVAL_REQUIRED", outcome(asked));

  const item = await waiting(cast);
  const other = await answer(cast, "carol", "approve", item.id);
  transcript.expect("Carol, who is no approver, approves", "refused", other === 0 ? "approved" : "refused");
  const still = await agent.ask({ do: "refund", args: large });
  transcript.expect("so the call still waits", "ERR_APPROVAL_REQUIRED", outcome(still));
  const alices = await answer(cast, "alice", "approve", item.id);
  transcript.expect("Alice approves exactly this, with her key", "approved", alices === 0 ? "approved" : "refused");
  const more = await agent.ask({ do: "refund", args: { ...large, amount_cents: 1_260_000 } });
  transcript.expect("$12,600 on Alice's approval", "ERR_APPROVAL_REQUIRED", outcome(more));
  transcript.expect("the approved call", "executed", outcome(await agent.ask({ do: "refund", args: large })));
  const again = await agent.ask({ do: "refund", args: large });
  transcript.expect("the same call once more", "ERR_APPROVAL_REQUIRED", outcome(again));
  const paid = readFileSync(ledger, "utf8").trimEnd().split("\n");
  transcript.expect("the payment server has paid", "50 and 12500 USD", `${paid.map(dollars).join(" and ")} USD`);
  await agent.ask({ do: "save", path: join(cast.folder, "run.json") });
}

async function refusals(cast: Cast): Promise<void> {
  const { agent, ledger } = cast;
  const before = readFileSync(ledger, "utf8");
  const refund = (order: string, more: object = {}): Promise<Answer> =>
    agent.ask({ do: "refund", args: { order, amount_cents: 2_000_000, currency: "USD", ...more } });
  transcript.chapter("What a person does not let through");
  await agent.ask({ do: "begin", ticket: "three orders" });
  await agent.ask({ do: "check", args: { order: "5001", amount_cents: 2_000_000 } });

  await refund("5001");
  await answer(cast, "bob", "deny", (await waiting(cast, "5001")).id);
  transcript.expect("Bob denies", "ERR_APPROVAL_DENIED", outcome(await refund("5001")));

  await refund("5002");
  const { id } = await waiting(cast, "5002");
  const approved = await answer(cast, "alice", "approve", id, "--for", "3s");
  transcript.expect("Alice approves, for three seconds", "approved", approved === 0 ? "approved" : "refused");
  await sleep(3_100);
  transcript.expect("the call comes too late", "ERR_APPROVAL_EXPIRED", outcome(await refund("5002")));

  // Asked; asked again, it waits until the time is up. A machine that is slower than that asks anew.
  let late = await refund("5003", { priority: "urgent" });
  for (let tries = 0; tries < 5 && outcome(late) === "ERR_APPROVAL_REQUIRED"; tries++)
    late = await refund("5003", { priority: "urgent" });
  transcript.expect("nobody answers in time", "ERR_APPROVAL_EXPIRED", outcome(late));
  transcript.expect("nothing was paid", "0", String(readFileSync(ledger, "utf8").length - before.length));
}

async function fraud(cast: Cast): Promise<void> {
  const { agent } = cast;
  transcript.chapter("An order that was reported as stolen");
  await agent.ask({ do: "begin", ticket: "refund order 6660" });
  const checked = await agent.ask({ do: "check", args: { order: "6660", amount_cents: 5_000 } });
  transcript.expect("the fraud-check agent signs its answer", "failed, risk 97", checked.text);
  const refund = { order: "6660", amount_cents: 5_000, currency: "USD" };
  transcript.expect("$50 now", "ERR_POLICY_DENIED", outcome(await agent.ask({ do: "refund", args: refund })));
}

/** What is left when all is over: a file, and a third party that trusts nobody who took part. */
async function audit(cast: Cast): Promise<void> {
  const { dids, folder: place, peerage } = cast;
  transcript.chapter("Afterwards: an auditor with one file and the guard's DID");
  const file = join(place, "calls.ndjson");
  await peerage("guard", "audit", "export", "--audit", cast.audit, "--out", file);
  const verify = async (path: string): Promise<number> =>
    (await peerage("auditor", "audit", "verify", path, "--guard", dids.guard)).code;
  transcript.expect(
    "the chain of records and its signatures",
    "hold",
    (await verify(file)) === 0 ? "hold" : "do not hold",
  );
  const run = await peerage("auditor", "history", "verify", join(place, "run.json"));
  transcript.expect("the agent's own run", "holds", run.code === 0 ? "holds" : "does not hold");
  const seen = await cast.script("auditor.ts", file, dids.guard);
  const proven = seen.code === 0 ? (JSON.parse(seen.stdout) as { proven: { chain: Link[] }[] }).proven : [];
  const names = new Map(Object.entries(dids).map(([name, did]) => [did as string, name]));
  const chains = proven.map(({ chain }) =>
    chain.map(({ step, result, by }) => `${step} ${result} by ${names.get(by) ?? by}`),
  );
  const small = ["request_received accepted by agent", "fraud_check passed by fraud"];
  transcript.expect("$50 rest on", small.join(", "), chains[0]?.join(", "));
  const large = [...small, "human_approval approved by alice"];
  transcript.expect("$12,500 rest on", large.join(", "), chains[1]?.join(", "));
  transcript.expect("and nothing else was executed", "2", String(chains.length));
  const timeout = seen.code === 0 && readFileSync(file, "utf8").includes('"event":"timeout"');
  transcript.expect("the timeout is on record, signed by the guard", "yes", timeout ? "yes" : "no");

  const edited = join(place, "edited.ndjson");
  writeFileSync(edited, readFileSync(file, "utf8").replace('"amount_cents":1250000', '"amount_cents":125000'));
  transcript.expect(
    "a file in which one amount was changed",
    "refused",
    (await verify(edited)) === 6 ? "refused" : "accepted",
  );
}

interface Link {
  readonly step: string;
  readonly result: string;
  readonly by: string;
}

/** What waits for a person: the newest, or that of an order. */
async function waiting({ peerage, audit: path }: Cast, order?: string): Promise<{ readonly id: string }> {
  const { stdout } = await peerage("alice", "approvals", "list", "--audit", path, "--json");
  const { items } = (JSON.parse(stdout) as { data: { items: { id: string; request: object }[] } }).data;
  const found = items.findLast(({ request }) => order === undefined || JSON.stringify(request).includes(`"${order}"`));
  if (!found) throw new Error("nothing waits for a person");
  return found;
}

/** A person answers; the exit code. */
async function answer(
  { peerage, audit: path }: Cast,
  who: string,
  what: "approve" | "deny",
  id: string,
  ...more: string[]
): Promise<number> {
  return (await peerage(who, "approvals", what, id, "--audit", path, "--yes", ...more)).code;
}

function outcome({ ok, reason, text }: Answer): string {
  return ok ? "executed" : (reason ?? text ?? "");
}

function dollars(line: string): number {
  return (JSON.parse(line) as { amount_cents: number }).amount_cents / 100;
}
