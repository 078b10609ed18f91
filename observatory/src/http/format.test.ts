import { describe, expect, it } from "vitest";
import { negotiate, splitSuffix } from "./format.ts";

describe("the form of an answer", () => {
  it("goes by the suffix first", () => {
    expect(splitSuffix("/agents.json")).toEqual({ path: "/agents", format: "json" });
    expect(splitSuffix("/a/did:key:z6Mk.txt")).toEqual({ path: "/a/did:key:z6Mk", format: "text" });
    expect(splitSuffix("/agents")).toEqual({ path: "/agents" });
  });

  it("gives browsers pages, programs JSON and command lines text", () => {
    const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    expect(negotiate(browser, "Mozilla/5.0")).toBe("html");
    expect(negotiate(undefined, undefined)).toBe("html");
    expect(negotiate("application/json", "node")).toBe("json");
    expect(negotiate("text/plain", "node")).toBe("text");
    expect(negotiate("*/*", "curl/8.5.0")).toBe("text");
    expect(negotiate("text/html", "curl/8.5.0")).toBe("html");
    expect(negotiate("application/json, */*;q=0.5", "HTTPie/3.2")).toBe("json");
  });

  it("listens to quality values", () => {
    expect(negotiate("text/html;q=0.1, application/json", undefined)).toBe("json");
    expect(negotiate("application/json;q=0, text/plain", undefined)).toBe("text");
  });
});
