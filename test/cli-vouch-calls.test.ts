import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { generateIdentity, generateRun, type Identity, leafHash, signEntry, toHex, tokenDigest } from "@peerage/core";
import { AuditLog, AuditReader, createGuard } from "@peerage/mcp-middleware";
import { describe, expect, it } from "vitest";
import { dataSchemas } from "../cli/src/schemas.ts";
import { Home } from "./_cli.ts";
import { policyOf, signed, stdio } from "./_guard.ts";

const receipt = (server: Identity, caller: string, result: string): Promise<string> =>
  signEntry(server, { run: generateRun(), prev: [], step: "tool_call", result, tool: "echo", aud: caller });

async function keep(home: Home, tokens: readonly string[]): Promise<void> {
  const lines = tokens.map((token) =>
    JSON.stringify({ token, endpoint: "https://tools.example/mcp", method: "tools/call", receivedAt: "" }),
  );
  await writeFile(home.at("receipts.ndjson"), `${lines.join("\n")}\n`);
}

describe("vouching from calls", () => {
  it("proposes the servers that answered well, with their receipts as evidence, and a person signs", async () => {
    await using home = await Home.make();
    await home.call(["init", "me"]);
    const me = await home.did();
    const [good, shaky, rare, forged] = Array.from<unknown, Identity>({ length: 4 }, () => generateIdentity());
    if (!good || !shaky || !rare || !forged) throw new Error("four servers");
    const many = (server: Identity, n: number, result = "executed", to: string = me): Promise<string[]> =>
      Promise.all(Array.from({ length: n }, () => receipt(server, to, result)));
    const fine = await many(good, 20);
    await keep(home, [
      ...fine,
      ...fine, // a receipt counts once
      ...(await many(shaky, 6)),
      ...(await many(shaky, 2, "errored")),
      ...(await many(rare, 4)),
      ...(await many(rare, 9, "executed", forged.did)), // to somebody else
      ...(await many(forged, 9)).map((token) =>
        token.replace(/(.)(.{20})$/, (_, found, rest) => `${found === "A" ? "B" : "A"}${rest}`),
      ),
    ]);
    const { code, stdout, stderr } = await home.call(["vouch", "--from-calls", "--json"]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("9 lines of the receipts do not verify")]);
    const { data } = JSON.parse(stdout);
    expect(dataSchemas["vouch"]!.safeParse(data).error).toBeUndefined();
    expect(data.proposals).toMatchObject([{ did: good.did, as: "server", done: 20, adverse: 0 }]);
    const newest = fine.slice(-16).map(tokenDigest).sort();
    expect(data.proposals[0].evidence).toEqual(newest);
    const out = join(home.path, "good.vouch");
    const rehearsal = await home.call(["vouch", good.did, "--from-calls", "--out", out, "--json"]);
    expect([rehearsal.code, JSON.parse(rehearsal.stdout).data.evidence]).toEqual([0, newest]);
    expect((await home.call(["verify", out])).code).toBe(0);
    expect((await home.call(["vouch", generateIdentity().did, "--from-calls", "--dry-run"])).code).toBe(2);
    expect((await home.call(["vouch"])).code).toBe(2);
  });

  it("proposes the callers whose calls a guard let through and carried out, by records of its audit log", async () => {
    await using home = await Home.make();
    await home.call(["init", "gate"]);
    expect((await home.call(["vouch", "--from-calls"])).code).toBe(5);
    const [gate, caller, rude] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const path = home.at("state", "audit", "gate.db");
    await mkdir(dirname(path), { recursive: true });
    const audit = new AuditLog({ path, identity: gate, args: "digest" });
    const policy = policyOf([{ id: "read", tools: "read", agents: "*" }]);
    await using guard = await createGuard({ identity: gate, policy, audit });
    const act = async (who: Identity, tool: string): Promise<void> => {
      const admission = await guard.admit(await signed(who, gate.did, "tools/call", { name: tool }), stdio());
      if (!admission.admitted) return;
      await guard.settle(admission.decision, { jsonrpc: "2.0", id: 1, result: { content: [] } });
    };
    for (let i = 0; i < 6; i++) {
      await act(caller, "read");
      await act(rude, i < 3 ? "read" : "delete");
    }
    const { proposals } = JSON.parse((await home.call(["vouch", "--from-calls", "--json"])).stdout).data;
    expect(proposals).toMatchObject([{ did: caller.did, as: "caller", done: 6, adverse: 0 }]);
    using reader = new AuditReader(path);
    const hashes = [...reader.texts()].map(({ body }) => `sha256:${toHex(leafHash(Buffer.from(body)))}`);
    for (const digest of proposals[0].evidence) expect(hashes).toContain(digest);
    const signedOne = await home.call(["vouch", caller.did, "--from-calls", "--out", join(home.path, "v"), "--json"]);
    expect(JSON.parse(signedOne.stdout).data.evidence).toEqual(proposals[0].evidence);
  });
});
