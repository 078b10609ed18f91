import { PassThrough } from "node:stream";
import type { DecisionBody } from "@peerage/mcp-middleware";
import { describe, expect, it } from "vitest";
import { Terminal } from "../../ui/terminal.ts";
import { verdictText } from "./lines.ts";

describe("the verdict in a list of calls", () => {
  it("of what a shadow let through is not the one of what was refused", () => {
    const ui = new Terminal(new PassThrough(), { LANG: "C.UTF-8" });
    const told = (decision: Pick<DecisionBody, "verdict" | "mode">): string => verdictText({ ui }, decision);
    expect(told({ verdict: "refused", mode: "shadow" })).toBe("! shadow");
    expect(told({ verdict: "asked", mode: "shadow" })).toBe("! shadow");
    expect(told({ verdict: "refused" })).toBe("✕ refuse");
    expect(told({ verdict: "admitted", mode: "shadow" })).toBe("✓ admit");
  });
});
