import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { generateIdentity, generateSeed, identityFromSeed, toHex } from "@peerage/core";
import { ApprovalStore, AuditReader, type DecisionBody, signAnswer, verifyAudit } from "@peerage/mcp-middleware";
import { afterAll, expect, it } from "vitest";
import { signed } from "./_guard.ts";

const KILLS = 12;
const folder = mkdtempSync(join(tmpdir(), "peerage-crash-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const seed = generateSeed();
const server = identityFromSeed(seed);
const [caller, alice] = [generateIdentity(), generateIdentity()];
const path = join(folder, "audit.db");

interface Running {
  readonly child: ChildProcess;
  readonly lines: AsyncIterator<string>;
  readonly ask: (tool: string, n: number) => Promise<void>;
}

function start(): Running {
  const args = [join(import.meta.dirname, "fixtures/audit-guard.ts"), folder, toHex(seed), alice.did];
  const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, "compiled") };
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"], env });
  child.stdin.on("error", () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (tool: string, n: number): Promise<void> => {
    const message = await signed(caller, server.did, "tools/call", { name: tool, arguments: { n } });
    child.stdin.write(`${JSON.stringify(message)}\n`);
  };
  return { child, lines, ask };
}

async function gone(child: ChildProcess, how: () => void): Promise<void> {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  how();
  await exited;
}

/** Approves all that is asked, in this process, over the guard's file. */
async function approveAll(): Promise<void> {
  if (!existsSync(path)) return;
  using store = new ApprovalStore(path);
  for (const item of store.list()) store.submit(item.id, await signAnswer(alice, item, "approved"));
}

interface Executed {
  readonly decision: string;
  readonly tool: string;
  readonly n: number;
}

it("A-HIST-08 A-APPR-10 a guard that is killed again and again loses no decision and no approval, and uses none twice", async () => {
  let random = 7;
  const below = (n: number): number => (random = (random * 48_271) % 2_147_483_647) % n;
  let last = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const running = start();
    const calls = 12;
    for (let i = 0; i < calls; i++) await running.ask(i % 2 === 0 ? "refund" : "echo", Math.floor(++last / 3));
    for (let answers = below(calls - 1); answers >= 0; answers--) await running.lines.next();
    await approveAll();
    for (let i = 0; i < 4; i++) await running.ask("refund", Math.floor(last / 3) - i);
    for (let answers = below(3); answers > 0; answers--) await running.lines.next();
    await gone(running.child, () => running.child.kill("SIGKILL"));
  }

  // One more start and a clean stop: what was open is closed, what was approved and not used is used now.
  const running = start();
  await running.ask("echo", 0);
  await running.lines.next();
  await approveAll();
  using store = new ApprovalStore(path);
  const unused = store.list(["approved"]).map((item) => {
    const { params } = item.request ?? {};
    return (params as { arguments: { n: number } }).arguments.n;
  });
  for (const n of unused) {
    await running.ask("refund", n);
    expect(JSON.parse((await running.lines.next()).value as string)).toHaveProperty("executed");
  }
  expect(store.list(["approved"])).toEqual([]);
  await gone(running.child, () => running.child.stdin!.end());

  const executed = readFileSync(join(folder, "executed"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Executed);
  expect(await verifyAudit(path, { guard: server.did })).not.toHaveProperty("defect");
  expect((await verifyAudit(path)).open).toBe(0);
  using reader = new AuditReader(path);
  const decisions = new Map<string, DecisionBody>();
  const spent: string[] = [];
  const outcomes = new Map<string, number>();
  for (const record of reader.records()) {
    if (record.kind === "decision" && record.verdict === "admitted") {
      decisions.set(record.id, record);
      spent.push(...(record.spent ?? []));
    }
    if (record.kind === "outcome") outcomes.set(record.outcome, (outcomes.get(record.outcome) ?? 0) + 1);
  }
  expect(executed.filter(({ decision }) => !decisions.has(decision))).toEqual([]);
  expect(new Set(executed.map(({ decision }) => decision)).size).toBe(executed.length);
  expect(new Set(spent).size).toBe(spent.length);
  const refunds = executed.filter(({ tool }) => tool === "refund");
  expect(refunds.length).toBeGreaterThan(0);
  expect(refunds.every(({ decision }) => decisions.get(decision)?.spent?.length === 1)).toBe(true);
  expect([...decisions.keys()].length).toBe((outcomes.get("executed") ?? 0) + (outcomes.get("abandoned") ?? 0));
}, 60_000);
