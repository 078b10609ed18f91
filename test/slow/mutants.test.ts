import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runProcess } from "../_cli.ts";

it("some test notices each break of a guarded line", async () => {
  const script = fileURLToPath(new URL("../../scripts/mutants.ts", import.meta.url));
  const ran = await runProcess(process.execPath, [script], { cwd: fileURLToPath(new URL("../..", import.meta.url)) });
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
});
