import { spawnSync } from "node:child_process";
import type { JsonObject } from "@peerage/core";
import { expect, it } from "vitest";
import { makeClient, overStdio } from "./_battery.ts";
import { type Answer, bridged, type Command, fixture, guarded, party, StdioPeer } from "./_mcp.ts";

const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython) console.warn("SKIPPED: there is no python3 here");
const hasSdk = hasPython && spawnSync("python3", ["-c", "import mcp"]).status === 0;
if (!hasSdk)
  console.warn("SKIPPED: the Python SDK of MCP is not installed; a server of the standard library stands in");

const client = party();
const server = party();
const python: Command = ["python3", fixture("python-server.py")];
const text = (answer: Answer): string => answer.result.content[0].text as string;

it.skipIf(!hasPython)("A-JSON-08 a Python server reads behind bridge and guard what it reads directly", async () => {
  await using direct = new StdioPeer(python);
  await using through = new StdioPeer(bridged(client, guarded(server, python)));
  await Promise.all([direct.initialize(), through.initialize()]);
  const cases: readonly JsonObject[] = [
    { text: 'é€😀\u2028\u0000"\\ ' },
    { n: 1, x: 0.1, big: 9_007_199_254_740_991, small: 1e-7, zero: 0 },
    { ["__proto__"]: { a: [] }, constructor: null, nested: [[{}], [true, false]] },
  ];
  for (const args of cases) {
    const [expected, seen] = await Promise.all([direct.call("received", args), through.call("received", args)]);
    expect(text(seen)).toBe(text(expected));
    expect(JSON.parse(text(seen))).toEqual({ name: "received", arguments: args });
  }
  // A number that Python and JavaScript read differently reaches neither of them.
  through.write(
    '{"jsonrpc":"2.0","id":"n","method":"tools/call","params":{"name":"received","arguments":{"n":12345678901234567890}}}\n',
  );
  expect((await through.answer("n")).error.data.reason).toBe("ERR_JSON_NUMBER");
});

it.skipIf(!hasPython)(
  "A-CALL-01 a client of the SDK calls a guarded Python server signed, and not unsigned",
  async () => {
    const signed = makeClient("SDK 1");
    await signed.connect(overStdio("SDK 1", bridged(client, guarded(server, python))) as never);
    expect((await signed.listTools()).tools.map(({ name }: { name: string }) => name)).toEqual(["received"]);
    await signed.close();
    const unsigned = makeClient("SDK 1");
    await unsigned.connect(overStdio("SDK 1", guarded(server, python)) as never);
    await expect(unsigned.callTool({ name: "received" })).rejects.toMatchObject({
      data: { reason: "ERR_PROOF_MISSING" },
    });
    await unsigned.close();
  },
);
