import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { mutants } from "./mutants.ts";

it("breaks at least 150 guarded lines of the admission path, each of which stands where the list says", async () => {
  expect(mutants.length).toBeGreaterThanOrEqual(150);
  for (const { file, from, to, lets } of mutants) {
    const text = await readFile(fileURLToPath(new URL(`../${file}`, import.meta.url)), "utf8");
    expect(text.split(from).length - 1, `${lets}: ${file}`).toBe(1);
    expect(to).not.toBe(from);
  }
});
