import { describe, expect, it } from "vitest";
import { isLoopbackHost } from "./http-headers.ts";

describe("isLoopbackHost", () => {
  it("A-HTTP-05 knows this machine by its names and no other by a name that looks like them", () => {
    for (const host of ["localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3:8080", "::1", "[::1]", "[::1]:80"]) {
      expect([host, isLoopbackHost(host)]).toEqual([host, true]);
    }
    const others = [
      ...["127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "127.1", "127.999.1.1", ""],
      ...[
        "::1:80",
        "[::2]",
        "[::1]evil",
        "[localhost]",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "0",
        "2130706433",
        "0x7f.0.0.1",
      ],
    ];
    for (const host of others) expect([host, isLoopbackHost(host)]).toEqual([host, false]);
    expect(isLoopbackHost(undefined)).toBe(false);
  });
});
