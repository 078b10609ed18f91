import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Home, openTestRegistry } from "./_cli.ts";

describe("peerage trust --explain", () => {
  let home: Home;
  let registry: Awaited<ReturnType<typeof openTestRegistry>>;
  const dids: Record<string, string> = {};

  /** The example of docs/trust.md: each name begins with its letter. */
  const vouches = [
    ["rita", "anna", 90],
    ["rita", "bert", 80],
    ["anna", "cleo", 100],
    ["anna", "dora", 50],
    ["bert", "cleo", 60],
    ["cleo", "dora", 100],
  ] as const;

  beforeAll(async () => {
    home = await Home.make();
    registry = await openTestRegistry();
    for (const name of ["rita", "anna", "bert", "cleo", "dora"]) {
      await home.call(["init", name, "--registry", registry.url]);
      const { stdout } = await home.call(["whoami", "--identity", name, "--json"]);
      dids[name] = (JSON.parse(stdout) as { data: { did: string } }).data.did;
    }
    for (const [from, to, confidence] of vouches) {
      await home.call(["--identity", from, "vouch", to, "--confidence", String(confidence)]);
    }
    await registry.registry.published(11);
    await home.call(["roots", "add", "rita"]);
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  it("A-TRUST-08 prints every chain with arithmetic that adds up, what holds it up, and with what it was computed", async () => {
    const { code, stdout } = await home.call(["--identity", "rita", "trust", "dora", "--explain", "--min", "0.5"]);
    expect(code).toBe(0);
    expect(stdout).toContain("0.55");
    expect(stdout).toContain("0.315000  decay 0.7 × power 0.9 × dilution 1 × 0.5");
    expect(stdout).toContain("0.235200  decay 0.7 × power 0.336 × dilution 1 × 1");
    expect(stdout).toContain("0.550200  evidence");
    expect(stdout).toMatch(/holds it up .*Without it: unknown/);
    expect(stdout).toContain("computed by  flow: mu 0.7, K 30, L 6");
    expect(stdout).toMatch(/edges {8}sha256:[0-9a-f]{64}, 6 vouches/);
  });

  it("A-TRUST-03 says the same as the registry and the same in JSON, as of the same log", async () => {
    const { stdout } = await home.call(["--identity", "rita", "trust", "dora", "--explain", "--json"]);
    const { data } = JSON.parse(stdout) as { data: Record<string, unknown> };
    const answer = await fetch(`${registry.url}/v1/explain?from=${dids["rita"]}&to=${dids["dora"]}&scope=tools`);
    const explained = (await answer.json()) as { provenance: object; explanation: Record<string, unknown> };
    expect(data["score"]).toBe(0.5502);
    expect(explained.explanation["score"]).toBe(0.5502);
    expect(data["provenance"]).toEqual(explained.provenance);
    expect(data["contributions"]).toEqual(explained.explanation["contributions"]);
    expect(data["holdsUp"]).toEqual(explained.explanation["holdsUp"]);
  });

  it("exits with 3 for less than asked, and says what would raise it", async () => {
    const { code, stdout } = await home.call(["--identity", "rita", "trust", "dora", "--explain", "--min", "0.9"]);
    expect(code).toBe(3);
    expect(stdout).toMatch(/would do +you vouching 35/);
  });
});
