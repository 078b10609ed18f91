import { readdirSync, readFileSync } from "node:fs";
import { parsePolicy } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createGuard } from "../mcp-middleware/src/guard/create-guard.ts";
import { startHttpGuard, startStdioHost } from "../mcp-middleware/src/proxy/index.ts";
import { type Answer, bridged, guarded, isAlive, openPolicy, party, rawServer, StdioPeer } from "./_mcp.ts";

const client = party();
const server = party();
const chain = bridged(client, guarded(server, rawServer));

function textOf(answer: Answer): Answer {
  return JSON.parse(answer.result.content[0].text as string);
}

/** Calls that are answered in another order than they were made in. */
async function interleaved(peer: StdioPeer, count: number): Promise<void> {
  await peer.initialize();
  const wanted = Array.from({ length: count }, (_, n) => ({ n, ms: (n * 7_919) % 200 }));
  const answers = await Promise.all(wanted.map((args) => peer.call("later", args)));
  expect(answers.map(textOf)).toEqual(wanted);
  const order = peer.messages.flatMap(({ id }) => (typeof id === "string" && id !== "t1" ? [Number(id.slice(1))] : []));
  expect(order).toHaveLength(count);
  expect(order).not.toEqual(order.toSorted((a, b) => a - b));
}

/** Peak resident memory of a process, in MiB. */
function peakMiB(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

const hasProc = process.platform === "linux";
if (!hasProc) console.warn("SKIPPED: memory and child processes are read from /proc, which is on Linux");

describe("many calls, and large ones", () => {
  it("give each of 200 parallel calls its own answer, over stdio", async () => {
    await using peer = new StdioPeer(chain);
    await interleaved(peer, 200);
  });

  it("give each of 200 parallel calls its own answer, over HTTP", async () => {
    await using guard = await createGuard({
      identity: server.identity,
      policy: parsePolicy(JSON.stringify(openPolicy)),
    });
    const [command, ...args] = rawServer;
    await using host = startStdioHost({ command, args });
    const upstream = "http://127.0.0.1/mcp";
    await using proxy = await startHttpGuard({
      guard,
      upstream,
      connect: host.connect,
      injectIdentity: true,
      graceMs: 0,
    });
    await using peer = new StdioPeer(bridged(client, [proxy.url]));
    await interleaved(peer, 200);
  });

  it.skipIf(!hasProc)("pass an argument of 4 MiB within a memory that is printed", async () => {
    await using peer = new StdioPeer(chain);
    await peer.initialize();
    await peer.call("echo", { text: "small" });
    const bridge = peer.child.pid ?? 0;
    const [guard = 0] = childrenOf(bridge);
    const before = { bridge: peakMiB(bridge), guard: peakMiB(guard) };
    const text = "x".repeat(4 * 1024 * 1024 - 1024);
    expect(textOf(await peer.call("echo", { text })).text).toBe(text);
    for (const [name, pid] of [
      ["bridge", bridge],
      ["guard", guard],
    ] as const) {
      const grown = peakMiB(pid) - before[name];
      console.log(
        `4 MiB argument: ${name} ${before[name].toFixed(0)} MiB before, ${grown.toFixed(0)} MiB more at its peak`,
      );
      expect(grown).toBeLessThan(256);
    }
  });
});

describe.skipIf(!hasProc)("whoever of the chain is killed in mid-call", () => {
  it.for([
    { victim: "client", after: 13 },
    { victim: "guard", after: 1 },
    { victim: "server", after: 5 },
  ])(
    "the $victim, after $after answers: no orphan, no half answer, no id answered twice or left waiting",
    async ({ victim, after }) => {
      const peer = new StdioPeer(chain);
      await peer.initialize();
      const bridge = peer.child.pid ?? 0;
      const [guard = 0] = childrenOf(bridge);
      const raw = Number(textOf(await peer.call("pid")));
      const filler = "é".repeat(20_000);
      const ids = Array.from({ length: 40 }, (_, n) => `k${n}`);
      for (const id of ids) {
        const args = { id, filler };
        peer.send({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "echo", arguments: args } });
      }
      const answered = (): string[] =>
        (peer.messages as Answer[]).map(({ id }) => id as string).filter((id) => /^k/.test(id));
      while (answered().length < after) await new Promise((resolve) => setTimeout(resolve, 1));
      process.kill({ client: bridge, guard, server: raw }[victim] as number, "SIGKILL");
      await peer.exited;
      for (const message of peer.messages as Answer[]) {
        if (!(message.id as string).startsWith("k")) continue;
        if (message.error) expect(message.error.data.reason).toBe("ERR_UPSTREAM_UNAVAILABLE");
        else expect(textOf(message)).toEqual({ id: message.id, filler });
      }
      const seen = answered();
      expect(new Set(seen).size).toBe(seen.length);
      // Lines are read in order, so what was never read is the end of them; that the pipe closed is its answer.
      const ordered = seen.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
      if (victim !== "client") expect(ordered).toEqual(ids.slice(0, ordered.length));
      for (const pid of [bridge, guard, raw])
        while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
    },
  );
});
