import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { ByteQueue } from "./byte-queue.ts";

describe("ByteQueue", () => {
  it("gives back what was put in, however it was cut, and nothing of what was taken before", () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 40 });
    fc.assert(
      fc.property(pieces, pieces, (first, second) => {
        const queue = new ByteQueue();
        for (const part of [first, second]) {
          for (const piece of part) queue.push(piece);
          const whole = Buffer.concat(part);
          expect(queue.length).toBe(whole.length);
          expect(queue.take().equals(whole)).toBe(true);
          expect(queue.length).toBe(0);
        }
      }),
    );
  });

  it("leaves the pieces alone: they are their sender's", () => {
    const queue = new ByteQueue();
    const sent = Buffer.from("ab--");
    queue.push(sent.subarray(0, 2));
    queue.push(Buffer.from("cd"));
    expect(queue.take().toString()).toBe("abcd");
    expect(sent.toString()).toBe("ab--");
  });

  it("A-RATE-05 holds a million single bytes as a million bytes", () => {
    const queue = new ByteQueue();
    const byte = Buffer.from("a");
    for (let i = 0; i < 1_000_000; i++) queue.push(byte);
    expect(queue.take().buffer.byteLength).toBeLessThan(2_100_000);
  });
});
