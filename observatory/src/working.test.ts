import { expect, it } from "vitest";
import { sumLine, type Term } from "./working.ts";

it("adds up to the score, also where the smaller of many chains are one sum", () => {
  const terms = Array.from({ length: 12 }, (_, i) => ({ addend: (0.06 - i * 0.004).toFixed(6) }) as Term);
  const evidence = terms.reduce((sum, { addend }) => sum + Number(addend), 0).toFixed(6);
  const [left = "", right] = sumLine({ terms, evidence }).split(" = ");
  const addends = left.split(" + ");
  expect(addends).toHaveLength(9);
  expect(addends.at(-1)).toMatch(/ of 4 others$/);
  expect(addends.reduce((sum, addend) => sum + Number.parseFloat(addend), 0).toFixed(6)).toBe(right);
  expect(right).toBe(evidence);
  expect(sumLine({ terms: terms.slice(0, 9), evidence: "0.400000" }).split(" + ")).toHaveLength(9);
});
