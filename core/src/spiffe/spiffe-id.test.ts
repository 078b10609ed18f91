import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { vectorJson, vectorsPresent } from "../../../test/_vectors.ts";
import { isPeerageError } from "../errors.ts";
import { parseSpiffeId, parseTrustDomain, parseWorkloadId } from "./spiffe-id.ts";

/** `accept`, or the detail of the refusal. */
function verdict(text: unknown, parse: (text: unknown) => unknown = parseSpiffeId): string {
  try {
    parse(text);
    return "accept";
  } catch (error) {
    if (!isPeerageError(error, "ERR_SPIFFE_ID_INVALID")) throw error;
    return error.detail ?? "";
  }
}

describe("SPIFFE IDs", () => {
  it("splits an ID into trust domain and path, and keeps the text", () => {
    const id = "spiffe://acme.example/ns/payments/sa/Refund-Agent";
    expect(parseSpiffeId(id)).toEqual({ id, trustDomain: "acme.example", path: "/ns/payments/sa/Refund-Agent" });
  });

  it("A-SPIFFE-02 refuses case, percent signs, dots, ports, userinfo, queries and fragments that a URL parser takes", () => {
    expect(verdict("spiffe://acme.example/agent")).toBe("accept");
    const hostile = [
      "spiffe://ACME.example/agent",
      "SPIFFE://acme.example/agent",
      "spiffe://acme.example/%61gent",
      "spiffe://acme.example/x/../agent",
      "spiffe://acme.example:443/agent",
      "spiffe://me@acme.example/agent",
      "spiffe://acme.example/agent?a",
      "spiffe://acme.example/agent#a",
    ];
    for (const text of hostile) {
      expect(() => new URL(text)).not.toThrow();
      expect(verdict(text)).not.toBe("accept");
    }
  });

  it("takes a trust domain's own ID as an ID, and not as that of a workload", () => {
    expect(verdict("spiffe://acme.example")).toBe("accept");
    expect(verdict("spiffe://acme.example", parseWorkloadId)).toBe("path");
    expect(verdict("spiffe://acme.example/a", parseWorkloadId)).toBe("accept");
  });

  it("takes names of trust domains without scheme, case or port", () => {
    expect(parseTrustDomain("acme.example")).toBe("acme.example");
    for (const name of ["", "Acme", "acme:1", "spiffe://acme", "a/b", 7]) {
      expect(verdict(name, parseTrustDomain)).toBe("trust-domain");
    }
  });

  it("never takes two texts for one ID, and writes back what it read", () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9._-]{1,12}$/);
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9._-]{1,40}$/), fc.array(segment, { maxLength: 5 }), (domain, segments) => {
        const path = segments.map((name) => `/${name}`).join("");
        const text = `spiffe://${domain}${path}`;
        const isLegal = segments.every((name) => name !== "." && name !== "..");
        expect(verdict(text)).toBe(isLegal ? "accept" : "path");
        if (isLegal) expect(parseSpiffeId(text)).toEqual({ id: text, trustDomain: domain, path });
      }),
    );
  });
});

describe.skipIf(!vectorsPresent)("SPIFFE ID vectors (go-spiffe)", () => {
  const vectors = vectorsPresent ? vectorJson("spiffe/spiffe-ids.json") : undefined;

  it("A-SPIFFE-02 gives each listed ID its stated verdict", () => {
    expect(vectors.cases).toHaveLength(vectors.counts.listed);
    for (const { id, verdict: stated, reason, trustDomain, path } of vectors.cases) {
      expect(verdict(id), id).toBe(stated === "accept" ? "accept" : reason);
      if (stated === "accept") expect(parseSpiffeId(id)).toEqual({ id, trustDomain, path });
    }
  });

  it("A-SPIFFE-02 gives each character in each place its stated verdict", () => {
    let cases = 0;
    for (const place of ["trustDomain", "path"]) {
      const { template, acceptIfIn } = vectors.characterTable[place];
      for (let code = 0; code < 256; code++) {
        const character = String.fromCharCode(code);
        if (character === "/") continue;
        cases++;
        const isAccepted = verdict(template.replace("{c}", () => character)) === "accept";
        expect(isAccepted, `${place} ${String(code)}`).toBe(acceptIfIn.includes(character));
      }
    }
    expect(cases).toBe(vectors.counts.table);
  });
});
