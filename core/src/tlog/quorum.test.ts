import { createHash } from "node:crypto";
import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import {
  addSignature,
  checkQuorumGroup,
  formatVerifierKey,
  noteSignerFromSeed,
  parseTlogPolicy,
  type QuorumGroup,
  type QuorumMember,
  quorumOverlap,
  quorumTime,
  signCheckpoint,
  smallestQuorum,
  type VerifierKey,
  verifyCheckpoint,
  witnessesOfQuorum,
} from "./index.ts";

const seed = (n: number): Uint8Array => Uint8Array.from({ length: 32 }, () => n);
const log = noteSignerFromSeed("log.test", 1, seed(1));
const operator = noteSignerFromSeed("log.test/witness", 4, seed(2));
const signers = Array.from({ length: 7 }, (_, i) => noteSignerFromSeed(`w${i}.test`, 4, seed(10 + i)));
const witnesses = signers.map(({ key }) => key);
const lines = witnesses.map((key, i) => `witness w${i} ${formatVerifierKey(key)} https://w${i}.test/witness`);
const policy = (...rest: string[]): string => [...lines, ...rest, ""].join("\n");

const nested = parseTlogPolicy(
  policy("group a 2 w0 w1 w2", "group b all w3 w4", "group c any w5 w6", "group all-of 2 a b c", "quorum all-of"),
);

describe("a tlog-policy of groups of groups", () => {
  it("is read as written, each witness once", () => {
    expect(nested.witnesses.map(({ key }) => key.name)).toEqual(witnesses.map(({ name }) => name));
    expect(nested.group).toMatchObject({
      threshold: 2,
      members: [
        { threshold: 2, members: witnesses.slice(0, 3) },
        { threshold: 2, members: witnesses.slice(3, 5) },
        { threshold: 1, members: witnesses.slice(5) },
      ],
    });
    expect(nested.threshold).toBe(3);
    const flat = parseTlogPolicy(policy("group a 2 w0 w1 w2", "quorum a"));
    expect(flat).toMatchObject({ threshold: 2, witnesses: { length: 3 } });
    expect(flat.group).toBeUndefined();
  });

  it("is refused if a witness counts twice, a member is unknown, or groups stand too deep", () => {
    const deep = Array.from({ length: 40 }, (_, i) => `group g${i} any ${i === 0 ? "w0" : `g${i - 1}`}`);
    for (const bad of [
      ["group a any w0 w1", "group b any w1 w2", "group c 2 a b", "quorum c"],
      ["group a any w0", "group b 2 a w0", "quorum b"],
      ["group a any w0 b", "group b any w1", "quorum a"],
      [...deep, "quorum g39"],
    ]) {
      expect(() => parseTlogPolicy(policy(...bad)), bad.join()).toThrow(
        expect.objectContaining({ code: "ERR_CONFIG_INVALID" }),
      );
    }
    expect(parseTlogPolicy(policy(...deep.slice(0, 10), "quorum g9")).group).toBeDefined();
  });

  it("decides which checkpoints are witnessed, and when", async () => {
    const root = createHash("sha256").update("x").digest();
    const now = new Date(1_795_200_000_000);
    const bare = await signCheckpoint({ origin: "log.test", size: 7, root }, { log, witness: operator, now });
    const cosigned = async (...by: [number, number][]): Promise<string> => {
      let note = bare;
      for (const [i, after] of by) note = await addSignature(note, signers[i]!, new Date(now.getTime() + after * 1000));
      return note;
    };
    const quorum = { witnesses, threshold: nested.threshold, group: nested.group! };
    const judge = (note: string) => verifyCheckpoint(note, { origin: "log.test", logKey: log.key, quorum });
    const t = now.getTime() / 1000;
    expect(await judge(await cosigned([0, 9], [2, 5], [5, 7]))).toMatchObject({ witnessed: true, time: t + 9 });
    expect(await judge(await cosigned([3, 1], [4, 2], [6, 3], [0, 4]))).toMatchObject({ time: t + 3 });
    for (const short of [[], [0, 1, 2], [0, 3, 5], [5, 6], [0, 1, 3]]) {
      const note = await cosigned(...short.map((i): [number, number] => [i, 1]));
      await expect(judge(note), short.join()).rejects.toMatchObject({
        code: "ERR_CHECKPOINT_INVALID",
        detail: "quorum",
      });
    }
  });

  it("A-LOG-06 stands as many bad witnesses as any two quorums are sure to have in common", () => {
    const group = (threshold: number, ...members: QuorumMember[]): QuorumGroup => ({ threshold, members });
    const w = witnesses as [VerifierKey, VerifierKey, VerifierKey, VerifierKey, VerifierKey, VerifierKey, VerifierKey];
    expect(quorumOverlap(nested.group!)).toBe(0); // two of three groups share one, and that may be the one of any
    expect(() => checkQuorumGroup(nested.group!, 0)).toThrow(RangeError);
    const good = group(2, group(2, w[0], w[1], w[2]), group(2, w[3], w[4]));
    expect(quorumOverlap(good)).toBe(3);
    expect(() => checkQuorumGroup(good, 2)).not.toThrow();
    expect(() => checkQuorumGroup(good, 3)).toThrow(RangeError);
  });

  it("counts overlap and size as all subsets show them (property)", () => {
    const tree = fc.letrec<{ node: (next: () => VerifierKey | undefined) => QuorumMember | undefined }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 3 },
        fc.constant((next: () => VerifierKey | undefined) => next()),
        fc
          .tuple(fc.array(tie("node"), { minLength: 1, maxLength: 3 }), fc.nat(2))
          .map(([parts, extra]) => (next: () => VerifierKey | undefined) => {
            const members = parts.flatMap((part) => part(next) ?? []);
            return members.length === 0 ? undefined : { members, threshold: 1 + (extra % members.length) };
          }),
      ),
    }));
    fc.assert(
      fc.property(tree.node, (make) => {
        let used = 0;
        const member = make(() => witnesses[used++]);
        if (!member) return;
        const all = witnessesOfQuorum(member);
        const satisfied = Array.from({ length: 1 << all.length }, (_, bits) => bits).filter(
          (bits) => quorumTime(member, (key) => ((bits >> all.indexOf(key)) & 1 ? 0 : undefined)) !== undefined,
        );
        const count = (bits: number): number => all.filter((_, i) => (bits >> i) & 1).length;
        expect(smallestQuorum(member)).toBe(Math.min(...satisfied.map(count)));
        const overlaps = satisfied.flatMap((a) => satisfied.map((b) => count(a & b)));
        expect(quorumOverlap(member)).toBe(overlaps.reduce((x, y) => Math.min(x, y)));
      }),
      { numRuns: 200 },
    );
  });
});
