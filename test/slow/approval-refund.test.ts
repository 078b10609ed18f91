import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runProcess } from "../_cli.ts";

it("A-APPR-02 A-APPR-05 A-APPR-08 the refund example ends as it must, with real processes and an auditor who has one file", async () => {
  const script = fileURLToPath(new URL("../../examples/refund/run.ts", import.meta.url));
  const { code, stdout, stderr } = await runProcess(process.execPath, [script, "--json"], {});
  const said = JSON.parse(stdout) as {
    ok: boolean;
    problem?: string;
    outcomes: { what: string; expected: string; got: string; ok: boolean }[];
  };
  expect(
    said.outcomes.filter(({ ok }) => !ok),
    stderr + (said.problem ?? ""),
  ).toEqual([]);
  expect(said.problem).toBeUndefined();
  expect([code, said.ok]).toEqual([0, true]);
  const got = new Map(said.outcomes.map((one) => [one.what, one.got]));
  // What the issue asks for, by name: none of it may fall out of the example unseen.
  expect(got.get("$12,500 without an approval")).toBe("ERR_APPROVAL_REQUIRED");
  expect(got.get("the approved call")).toBe("executed");
  expect(got.get("the call comes too late")).toBe("ERR_APPROVAL_EXPIRED");
  expect(got.get("Carol, who is no approver, approves")).toBe("refused");
  expect(got.get("$12,600 on Alice's approval")).toBe("ERR_APPROVAL_REQUIRED");
  expect(got.get("Bob denies")).toBe("ERR_APPROVAL_DENIED");
  expect(got.get("nobody answers in time")).toBe("ERR_APPROVAL_EXPIRED");
  expect(got.get("$12,500 rest on")).toContain("human_approval approved by alice");
}, 240_000);
