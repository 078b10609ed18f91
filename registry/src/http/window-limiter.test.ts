import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { networkOf, WindowLimiter } from "./window-limiter.ts";

const clock = (): Date => new Date(0);

describe("window limiter", () => {
  it("counts the addresses of one network together: an IPv4 /24, an IPv6 /48", () => {
    expect(networkOf("192.0.2.7")).toBe(networkOf("192.0.2.250"));
    expect(networkOf("::ffff:192.0.2.7")).toBe(networkOf("192.0.2.8"));
    expect(networkOf("192.0.2.7")).not.toBe(networkOf("192.0.3.7"));
    expect(networkOf("2001:db8:5:1::1")).toBe(networkOf("2001:db8:5:ffff:1:2:3:4"));
    expect(networkOf("2001:db8::1")).not.toBe(networkOf("2001:db8:5::1"));
    expect(networkOf("2001:0db8:0005::1")).toBe(networkOf("2001:DB8:5:1::2"));
    expect(networkOf("::1")).toBe("0:0:0");
  });

  it("A-RATE-02 admits so many a minute, and again in the next", () => {
    let seconds = 120;
    const limiter = new WindowLimiter(2, () => new Date(seconds * 1_000));
    expect([1, 2, 3].map(() => limiter.take("192.0.2.1"))).toEqual([
      { admitted: true, remaining: 1, resetSeconds: 60 },
      { admitted: true, remaining: 0, resetSeconds: 60 },
      { admitted: false, remaining: 0, resetSeconds: 60 },
    ]);
    expect(limiter.take("198.51.100.1").admitted).toBe(true);
    seconds = 150;
    expect(limiter.take("192.0.2.1")).toEqual({ admitted: false, remaining: 0, resetSeconds: 30 });
    seconds = 180;
    expect(limiter.take("192.0.2.1").admitted).toBe(true);
  });

  it("A-RATE-02 keeps every network's count its own, in whatever order they come (property)", () => {
    const request = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.constantFrom("reads", "writes"));
    fc.assert(
      fc.property(fc.array(request, { maxLength: 200 }), fc.integer({ min: 1, max: 9 }), (requests, most) => {
        const limiters = { reads: new WindowLimiter(most, clock), writes: new WindowLimiter(most, clock) };
        const counts = new Map<string, number>();
        for (const [network, kind] of requests) {
          const n = (counts.get(`${network} ${kind}`) ?? 0) + 1;
          counts.set(`${network} ${kind}`, n);
          expect(limiters[kind as "reads"].take(`192.0.${network}.${n % 256}`).admitted).toBe(n <= most);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("A-RATE-05 remembers so many networks and no more: others may read, and must not write", () => {
    const limiters = [new WindowLimiter(2, clock), new WindowLimiter(2, clock, "admit")] as const;
    for (const limiter of limiters) {
      expect(limiter.take("192.0.2.1").admitted).toBe(true);
      for (let i = 0; i < 100_000; i++) limiter.take(`2001:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::1`);
    }
    expect(limiters.map((limiter) => limiter.take("2001:ffff:ffff::1").admitted)).toEqual([false, true]);
    expect(limiters.map((limiter) => limiter.take("192.0.2.1").admitted)).toEqual([true, true]);
  });
});
