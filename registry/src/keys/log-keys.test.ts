import { describe, expect, it } from "vitest";
import { originOf } from "./log-keys.ts";

describe("the origin of a log", () => {
  it("is the public URL without scheme and trailing slash", () => {
    expect(originOf("https://registry.example.org")).toBe("registry.example.org");
    expect(originOf("https://Registry.Example.org:443/")).toBe("registry.example.org");
    expect(originOf("http://127.0.0.1:7070/log/")).toBe("127.0.0.1:7070/log");
  });

  it("refuses what cannot name a log", () => {
    for (const url of [
      "",
      "registry.example.org",
      "ftp://x.example",
      "https://u:p@x.example",
      "https://x.example/?q=1",
      "https://x.example/#f",
      "https://x.example/a+b",
    ]) {
      expect(() => originOf(url), url).toThrow(expect.objectContaining({ code: "ERR_CONFIG_INVALID" }));
    }
  });
});
