import { describe, expect, it } from "vitest";
import { isPeerageError } from "@peerage/core";
import { vectorBytes, vectorJson, vectorsPresent } from "../../../test/_vectors.ts";
import { createBundle, parseBundle, parseJwks } from "./bundle.ts";
import type { Certificate } from "./certificate.ts";
import { parsePemCertificates } from "./pem.ts";
import { parseX509Identity, verifyX509Svid, type X509Identity } from "./x509-svid.ts";

interface Case {
  readonly id: string;
  readonly verdict: "accept" | "reject";
  readonly reason?: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each suite's own
  readonly [member: string]: any;
}

const all: readonly Case[] = vectorsPresent ? vectorJson("spiffe/expected.json").cases : [];
const casesOf = (...kinds: string[]): readonly Case[] => all.filter(({ id }) => kinds.includes(id.split("/")[0] ?? ""));
const text = (file: string): string => vectorBytes(`spiffe/upstream/${file}`).toString("utf8");

/** Runs one case and compares verdict and reason; what was accepted is handed on. */
function judge<T>(vector: Case, run: () => T, check: (value: T) => void): void {
  let value: T;
  try {
    value = run();
  } catch (error) {
    if (!isPeerageError(error, "ERR_SVID_INVALID")) throw error;
    expect(`reject ${error.detail ?? ""}`, vector.id).toBe(`${vector.verdict} ${vector.reason ?? ""}`);
    return;
  }
  expect(vector.verdict, vector.id).toBe("accept");
  check(value);
}

describe.skipIf(!vectorsPresent)("go-spiffe vectors", () => {
  it("A-SPIFFE-02 reads each SVID and its key with the stated verdict", () => {
    const cases = casesOf("svid");
    expect(cases).toHaveLength(18);
    for (const vector of cases) {
      judge(
        vector,
        () => parseX509Identity(text(vector["certificates"]), text(vector["privateKey"])),
        ({ spiffeId, chain }: X509Identity) => {
          expect({ spiffeId, length: chain.length }).toEqual({
            spiffeId: vector["spiffeId"],
            length: vector["length"],
          });
        },
      );
    }
  });

  it("A-SPIFFE-01 validates each path with the stated verdict", () => {
    const cases = casesOf("path");
    expect(cases).toHaveLength(8);
    for (const vector of cases) {
      const file = parsePemCertificates(text(vector["certificates"]));
      const pick = (indexes: readonly number[]): Certificate[] => indexes.map((index) => file[index]!);
      const bundles = new Map(
        Object.entries<number[]>(vector["anchors"]).map(([name, indexes]) => [
          name,
          createBundle({ x509: pick(indexes) }),
        ]),
      );
      const chain = pick(vector["presented"]).map(({ der }) => der);
      judge(
        vector,
        () => verifyX509Svid(chain, bundles, new Date(vector["now"] * 1000)),
        ({ spiffeId }) => expect(spiffeId).toBe("spiffe://example.org/workload-1"),
      );
    }
  });

  it("reads each bundle with the stated verdict and numbers of keys", () => {
    const cases = casesOf("bundle");
    expect(cases).toHaveLength(6);
    for (const vector of cases) {
      judge(
        vector,
        () => parseBundle(text(vector["file"])),
        (bundle) => {
          expect({
            x509: bundle.x509Authorities.length,
            jwt: bundle.jwtAuthorities.size,
            wit: bundle.witAuthorities.size,
            refreshHint: bundle.refreshHint,
            sequence: bundle.sequence === undefined ? undefined : Number(bundle.sequence),
          }).toEqual({
            x509: vector["x509"],
            jwt: vector["jwt"],
            wit: vector["wit"],
            refreshHint: vector["refreshHint"],
            sequence: vector["sequence"],
          });
        },
      );
    }
  });

  it("reads each JWKS and each PEM bundle with the stated verdict", () => {
    const cases = casesOf("jwks", "x509-bundle");
    expect(cases).toHaveLength(12);
    for (const vector of cases) {
      const [kind] = vector.id.split("/");
      judge(
        vector,
        () =>
          kind === "jwks" ? parseJwks(text(vector["file"])).size : parsePemCertificates(text(vector["file"])).length,
        (count) => expect(count, vector.id).toBe(vector["keys"] ?? vector["authorities"]),
      );
    }
  });
});
