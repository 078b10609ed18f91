import { join } from "node:path";
import { expect, it } from "vitest";
import { runProcess } from "../_cli.ts";

const SOAK = join(import.meta.dirname, "../../scripts/soak.ts");

it.skipIf(process.platform === "win32")(
  "a minute of load leaves no handle, timer, process or temporary file behind, and nothing unanswered",
  async () => {
    const ran = await runProcess(process.execPath, [SOAK, "--minutes", "1", "--json"], { cwd: process.cwd() });
    const told = ran.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(
      told.filter((line) => "fault" in line),
      ran.stderr,
    ).toEqual([]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(told.at(-1)).toEqual({ ok: true });
    const samples = told.filter((line) => "readings" in line);
    expect(samples).toHaveLength(6);
    for (const { readings } of samples)
      expect(Object.keys(readings as object)).toEqual(["public", "bridge", "guard", "server", "registry"]);
    for (const [what, , , slope, error] of (told.find((line) => "rows" in line) as { rows: string[][] }).rows)
      expect([slope, error], what).not.toContain("NaN");
  },
);
