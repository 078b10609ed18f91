import { describe, expect, it } from "vitest";
import { networkOf, WriteLimiter } from "./write-limiter.ts";

describe("write limiter", () => {
  it("counts the addresses of one network together: an IPv4 /24, an IPv6 /48", () => {
    expect(networkOf("192.0.2.7")).toBe(networkOf("192.0.2.250"));
    expect(networkOf("::ffff:192.0.2.7")).toBe(networkOf("192.0.2.8"));
    expect(networkOf("192.0.2.7")).not.toBe(networkOf("192.0.3.7"));
    expect(networkOf("2001:db8:5:1::1")).toBe(networkOf("2001:db8:5:ffff:1:2:3:4"));
    expect(networkOf("2001:db8::1")).not.toBe(networkOf("2001:db8:5::1"));
    expect(networkOf("::1")).toBe("0:0:0");
  });

  it("A-RATE-02 admits so many a minute, and again in the next", () => {
    let seconds = 120;
    const limiter = new WriteLimiter(2, () => new Date(seconds * 1_000));
    expect([1, 2, 3].map(() => limiter.take("192.0.2.1"))).toEqual([0, 0, 60]);
    expect(limiter.take("198.51.100.1")).toBe(0);
    seconds = 150;
    expect(limiter.take("192.0.2.1")).toBe(30);
    seconds = 180;
    expect(limiter.take("192.0.2.1")).toBe(0);
  });

  it("A-RATE-05 denies addresses that it cannot remember, and keeps those that it does", () => {
    const limiter = new WriteLimiter(2, () => new Date(0));
    expect(limiter.take("192.0.2.1")).toBe(0);
    for (let i = 0; i < 100_000; i++) limiter.take(`2001:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::1`);
    expect(limiter.take("2001:ffff:ffff::1")).toBeGreaterThan(0);
    expect(limiter.take("192.0.2.1")).toBe(0);
  });
});
