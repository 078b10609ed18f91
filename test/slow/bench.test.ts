import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseReport } from "../../bench/lib/report.ts";
import { sectionNames } from "../../bench/sections.ts";

it("npm run bench -- --quick measures every section, with a spread and a machine, and reads its own report", () => {
  const folder = mkdtempSync(join(tmpdir(), "peerage-bench-slow-"));
  try {
    const main = join(import.meta.dirname, "../../bench/main.ts");
    const run = (...words: string[]): string =>
      execFileSync(process.execPath, [main, ...words], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    const markdown = run("--quick", "--out", folder);
    const path = join(folder, "bench.json");
    const report = parseReport(readFileSync(path, "utf8"));
    expect(report.sections.map(({ name }) => name)).toEqual(sectionNames);
    for (const { name, figures, failed } of report.sections) {
      expect(failed, name).toBeUndefined();
      expect(figures.length, name).toBeGreaterThan(1);
      expect(
        figures.every(({ id }) => id.startsWith(`${name}/`)),
        name,
      ).toBe(true);
    }
    expect(report.machine.cores).toBeGreaterThan(0);
    expect(report.load.others.length).toBe(sectionNames.length);
    for (const { title } of report.sections) expect(markdown).toContain(`## ${title}`);
    expect(run("--compare", path, "--with", path)).toContain("0 moved beyond both spreads");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
