import { describe, expect, it } from "vitest";
import { LineSplitter } from "./framing.ts";

function collect(chunks: readonly Buffer[], maxBytes?: number): { lines: string[]; tooLarge: number; held: number } {
  const lines: string[] = [];
  let tooLarge = 0;
  let held = 0;
  const splitter = new LineSplitter({
    ...(maxBytes === undefined ? {} : { maxBytes }),
    onLine: (line) => lines.push(line.toString()),
    onTooLarge: () => tooLarge++,
  });
  for (const chunk of chunks) {
    splitter.push(chunk);
    held = Math.max(held, splitter.heldBytes);
  }
  return { lines, tooLarge, held };
}

const exchange = Buffer.from('{"a":"é€😀"}\n{"b":"\u2028\u2029"}\r\n\n{"c":1}\n{"unfinished":');

describe("the line splitter", () => {
  it("gives the same messages at every boundary of two chunks", () => {
    for (let cut = 0; cut <= exchange.length; cut++) {
      const { lines } = collect([exchange.subarray(0, cut), exchange.subarray(cut)]);
      expect(lines).toEqual(['{"a":"é€😀"}', '{"b":"\u2028\u2029"}\r', '{"c":1}']);
    }
  });

  it("gives the same messages byte by byte", () => {
    const { lines } = collect([...exchange].map((byte) => Buffer.from([byte])));
    expect(lines).toHaveLength(3);
  });

  it("A-JSON-07 takes CR and U+2028 for no line end, so one frame is one message", () => {
    const { lines } = collect([Buffer.from('{"x":"\u2028"}\r{"y":1}\n')]);
    expect(lines).toEqual(['{"x":"\u2028"}\r{"y":1}']);
  });

  it("does not take an unfinished line for a message", () => {
    expect(collect([Buffer.from('{"id":1}')]).lines).toEqual([]);
  });

  it("A-JSON-07 reports a line that never ends once, holds no more than the limit, and reads the next line", () => {
    const chunk = Buffer.alloc(1_000, 0x61);
    const { lines, tooLarge, held } = collect(
      [...Array.from({ length: 100 }, () => chunk), Buffer.from("\nok\n")],
      4_096,
    );
    expect(tooLarge).toBe(1);
    expect(held).toBeLessThanOrEqual(4_096);
    expect(lines).toEqual(["ok"]);
  });

  it("admits a line of exactly the limit and refuses one byte more", () => {
    expect(collect([Buffer.from("abcd\n")], 4)).toMatchObject({ lines: ["abcd"], tooLarge: 0 });
    expect(collect([Buffer.from("abcde\n")], 4)).toMatchObject({ lines: [], tooLarge: 1 });
  });
});
