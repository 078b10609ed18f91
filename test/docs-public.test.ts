import { describe, expect, it } from "vitest";
import { packages, publicNames } from "./_public.ts";

const { exported, members } = publicNames();
const missing = (names: typeof exported): string[] =>
  names.filter(({ isDocumented }) => !isDocumented).map(({ file, name }) => `${name} in ${file}`);

describe("the docstrings of what the packages export", () => {
  it("are there for every name", () => {
    for (const folder of packages) expect(exported.some(({ file }) => file.startsWith(`${folder}/`))).toBe(true);
    expect(missing(exported)).toEqual([]);
  });

  it("say of every number what it counts, in which unit or range", () => {
    const numbers = members.filter(({ isNumber }) => isNumber);
    expect(numbers.length).toBeGreaterThan(100);
    expect(missing(numbers)).toEqual([]);
  });

  it("are missed where there is none", () => {
    // The members whose names say it all have none, so the reader does see the difference.
    expect(missing(members).length).toBeGreaterThan(0);
  });
});
