import { describe, expect, it } from "vitest";
import { people, TestRun } from "../../../test/_history.ts";
import { isPeerageError } from "../errors.ts";
import type { Digest } from "../json/digest.ts";
import { verifyHistory } from "./history.ts";

const at = Date.UTC(2026, 10, 20, 12) / 1000;
const now = new Date((at + 60) * 1000);
const signers = [people.agent, people.fraud, people.alice, people.bob];

/** Ten entries of four signers, with a fork and a join. */
async function tenEntries(run: TestRun): Promise<Digest[]> {
  for (let i = 0; i < 8; i++) await run.add(signers[i % 4]!, `step_${i}`, "passed", at + i, { sub: { n: i } });
  await run.add(people.alice, "branch", "passed", at + 8, { prev: run.digests.slice(6, 7) });
  await run.add(people.bob, "join", "passed", at + 9, { prev: run.digests.slice(7, 9) });
  return run.digests.slice(-1);
}

function verdict(tokens: readonly string[], head: readonly Digest[]): string {
  try {
    return verifyHistory(tokens, head, { now }) === undefined ? "nothing" : "verified";
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return error.code;
  }
}

describe("A-HIST-01 a ten-entry history", () => {
  it("is refused with any byte changed, under the old head and under one signed over what is shown", async () => {
    const run = new TestRun();
    const head = await tenEntries(run);
    expect(verdict(run.tokens, head)).toBe("verified");
    const alphabet = ["A", "B", "9", "_", ".", "z"];
    let tried = 0;
    for (const [index, token] of run.tokens.entries()) {
      // Every seventh byte, another residue for each entry; the last one, whose spare bits are canonical, always.
      for (
        let byte = index % 7;
        byte < token.length;
        byte += byte + 7 < token.length || byte === token.length - 1 ? 7 : token.length - 1 - byte
      ) {
        const other = alphabet.find((char) => char !== token[byte] && (tried + char.charCodeAt(0)) % 2 === 0) ?? "-";
        const altered = `${token.slice(0, byte)}${other === token[byte] ? "~" : other}${token.slice(byte + 1)}`;
        const tokens = run.tokens.with(index, altered);
        expect(["ERR_HISTORY_INVALID", "ERR_DID_INVALID"], `entry ${index} byte ${byte}`).toContain(
          verdict(tokens, head),
        );
        tried++;
      }
    }
    expect(tried).toBeGreaterThan(500);
  });

  it("is refused with an entry dropped, doubled, swapped or from another run; a dropped tail too, under its head", async () => {
    const [run, other] = [new TestRun(), new TestRun("zzzzzzzzzzzzzzzzzzzzzz")];
    const head = await tenEntries(run);
    await tenEntries(other);
    const { tokens } = run;
    for (let i = 0; i < tokens.length; i++) {
      expect(verdict(tokens.toSpliced(i, 1), head), `dropped ${i}`).toBe("ERR_HISTORY_INVALID");
      expect(verdict(tokens.toSpliced(i, 0, tokens[i]!), head), `doubled ${i}`).toBe("ERR_HISTORY_INVALID");
      expect(verdict(tokens.with(i, other.tokens[i]!), head), `spliced ${i}`).toBe("ERR_HISTORY_INVALID");
      if (i > 0 && i !== 8)
        expect(verdict(tokens.toSpliced(i - 1, 2, tokens[i]!, tokens[i - 1]!), head), `swapped ${i}`).toBe(
          "ERR_HISTORY_INVALID",
        );
    }
    // What no receiver can see: the holder signs a head over less. Policy bounds it by age, single use and memory.
    expect(verdict(tokens.slice(0, 6), run.digests.slice(5, 6))).toBe("verified");
    expect(verdict(tokens.slice(0, 6), head)).toBe("ERR_HISTORY_INVALID");
  });

  it("keeps an expired entry as a link, and refuses one that names no predecessor or two roots", async () => {
    const run = new TestRun();
    await run.add(people.agent, "first", "passed", at, { exp: at + 5 });
    await run.add(people.fraud, "second", "passed", at + 1);
    expect(verdict(run.tokens, run.digests.slice(-1))).toBe("verified");
    await run.add(people.fraud, "third", "passed", at + 2, { prev: [] });
    expect(verdict(run.tokens, run.digests.slice(1))).toBe("ERR_HISTORY_INVALID");
  });
});
