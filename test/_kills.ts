import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Digest, generateIdentity, generateSeed, identityFromSeed, parseEntry, toHex } from "@peerage/core";
import { ApprovalStore, AuditReader, type DecisionBody, signAnswer, verifyAudit } from "@peerage/mcp-middleware";
import { expect } from "vitest";
import { signed } from "./_guard.ts";

interface Running {
  readonly child: ChildProcess;
  readonly lines: AsyncIterator<string>;
  readonly ask: (tool: string, n: number) => Promise<void>;
  readonly exited: Promise<unknown>;
}

interface Executed {
  readonly decision: string;
  readonly tool: string;
  readonly n: number;
}

/** What was seen over all kills. */
export interface Killed {
  /** Calls that ran, and those of them that a person had approved. */
  readonly executed: number;
  readonly refunds: number;
  /** Approvals that were given. */
  readonly approvals: number;
  /** Admitted calls whose end nobody saw. */
  readonly abandoned: number;
}

/**
 * Kills a guard with SIGKILL again and again while calls run, people approve and calls are repeated, at moments drawn
 * from a seed; then holds what ran against what is on the disk: no executed call without its decision, no approval lost
 * and none used twice.
 */
export async function killAgainAndAgain(kills: number, seed: number): Promise<Killed> {
  const folder = mkdtempSync(join(tmpdir(), "peerage-crash-"));
  try {
    return await run(folder, kills, seed);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run(folder: string, kills: number, seed: number): Promise<Killed> {
  const key = generateSeed();
  const server = identityFromSeed(key);
  const [caller, alice] = [generateIdentity(), generateIdentity()];
  const path = join(folder, "audit.db");
  let random = seed;
  const below = (n: number): number => (random = (random * 48_271) % 2_147_483_647) % n;
  const given = new Set<Digest>();
  const received = new Map<string, string>();

  const start = (): Running => {
    const args = [join(import.meta.dirname, "fixtures/audit-guard.ts"), folder, toHex(key), alice.did];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.on("error", () => undefined);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const ask = async (tool: string, n: number): Promise<void> => {
      const message = await signed(caller, server.did, "tools/call", { name: tool, arguments: { n } });
      child.stdin.write(`${JSON.stringify(message)}\n`);
    };
    return { child, lines, ask, exited: new Promise((resolve) => child.once("exit", resolve)) };
  };

  /** What the guard answered next; the receipts of it are kept as a caller would. */
  const answer = async ({ lines }: Running): Promise<string> => {
    const line = (await lines.next()).value as string;
    const { executed, receipt } = JSON.parse(line) as { readonly executed?: string; readonly receipt?: string };
    if (executed !== undefined && receipt !== undefined) received.set(executed, receipt);
    return line;
  };

  /** Approves what is asked, in this process, over the guard's file, while the guard writes to it. */
  const approveAll = async (): Promise<void> => {
    if (!existsSync(path)) return;
    using store = new ApprovalStore(path);
    for (const item of store.list()) {
      const token = await signAnswer(alice, item, "approved", { lifetimeSeconds: 86_400 });
      store.submit(item.id, token);
      given.add(parseEntry(token).digest);
    }
  };

  let last = 0;
  for (let kill = 0; kill < kills; kill++) {
    const running = start();
    const calls = 12;
    for (let i = 0; i < calls; i++) await running.ask(i % 2 === 0 ? "refund" : "echo", Math.floor(++last / 3));
    for (let answers = 1 + below(calls - 1); answers > 0; answers--) await answer(running);
    // A person answers while calls run; half of the time the guard is killed meanwhile.
    const answered = approveAll();
    if (below(2) === 0) await answered;
    for (let i = 0; i < 6; i++) await running.ask("refund", Math.floor(last / 3) - (i % 4));
    for (let answers = below(4); answers > 0; answers--) await answer(running);
    await sleep(below(12));
    // It was killed, and did not fall.
    expect(running.child.exitCode).toBeNull();
    running.child.kill("SIGKILL");
    await running.exited;
    await answered;
  }

  // One more start and a clean stop: what was open is closed, what was approved and not used is used now.
  const running = start();
  await running.ask("echo", 0);
  await answer(running);
  await approveAll();
  using store = new ApprovalStore(path);
  const unused = store.list(["approved"]).map((item) => {
    const { params } = item.request ?? {};
    return (params as { arguments: { n: number } }).arguments.n;
  });
  for (const n of unused) {
    await running.ask("refund", n);
    expect(JSON.parse(await answer(running))).toHaveProperty("executed");
  }
  expect(store.list(["open", "approved", "lapsed", "denied", "timeout", "replaced"])).toEqual([]);
  running.child.stdin!.end();
  await running.exited;
  compareReceipts(path, received);
  return await compare(folder, path, server.did, given);
}

/** Every receipt that somebody got is in the log, with its call, and the log has no other for it. */
function compareReceipts(path: string, received: ReadonlyMap<string, string>): void {
  using reader = new AuditReader(path);
  const kept = new Map([...reader.calls()].map((call) => [call.decision.id, reader.receipt(call)]));
  expect(received.size).toBeGreaterThan(0);
  expect([...received].filter(([decision, receipt]) => kept.get(decision) !== receipt)).toEqual([]);
}

async function compare(folder: string, path: string, guard: `did:key:${string}`, given: Set<Digest>): Promise<Killed> {
  const executed = readFileSync(join(folder, "executed"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Executed);
  const report = await verifyAudit(path, { guard: guard as never });
  expect(report).not.toHaveProperty("defect");
  expect(report.open).toBe(0);
  using reader = new AuditReader(path);
  const decisions = new Map<string, DecisionBody>();
  const spent: Digest[] = [];
  const outcomes = new Map<string, number>();
  for (const record of reader.records()) {
    if (record.kind === "decision" && record.verdict === "admitted") {
      decisions.set(record.id, record);
      spent.push(...(record.spent ?? []));
    }
    if (record.kind === "outcome") outcomes.set(record.outcome, (outcomes.get(record.outcome) ?? 0) + 1);
  }
  const abandoned = outcomes.get("abandoned") ?? 0;
  // No executed call without its decision on disk, and none twice on one decision.
  expect(executed.filter(({ decision }) => !decisions.has(decision))).toEqual([]);
  expect(new Set(executed.map(({ decision }) => decision)).size).toBe(executed.length);
  expect(decisions.size).toBe((outcomes.get("executed") ?? 0) + abandoned);
  // Each approval was used, by one decision: none is lost, none was used twice.
  expect(new Set(spent).size).toBe(spent.length);
  expect([...spent].sort()).toEqual([...given].sort());
  const refunds = executed.filter(({ tool }) => tool === "refund");
  expect(refunds.every(({ decision }) => decisions.get(decision)?.spent?.length === 1)).toBe(true);
  return { executed: executed.length, refunds: refunds.length, approvals: given.size, abandoned };
}
