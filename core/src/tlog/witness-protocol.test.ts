import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { isPeerageError } from "../errors.ts";
import { toBase64 } from "../encoding/base64.ts";
import { parseTlogPolicy } from "./policy-file.ts";
import { formatVerifierKey, noteSignerFromSeed } from "./verifier-key.ts";
import {
  addSignatureLines,
  checkQuorumRule,
  formatAddCheckpoint,
  parseAddCheckpoint,
  parseSignatureLines,
} from "./witness-protocol.ts";

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return error.code;
  }
}

const hash = new Uint8Array(32).fill(7);
const note = `log.test\n5\n${toBase64(hash)}\n\n— log.test AAAAAAE=\n`;

/** The example of https://c2sp.org/tlog-witness: another implementation's request and the answer to it. */
const exchange = {
  request: [
    "old 20852014",
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=",
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=",
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=",
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=",
    "",
    "example.com/behind-the-sofa",
    "20852163",
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
    "",
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=",
    "\u2014 example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=",
    "",
  ].join("\n"),
  answer: [
    "\u2014 witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==",
    "\u2014 witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==",
    "\u2014 witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==",
    "",
  ].join("\n"),
};

describe("add-checkpoint", () => {
  it("reads the specification's exchange, and writes both sides of it as they stand there", () => {
    const request = parseAddCheckpoint(exchange.request);
    expect(request).toMatchObject({ oldSize: 20_852_014, proof: { length: 4 } });
    expect(formatAddCheckpoint(request)).toBe(exchange.request);
    const lines = parseSignatureLines(exchange.answer);
    expect(lines.map(({ name }) => name)).toEqual(["witness.example/w1", "witness.example/w1", "witness.example/w2"]);
    expect(addSignatureLines(request.checkpoint, lines)).toBe(request.checkpoint + exchange.answer);
  });

  it("is read back as it was written", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 63 }),
        (oldSize, proof) => {
          const body = formatAddCheckpoint({ oldSize, proof, checkpoint: note });
          expect(parseAddCheckpoint(body)).toEqual({ oldSize, proof, checkpoint: note });
          expect(parseAddCheckpoint(new TextEncoder().encode(body)).oldSize).toBe(oldSize);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("A-LOG-04 is refused in any other form", () => {
    const line = toBase64(hash);
    const bad = [
      "",
      "\n\n",
      `old 01\n\n${note}`,
      `old -1\n\n${note}`,
      `old 1e3\n\n${note}`,
      `Old 1\n\n${note}`,
      `old 1 \n\n${note}`,
      `old 9007199254740993\n\n${note}`,
      `old 1\n${line.slice(4)}\n\n${note}`,
      `old 1\n${line.replace("=", "")}\n\n${note}`,
      `old 1\n${line}\r\n\n${note}`,
      `old 1\n${`${line}\n`.repeat(64)}\n${note}`,
    ];
    for (const body of bad)
      expect(
        codeOf(() => parseAddCheckpoint(body)),
        body,
      ).toBe("ERR_REQUEST_INVALID");
    expect(codeOf(() => parseAddCheckpoint(Uint8Array.of(0xff, 10, 10)))).toBe("ERR_REQUEST_INVALID");
    expect(() => formatAddCheckpoint({ oldSize: 1.5, proof: [], checkpoint: note })).toThrow(RangeError);
    expect(() => formatAddCheckpoint({ oldSize: 1, proof: [new Uint8Array(31)], checkpoint: note })).toThrow(
      RangeError,
    );
  });

  it("throws nothing but its code on mutated bytes", () => {
    const body = new TextEncoder().encode(formatAddCheckpoint({ oldSize: 3, proof: [hash, hash], checkpoint: note }));
    fc.assert(
      fc.property(fc.nat(body.length - 1), fc.nat(255), (at, byte) => {
        const mutated = Uint8Array.from(body);
        mutated[at] = byte;
        expect([undefined, "ERR_REQUEST_INVALID"]).toContain(codeOf(() => parseAddCheckpoint(mutated)));
      }),
      { numRuns: 2_000 },
    );
  });

  it("puts the lines of an answer under the note, each key's once", () => {
    const lines = parseSignatureLines("— w.test AAAAAAI=\n— v.test AAAAAAM=\n");
    const whole = addSignatureLines(note, lines);
    expect(whole).toBe(`${note}— w.test AAAAAAI=\n— v.test AAAAAAM=\n`);
    expect(addSignatureLines(whole, parseSignatureLines("— w.test AAAAAAQ=\n"))).toContain("AAAAAAM=");
    expect(codeOf(() => parseSignatureLines("hello\n"))).toBe("ERR_CHECKPOINT_INVALID");
    expect(codeOf(() => parseSignatureLines(""))).toBe("ERR_CHECKPOINT_INVALID");
  });
});

it("A-LOG-06 a quorum leaves no room for two versions of a log", () => {
  for (const [witnesses, threshold, faulty, fits] of [
    [4, 3, 1, true],
    [5, 4, 2, true],
    [7, 5, 2, true],
    [3, 2, 0, true],
    [3, 2, 1, false],
    [4, 2, 0, false],
    [1, 1, 0, true],
    [2, 1, 0, false],
    [3, 4, 0, false],
    [3, 0, 0, false],
  ] as const) {
    const check = (): void => checkQuorumRule({ witnesses, threshold, faulty });
    if (fits) expect(check).not.toThrow();
    else expect(check).toThrow(RangeError);
  }
});

describe("a policy file", () => {
  const key = (n: number, type: 1 | 4) =>
    formatVerifierKey(noteSignerFromSeed(`k${n}`, type, new Uint8Array(32).fill(n)).key);
  const witnesses = `witness A ${key(2, 4)} https://a.test/witness\nwitness B ${key(3, 4)}\nwitness C ${key(4, 4)}\n`;
  const text = `# ours\nlog ${key(1, 1)} https://log.test\n\n${witnesses}\tgroup G 2 A  B C \nquorum G\n`;

  it("names logs, witnesses and how many of them", () => {
    expect(parseTlogPolicy(text)).toMatchObject({
      logs: [{ key: { name: "k1" }, url: "https://log.test" }],
      witnesses: [
        { key: { name: "k2" }, url: "https://a.test/witness" },
        { key: { name: "k3" } },
        { key: { name: "k4" } },
      ],
      threshold: 2,
    });
    expect(parseTlogPolicy(text.replace("2 A", "all A")).threshold).toBe(3);
    expect(parseTlogPolicy(text.replace("2 A", "any A")).threshold).toBe(1);
    expect(parseTlogPolicy(text.replace("quorum G", "quorum B"))).toMatchObject({
      witnesses: [{ key: { name: "k3" } }],
      threshold: 1,
    });
    expect(parseTlogPolicy("quorum none\n")).toEqual({ logs: [], witnesses: [], threshold: 0 });
  });

  it("A-LOG-04 is refused with anything unknown, undefined, repeated or impossible in it", () => {
    const bad = [
      "",
      "quorum A\n",
      `${text}quorum none\n`,
      text.replace("quorum G", "quorum H"),
      text.replace("2 A", "4 A"),
      text.replace("2 A", "0 A"),
      text.replace("2 A", "1.5 A"),
      text.replace("A  B C", "A B B"),
      text.replace("A  B C", "A B D"),
      text.replace("witness B", "witness A"),
      text.replace("witness B", "witness none"),
      text.replace(key(3, 4), key(2, 4)),
      text.replace(key(3, 4), key(3, 1)),
      text.replace(key(1, 1), key(1, 4)),
      text.replace("# ours", "wítness"),
      text.replace("\t", "\u000b"),
      text.replace("quorum G", `group H 2 G A\nquorum H`),
    ];
    for (const file of bad)
      expect(
        codeOf(() => parseTlogPolicy(file)),
        file,
      ).toBe("ERR_CONFIG_INVALID");
  });
});
