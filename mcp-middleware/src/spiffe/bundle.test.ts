import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toBase64 } from "@peerage/core";
import { afterAll, describe, expect, it } from "vitest";
import { authority, bundleOf, detailOf, type Issued, leaf, newKey, NOW } from "../../../test/_spiffe.ts";
import { parseBundle, parseBundleMap, refreshSeconds } from "./bundle.ts";
import { BundleStore } from "./bundle-store.ts";
import { readBundleText, watchBundleFile } from "./file-sources.ts";
import { FileSequences } from "./sequence-file.ts";
import { verifyX509Svid } from "./x509-svid.ts";

const a = await authority("a.test");
const b = await authority("b.test");
const jwk = (issued: Issued): object => ({
  use: "x509-svid",
  ...newKey().publicKey.export({ format: "jwk" }),
  x5c: [toBase64(issued.der)],
});
const document = (...keys: object[]): string => JSON.stringify({ keys });
const jwt = (more: object = {}): object => ({
  use: "jwt-svid",
  kid: "1",
  ...newKey().publicKey.export({ format: "jwk" }),
  ...more,
});
const verdict = (text: string): string => detailOf(() => parseBundle(text));

describe("SPIFFE bundles", () => {
  it("tells an empty list of keys, which revokes the domain, from none", () => {
    expect(parseBundle('{"keys": []}').x509Authorities).toEqual([]);
    for (const text of ["{}", '{"keys": null}', '{"keys": {}}']) expect(verdict(text)).toBe("keys");
    for (const text of ["", "[]", "null", '{"keys": [], "keys": []}']) expect(verdict(text)).toBe("bundle");
  });

  it("ignores entries of unknown use or type, and x509-svid entries without x5c", () => {
    const odd = [
      { ...jwt(), use: "tls" },
      { kty: "AKP", use: "jwt-svid" },
      { ...jwk(a), x5c: undefined },
      { use: "x509-svid" },
    ];
    const bundle = parseBundle(document(jwk(a), jwt(), ...odd));
    expect([bundle.x509Authorities.length, bundle.jwtAuthorities.size]).toEqual([1, 1]);
  });

  it("refuses private keys, missing and repeated kids, and broken certificates", () => {
    expect(verdict(document(jwt({ d: "AAAA" })))).toBe("private-key");
    expect(verdict(document(jwt({ kid: undefined })))).toBe("kid");
    expect(verdict(document(jwt(), jwt()))).toBe("kid");
    expect(verdict(document(jwt(), jwt({ use: "wit-svid" })))).toBe("kid");
    expect(verdict(document({ ...jwk(a), x5c: ["AAAA"] }))).toBe("malformed");
    expect(verdict(document({ ...jwk(a), x5c: [toBase64(a.der).replaceAll("+", "-").replaceAll("/", "_")] }))).not.toBe("accept"); // prettier-ignore
    expect(verdict(document(jwt({ x: "AAAA" })))).toBe("key");
  });

  it("A-SPIFFE-01 reads spiffe_sequence exactly, beyond what a double holds", () => {
    const of = (text: string): bigint | undefined => parseBundle(`{"spiffe_sequence": ${text}, "keys": []}`).sequence;
    expect(of("18446744073709551615")).toBe(2n ** 64n - 1n);
    expect(of("9007199254740993")).toBe(9_007_199_254_740_993n);
    for (const text of ["18446744073709551616", "-1", "1.0", "1e3", '"1"', "[1]", "null"]) {
      expect(
        detailOf(() => of(text)),
        text,
      ).toBe("sequence");
    }
  });

  it("clamps the refresh hint to 10 s … 1 h, and asks every 300 s without one", () => {
    const of = (hint: string): number => refreshSeconds(parseBundle(`{${hint}"keys": []}`));
    expect([of(""), of('"spiffe_refresh_hint": 1,'), of('"spiffe_refresh_hint": 60,'), of('"spiffe_refresh_hint": 99999,')]).toEqual([300, 10, 60, 3_600]); // prettier-ignore
  });

  it("reads maps of bundles by the name of the domain", () => {
    const map = `{"trust_domains": {"a.test": ${document(jwk(a))}, "b.test": {"keys": [], "spiffe_sequence": 7}}}`;
    expect(parseBundleMap(map).get("b.test")?.sequence).toBe(7n);
    expect(readBundleText(map, "a.test").x509Authorities).toHaveLength(1);
    expect(detailOf(() => readBundleText(map, "c.test"))).toBe("td-unknown");
  });
});

describe("the store of bundles", () => {
  const store = (maxAgeSeconds?: number): BundleStore =>
    new BundleStore({ trustDomains: ["a.test", "b.test"], maxAgeSeconds });

  it("A-SPIFFE-01 never pools: an authority of b.test signs nothing for a.test", async () => {
    const bundles = store();
    bundles.set("a.test", bundleOf(a), NOW);
    bundles.set("b.test", bundleOf(b), NOW);
    const forged = await leaf(b, "spiffe://a.test/admin");
    const honest = await leaf(b, "spiffe://b.test/admin");
    expect(detailOf(() => verifyX509Svid([forged.der], bundles, NOW))).toBe("untrusted");
    expect(detailOf(() => verifyX509Svid([forged.der, b.der], bundles, NOW))).toBe("signing-spiffe-id");
    expect(detailOf(() => verifyX509Svid([honest.der], bundles, NOW))).toBe("accept");
  });

  it("A-SPIFFE-01 refuses a lower sequence, also after a restart", () => {
    const folder = mkdtempSync(join(tmpdir(), "peerage-sequence-"));
    const path = join(folder, "sequences.json");
    const at = (sequence: number): ReturnType<typeof parseBundle> => parseBundle(`{"spiffe_sequence": ${String(sequence)}, "keys": []}`); // prettier-ignore
    const open = (): BundleStore => new BundleStore({ trustDomains: ["a.test"], sequences: new FileSequences(path) });
    const first = open();
    first.set("a.test", at(5), NOW);
    expect(detailOf(() => first.set("a.test", at(4), NOW))).toBe("rollback");
    expect(detailOf(() => first.set("a.test", at(5), NOW))).toBe("accept");
    expect(detailOf(() => open().set("a.test", at(4), NOW))).toBe("rollback");
    expect(detailOf(() => open().set("a.test", at(6), NOW))).toBe("accept");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    writeFileSync(path, "{");
    expect(open).toThrow("does not hold sequences");
    rmSync(folder, { recursive: true });
  });

  it("A-SPIFFE-01 takes no bundle of a domain that is not configured", () => {
    expect(detailOf(() => store().set("c.test", bundleOf(a), NOW))).toBe("td-unknown");
    expect(detailOf(() => new BundleStore({ trustDomains: ["https://a.test"] }))).toBe("trust-domain");
  });

  it("A-SPIFFE-01 lets an emptied, a withdrawn and a stale bundle verify nothing, cached verdicts included", async () => {
    const svid = await leaf(a, "spiffe://a.test/agent");
    const bundles = store(60);
    const verify = (now = NOW): string => detailOf(() => verifyX509Svid([svid.der], bundles, now));
    bundles.set("a.test", bundleOf(a), NOW);
    expect([verify(), verify()]).toEqual(["accept", "accept"]);
    bundles.set("a.test", parseBundle('{"keys": []}'), NOW);
    expect(verify()).toBe("untrusted");
    bundles.set("a.test", bundleOf(a), NOW);
    expect(verify()).toBe("accept");
    bundles.withdraw("a.test");
    expect(verify()).toBe("td-unknown");
    bundles.set("a.test", bundleOf(a), NOW);
    expect(verify(new Date(NOW.getTime() + 60_000))).toBe("accept");
    expect(verify(new Date(NOW.getTime() + 60_001))).toBe("td-unknown");
    bundles.confirm("a.test", new Date(NOW.getTime() + 60_001));
    expect(verify(new Date(NOW.getTime() + 60_001))).toBe("accept");
  });
});

describe("a bundle in a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "peerage-bundle-"));
  const path = join(folder, "a.json");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is read again, and a file that cannot be read keeps the last good one", async () => {
    const bundles = new BundleStore({ trustDomains: ["a.test"] });
    const lines: string[] = [];
    writeFileSync(path, document(jwk(a)));
    const source = watchBundleFile({ path, trustDomain: "a.test", store: bundles, log: (line) => lines.push(line), now: () => NOW }); // prettier-ignore
    await source.ready;
    expect(bundles.get("a.test", NOW)?.x509Authorities).toHaveLength(1);
    writeFileSync(path, "{");
    await source.refresh();
    await source.refresh();
    expect(bundles.get("a.test", NOW)?.x509Authorities).toHaveLength(1);
    expect(lines).toEqual(["bundle of a.test: not read (bundle); the last good one stays"]);
    writeFileSync(path, '{"keys": []}');
    await source.refresh();
    expect(bundles.get("a.test", NOW)?.x509Authorities).toHaveLength(0);
    await source[Symbol.asyncDispose]();
  });
});
