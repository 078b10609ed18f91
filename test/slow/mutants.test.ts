import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runProcess } from "../_cli.ts";

// More than 150 runs of tests, one after the other.
it("some test notices each break of a guarded line", { timeout: 5_400_000 }, async () => {
  const script = fileURLToPath(new URL("../../scripts/mutants.ts", import.meta.url));
  const ran = await runProcess(process.execPath, [script], { cwd: fileURLToPath(new URL("../..", import.meta.url)) });
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
});
