import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { generateSeed, identityFromSeed, issueVouch, toHex } from "@peerage/core";
import { main } from "../../cli/src/main.ts";
import { Caller } from "./calls.ts";
import type { LoadPlan } from "./load.ts";
import { WatchedProcess } from "./processes.ts";

const ROOT = join(import.meta.dirname, "../..");
const BIN = join(ROOT, "cli/bin/peerage.js");
const POLICY = `apiVersion: peerage.dev/v1
kind: Policy
allow:
  - { tools: echo, agents: "*", trust: 0.25 }
`;

/** How the parts are loaded. */
export interface WorldOptions {
  /** Agents in the log before it begins. */
  readonly agents: number;
  readonly load: Omit<LoadPlan, "registry" | "seeds">;
}

/** A registry, a guard with its server, a bridge and the public's load, each a process of its own. */
export interface World extends AsyncDisposable {
  /** All, in the order in which they are to be stopped. */
  readonly processes: readonly WatchedProcess[];
  readonly load: WatchedProcess;
  readonly caller: Caller;
  /** Files that the processes have put into the folder for temporary ones. */
  temporaryFiles(): Promise<string[]>;
  /** Ends every process as its user would. @returns what was wrong with that */
  stop(): Promise<string[]>;
}

/** Starts everything, as real commands, with a home and a temporary folder of their own. */
export async function startWorld({ agents, load }: WorldOptions): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "peerage-soak-"));
  const temporary = join(folder, "tmp");
  await mkdir(temporary);
  await writeFile(join(folder, "policy.yaml"), POLICY);
  const env = {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    PEERAGE_HOME: join(folder, "home"),
    PEERAGE_NO_INPUT: "1",
    TMPDIR: temporary,
  };
  const processes: WatchedProcess[] = [];
  const start = (name: string, ...args: readonly string[]): WatchedProcess => {
    const started = new WatchedProcess({ name, args, env });
    // Last in, first out: nobody loses what it calls before it has ended itself.
    processes.unshift(started);
    return started;
  };
  // Groups of their own do not end with this process.
  const endAll = (): void => {
    for (const { child } of processes) child.kill("SIGKILL");
  };
  process.once("exit", endAll);
  const dispose = async (): Promise<void> => {
    process.off("exit", endAll);
    for (const one of processes) if (one.running) await one.stop(0, "SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const data = join(folder, "registry");
    const registry = start("registry", BIN, "registry", "serve", "--listen", "0", "--data", data);
    const url = await registry.announced(/http:\/\/127\.0\.0\.1:\d+/);
    for (const name of ["gate", "owner", "scout"]) await peerage(env, "init", name, "--registry", url);
    await peerage(env, "--identity", "owner", "vouch", "scout");
    const seeds = Array.from({ length: agents }, generateSeed);
    await populate(url, seeds);
    const upstream = start("server", join(ROOT, "test/fixtures/modern-server.ts"), "http");
    const port = await upstream.announced(/loopback:(\d+)\n/);
    const guard = start(
      ...(["guard", BIN, "--identity", "gate", "--registry", url, "guard", "--root", "owner"] as const),
      ...["--policy", join(folder, "policy.yaml"), "--refresh", "1", "--audit", join(folder, "audit.db")],
      ...["--http", "0", "--upstream", `http://127.0.0.1:${port}/mcp`],
    );
    const guardUrl = await guard.announced(/connect\s+(http:\/\/\S+)/);
    const bridge = start("bridge", BIN, "--identity", "scout", "--registry", url, "proxy", guardUrl);
    const plan: LoadPlan = { ...load, registry: url, seeds: seeds.map(toHex) };
    const public_ = start("public", join(import.meta.dirname, "load.ts"), JSON.stringify(plan));
    const caller = new Caller(bridge);
    await caller.initialize();
    return {
      processes,
      load: public_,
      caller,
      temporaryFiles: async () => (await readdir(temporary, { recursive: true })).toSorted(),
      async stop() {
        const wrong: string[] = [];
        for (const one of processes) {
          const readsInput = one === bridge || one === public_;
          wrong.push(...(await one.stop(0, readsInput ? undefined : "SIGTERM")));
        }
        return wrong;
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Runs one command in this process. @throws if it does not end well */
async function peerage(env: NodeJS.ProcessEnv, ...argv: readonly string[]): Promise<void> {
  let said = "";
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      said += chunk.toString();
      done();
    },
  });
  const io = { env, cwd: ROOT, stdin: process.stdin, stdout: sink, stderr: sink, now: () => new Date() };
  const code = await main([...argv, "--quiet"], io);
  if (code !== 0) throw new Error(`peerage ${argv.join(" ")} ended with ${code}\n${said}`);
}

/** A tree of vouches, so that every page has something to show. */
async function populate(url: string, seeds: readonly Uint8Array[]): Promise<void> {
  const identities = seeds.map((seed) => identityFromSeed(seed));
  for (const [i, { did }] of identities.entries()) {
    if (i === 0) continue;
    const issuer = identities[Math.floor((i - 1) / 4)]!;
    const vouch = await issueVouch(issuer, { subject: did, scope: ["tools"], confidence: 60 + (i % 40) });
    const answer = await fetch(`${url}/v1/statements`, { method: "POST", body: vouch.bytes as BodyInit });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    await answer.arrayBuffer();
  }
}
