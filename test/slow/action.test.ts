import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Did, issueVouch } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { act, type Job, openJob, type Stepped } from "../_action.ts";

describe("the action", () => {
  let job: Job;
  let workspace = "";
  let did = "";
  beforeAll(async () => {
    job = await openJob();
    ({ workspace, did } = job);
  });
  afterAll(() => job[Symbol.asyncDispose]());
  const run = (inputs: Record<string, string>): Promise<Stepped> => act(workspace, inputs);

  it("takes no setting from the checkout that it judges", async () => {
    await writeFile(
      join(workspace, ".peerage.json"),
      JSON.stringify({ scope: "payments", registry: "https://evil.example" }),
    );
    const gate = { mode: "gate", agent: did, registry: job.registry.url, roots: job.voucher.did, min: "0.8" };
    expect((await run(gate)).code).toBe(0);
    await rm(join(workspace, ".peerage.json"));
  });

  it("shows names of files that hold commands to the runner as text between stop-commands", async () => {
    const folder = join(workspace, "odd");
    await mkdir(folder);
    await writeFile(join(folder, "ok.txt"), "ok");
    expect((await run({ mode: "sign", path: "odd", key: job.key })).code).toBe(0);
    await writeFile(join(folder, "::set-env name=PATH::evil"), "x");
    await writeFile(join(folder, "x\n::error::pwned"), "x");
    const { code, stdout } = await run({ mode: "verify", path: "odd", signer: did });
    expect(code).toBe(6);
    const lines = stdout.split("\n");
    const start = lines.findIndex((line) => line.startsWith("::stop-commands::"));
    const token = lines[start]!.slice("::stop-commands::".length);
    const end = lines.indexOf(`::${token}::`);
    expect([start >= 0, end > start]).toEqual([true, true]);
    const outside = [...lines.slice(0, start), ...lines.slice(end + 1)];
    expect(outside.filter((line) => line.trimStart().startsWith("::"))).toEqual([]);
  });

  it("answers no outside the scope, and nothing at all without a registry that answers", async () => {
    const gate = { mode: "gate", agent: did, registry: job.registry.url, roots: job.voucher.did };
    const other = await run({ ...gate, scope: "code" });
    expect([other.code, other.outputs["answer"]]).toEqual([3, "no"]);
    const away = await run({ ...gate, registry: "http://127.0.0.1:9" });
    expect([away.code, away.outputs]).toEqual([7, { answer: "", result: "" }]);
  });

  it("takes no other thing that was signed for a signed file", async () => {
    const path = join(workspace, "release.txt");
    await writeFile(
      path,
      (await issueVouch(job.voucher, { subject: did as Did, scope: ["tools"], confidence: 1 })).bytes,
    );
    const { code, outputs } = await run({ mode: "verify", path: "release.txt", signer: job.voucher.did });
    expect([code, outputs["answer"]]).toEqual([6, "invalid"]);
  });

  it("refuses a folder with a file more than was signed", async () => {
    expect((await run({ mode: "sign", path: "skill", key: job.key })).code).toBe(0);
    expect((await run({ mode: "verify", path: "skill", signer: did })).code).toBe(0);
    await writeFile(join(workspace, "skill", "EXTRA.md"), "x");
    const more = await run({ mode: "verify", path: "skill", signer: did });
    expect([more.code, more.stdout]).toEqual([6, expect.stringContaining("EXTRA.md")]);
  });
});
