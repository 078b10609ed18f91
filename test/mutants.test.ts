import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { mutants } from "./mutants.ts";

it("breaks at least 150 guarded lines of the admission path, each of which stands where the list says", async () => {
  expect(mutants.length).toBeGreaterThanOrEqual(150);
  const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
  for (const { file, from, to, lets, tests } of mutants) {
    const text = await readFile(at(file), "utf8");
    expect(text.split(from).length - 1, `${lets}: ${file}`).toBe(1);
    expect(to).not.toBe(from);
    // A run of tests that are not there fails, and would count as one that noticed.
    expect(tests.length, lets).toBeGreaterThan(0);
    expect(
      tests.filter((path) => !existsSync(at(path))),
      lets,
    ).toEqual([]);
  }
});
