import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { identityFromSeed } from "../did/identity.ts";
import type { Did } from "../did/did-key.ts";
import { decide } from "./decide.ts";
import type { PolicyInput } from "./input.ts";
import { parsePolicy } from "./load.ts";

const folder = new URL("../../../examples/policy/", import.meta.url);
const [server, me, other] = [1, 2, 3].map((n) => identityFromSeed(new Uint8Array(32).fill(n)).did) as [Did, Did, Did];

function load(name: string) {
  return parsePolicy(readFileSync(new URL(name, folder), "utf8"), { me: [me], roots: [me] });
}

/** The rule that allows, or the reason of the refusal. */
function answer(
  name: string,
  tool: string,
  more: { did?: Did; args?: object; trust?: Record<string, number>; age?: number } = {},
) {
  const decision = decide(load(name), {
    v: 1,
    now: "2026-11-20T14:23:08Z",
    method: "tools/call",
    target: tool,
    tool,
    server,
    caller: { did: more.did ?? other, binding: "message", scheme: "peerage-call" },
    args: { ...more.args },
    trust: more.trust ?? {},
    trust_age_seconds: more.age ?? 10,
  });
  return decision.effect === "allow" ? decision.rule : decision.reason;
}

describe("examples/policy", () => {
  it.each(readdirSync(folder))("%s loads, without a warning unless it is open", (name) => {
    const { warnings, document } = load(name);
    expect(warnings.map(({ path }) => path?.join("."))).toEqual(document.open ? ["open"] : []);
  });

  it("laptop: the trusted read, mine do anything, strangers nothing", () => {
    expect(answer("laptop.yaml", "read_file", { trust: { tools: 0.25 } })).toBe("allow[0]");
    expect(answer("laptop.yaml", "read_file", { trust: { tools: 0.24 } })).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer("laptop.yaml", "read_file")).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer("laptop.yaml", "write_file", { trust: { tools: 1 } })).toBe("ERR_POLICY_DENIED");
    expect(answer("laptop.yaml", "write_file", { did: me })).toBe("allow[1]");
  });

  it("community server: strangers read, the trusted write, nobody deletes outside scratch", () => {
    const name = "community-server.yaml";
    expect(answer(name, "read_file")).toBe("readers");
    expect(answer(name, "read_file", { trust: { files: 0.1 } })).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer(name, "write_file")).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer(name, "write_file", { trust: { files: 0.5 } })).toBe("writers");
    expect(answer(name, "write_file", { trust: { files: 0.5 }, age: 3600 })).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer(name, "delete_file", { trust: { files: 0.5 }, args: { path: "scratch/a" } })).toBe("writers");
    for (const args of [{ path: "home/a" }, { path: "scratch/../home" }, { path: 5 }, {}]) {
      expect(answer(name, "delete_file", { trust: { files: 1 }, args }), JSON.stringify(args)).toBe(
        "ERR_POLICY_DENIED",
      );
    }
  });

  it("open demo: whoever signs is admitted", () => {
    expect(answer("open-demo.yaml", "anything")).toBe("everyone");
  });
});

describe("docs/policy.md", () => {
  const text = readFileSync(new URL("../../../docs/policy.md", import.meta.url), "utf8");

  it("quotes the examples as they are", () => {
    for (const name of ["laptop.yaml", "community-server.yaml"]) {
      const file = readFileSync(new URL(name, folder), "utf8");
      expect(text).toContain(file.slice(file.indexOf("apiVersion")).trim());
    }
  });

  it("shows an input that the community server's policy decides", () => {
    const input = JSON.parse(/```json\n([^]*?)```/.exec(text)![1]!) as PolicyInput;
    expect(decide(load("community-server.yaml"), input)).toMatchObject({ effect: "allow", rule: "writers" });
  });
});
