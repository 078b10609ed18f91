import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateIdentity, generateRun, signEntry, tokenDigest } from "@peerage/core";
import { expect, it } from "vitest";
import { dataSchemas } from "../cli/src/schemas.ts";
import { Home, openTestRegistry } from "./_cli.ts";

it("reports an agent with signed steps as evidence, which is shown beside its vouches and changes no score", async () => {
  await using registry = await openTestRegistry();
  await using home = await Home.make();
  await home.call(["init", "me", "--registry", registry.url]);
  const [server, other] = [generateIdentity(), generateIdentity()];
  const me = await home.did();
  const step = { run: generateRun(), prev: [], step: "tool_call", result: "executed" };
  const [receipt, foreign] = await Promise.all([
    signEntry(server, { ...step, aud: me, tool: "pay" }),
    signEntry(other, { ...step, aud: me }),
  ]);
  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(home.path, name), content);
    return join(home.path, name);
  };
  const kept = await file("call.json", JSON.stringify({ v: 1, server: server.did, receipt, result: null }));
  const argv = ["report", server.did, "--category", "unapproved-action"];
  await home.call(["vouch", server.did]);
  await home.call(["roots", "add", me]);
  const before = JSON.parse((await home.call(["trust", server.did, "--json"])).stdout).data.score;

  const altered = await file(
    "altered.json",
    JSON.stringify({ receipt: receipt.slice(0, -20) + (receipt.at(-20) === "A" ? "B" : "A") + receipt.slice(-19) }),
  );
  for (const [evidence, exit] of [
    [await file("foreign.jwt", foreign), 2],
    [altered, 6],
    [await file("none.json", "{}"), 6],
    [join(home.path, "absent.json"), 5],
  ] as const)
    expect((await home.call([...argv, "--evidence", evidence])).code, evidence).toBe(exit);
  expect((await home.call(["report", me, "--category", "spam", "--evidence", kept])).code).toBe(2);
  expect((await home.call([...argv.slice(0, 3), "log-fork", "--evidence", kept])).code).toBe(2);

  const ran = await home.call([...argv, "--evidence", kept, "--note", "paid without being asked", "--json"]);
  expect(ran.code, ran.stderr).toBe(0);
  const { data } = JSON.parse(ran.stdout);
  expect(dataSchemas["report"]!.safeParse(data).error).toBeUndefined();
  expect(data).toMatchObject({ subject: server.did, category: "unapproved-action", evidence: [tokenDigest(receipt)] });
  const shown = await home.call(["show", server.did]);
  expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining("unapproved-action")]);
  expect((await home.call(["note", "show", data.noteDigest])).stdout).toContain("paid without being asked");
  expect(JSON.parse((await home.call(["trust", server.did, "--json"])).stdout).data.score).toBe(before);
});
