/** Who takes part in the refund example: processes, their keys, and the policy that the payment server's guard follows. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Did, parseDid } from "@peerage/core";
import { agentKey } from "./key.ts";

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const peerageCli = here("../../cli/bin/peerage.js");

/** How a command ended. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the refund agent answers. */
export interface Answer {
  readonly ok: boolean;
  readonly reason?: string;
  readonly text?: string;
}

/** Everybody, in a folder. */
export interface Cast {
  readonly folder: string;
  readonly dids: Readonly<Record<"guard" | "agent" | "fraud" | "alice" | "bob" | "carol", Did>>;
  /** The guard's log. */
  readonly audit: string;
  readonly ledger: string;
  /** Runs `peerage` as one of the people; each has a home of their own. */
  readonly peerage: (who: string, ...argv: string[]) => Promise<Ran>;
  readonly agent: RefundAgent;
  /** A script of this example as a process without anybody's key. */
  readonly script: (file: string, ...argv: string[]) => Promise<Ran>;
}

/** The process of the refund agent, which takes an order and gives an answer. */
export class RefundAgent implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;

  constructor(env: NodeJS.ProcessEnv) {
    this.#child = spawn(process.execPath, [here("refund-agent.ts")], { env, stdio: ["pipe", "pipe", "inherit"] });
    this.#exited = new Promise((resolve) => this.#child.once("exit", resolve));
    if (!this.#child.stdin || !this.#child.stdout) throw new Error("the refund agent has no pipes");
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(order: object): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the refund agent has ended");
    return JSON.parse(value) as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    await this.#exited;
  }
}

/** Makes keys and policy in a folder and starts the refund agent, which starts the servers that it calls. */
export async function assemble(folder: string): Promise<Cast> {
  const home = (who: string): NodeJS.ProcessEnv => ({ ...plainEnv(), PEERAGE_HOME: join(folder, who) });
  const peerage: Cast["peerage"] = (who, ...argv) => run([peerageCli, ...argv], home(who));
  const script: Cast["script"] = (file, ...argv) => run([here(file), ...argv], plainEnv());
  const born = async (who: string): Promise<Did> => {
    mkdirSync(join(folder, who), { recursive: true, mode: 0o700 });
    const made = await peerage(who, "init", who, "--json");
    if (made.code !== 0) throw new Error(made.stderr);
    return parseDid(
      (JSON.parse((await peerage(who, "whoami", "--json")).stdout) as { data: { did: string } }).data.did,
    );
  };
  const [guard, alice, bob, carol] = await Promise.all([born("guard"), born("alice"), born("bob"), born("carol")]);
  const [agentFile, fraudFile] = [join(folder, "refund-agent.key"), join(folder, "fraud-agent.key")];
  const dids = { guard, alice, bob, carol, agent: agentKey(agentFile).did, fraud: agentKey(fraudFile).did };

  const policy = join(folder, "policy.yaml");
  writeFileSync(policy, policyFor(dids));
  const [audit, ledger] = [join(folder, "audit.db"), join(folder, "ledger.ndjson")];
  writeFileSync(ledger, "");
  const options = ["--policy", policy, "--audit", audit, "--audit-args", "full", "--approval-wait", "4"];
  const payments = {
    command: process.execPath,
    args: [peerageCli, "guard", ...options, "--quiet", "--", process.execPath, here("payments.ts")],
    env: { ...home("guard"), LEDGER: ledger },
    did: guard,
  };
  const fraud = {
    command: process.execPath,
    args: [here("fraud-agent.ts")],
    env: { ...plainEnv(), AGENT_KEY: fraudFile, AGENT_AUDIT: join(folder, "fraud-agent.db") },
    did: dids.fraud,
  };
  const servers = JSON.stringify({ fraud, payments });
  const agent = new RefundAgent({ ...plainEnv(), AGENT_KEY: agentFile, AGENT_SERVERS: servers });
  return { folder, dids, audit, ledger, peerage, agent, script };
}

/** Below $10,000 a passed fraud check is enough; from there on a person approves this very request, after the check. */
function policyFor({ agent, fraud, alice, bob }: Cast["dids"]): string {
  return `apiVersion: peerage.dev/v1
kind: Policy
metadata: { name: refunds }
groups:
  approvers: ["${alice}", "${bob}"]
  fraud: ["${fraud}"]
allow:
  - id: refund-small
    tools: payments.refund
    agents: "${agent}"
    args: { amount_cents: { ">": 0, "<": 1000000 }, currency: USD }
    budget: { sum: amount_cents, max: 20000000, per: 1d }
    require:
      - { step: request_received, by: $caller, at: start, result: accepted }
      - { step: fraud_check, by: "@fraud", within: 1d }
  - id: refund-large
    tools: payments.refund
    agents: "${agent}"
    args: { amount_cents: { ">=": 1000000, "<=": 5000000 }, currency: USD, priority: { absent: true } }
    require:
      - { step: request_received, by: $caller, at: start, result: accepted }
      - { step: fraud_check, by: "@fraud", within: 1d }
    approval: { by: "@approvers", within: 30m, timeout: 30m, after: fraud_check }
  - id: refund-urgent # somebody answers at once, or nobody does
    tools: payments.refund
    agents: "${agent}"
    args: { amount_cents: { ">=": 1000000, "<=": 5000000 }, currency: USD, priority: urgent }
    require: [{ step: fraud_check, by: "@fraud", within: 1d }]
    approval: { by: "@approvers", within: 30m, timeout: 2s, after: fraud_check }
`;
}

/** Nothing of this machine's settings. */
function plainEnv(): Record<string, string> {
  const { PATH = "", NODE_COMPILE_CACHE: compiled } = process.env;
  return { PATH, LANG: "C.UTF-8", ...(compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled }) };
}

function run(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [...argv], { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === "number" ? error.code : 1) : 0;
      resolve({ code, stdout, stderr });
    });
  });
}
