import { execFileSync, spawnSync } from "node:child_process";
import { createPublicKey, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { authority, bundleOf, detailOf, extension, identityOf, type Issued, leaf, lookup, newKey, NOW, usage } from "../../../test/_spiffe.ts"; // prettier-ignore
import { parseCertificate } from "./certificate.ts";
import { splitCertificates } from "./workload-api.ts";
import { parseX509Identity, verifyX509Svid } from "./x509-svid.ts";
import { pem } from "../../../test/_spiffe.ts";

const ID = "spiffe://a.test/agent";
const root = await authority("a.test");
const bundles = lookup({ "a.test": bundleOf(root) });
const verdict = (...chain: readonly Issued[]): string =>
  detailOf(() =>
    verifyX509Svid(
      chain.map(({ der }) => der),
      bundles,
      NOW,
    ),
  );

describe("X.509-SVID", () => {
  it("says who it is, until when, and by which bundle", async () => {
    const middle = await authority("a.test", { issuer: root, notAfter: new Date(NOW.getTime() + 60_000) });
    const own = await leaf(middle, ID);
    expect(verifyX509Svid([own.der, middle.der], bundles, NOW)).toMatchObject({
      spiffeId: ID,
      trustDomain: "a.test",
      expiresAt: NOW.getTime() / 1000 + 60,
      bundle: bundleOf(root).digest,
    });
  });

  it("judges a cached chain by its time as well", async () => {
    const own = await leaf(root, ID);
    const at = (offset: number): string => detailOf(() => verifyX509Svid([own.der], bundles, new Date(NOW.getTime() + offset))); // prettier-ignore
    expect(at(0)).toBe("accept");
    expect(at(3_600_999)).toBe("accept");
    expect(at(3_601_000)).toBe("expired");
    expect(at(-3_601_000)).toBe("not-yet-valid");
    expect(at(0)).toBe("accept");
  });

  it("A-SPIFFE-02 refuses more than eight certificates, and paths longer than that", async () => {
    const middle: Issued[] = [];
    for (let i = 0; i < 8; i++) middle.unshift(await authority("a.test", { issuer: middle[0] ?? root }));
    const deep = await leaf(middle[0]!, ID);
    const fits = await leaf(middle[1]!, ID);
    expect(verdict(deep, ...middle)).toBe("size");
    expect(verdict(fits, ...middle.slice(1))).toBe("accept");
    expect(verdict()).toBe("no-certificate");
    const large = await leaf(root, ID, { extensions: [extension("1.3.6.1.4.1.55555.2", false, "04".repeat(17_000))] });
    expect(verdict(large)).toBe("size");
  });

  it("A-SPIFFE-02 gives up on certificates that all issue one another after 32 signature checks", async () => {
    const key = newKey();
    const twin = { subject: "CN=twin", key, noKeyIds: true };
    const first = await authority("a.test", twin);
    const twins = await Promise.all(Array.from({ length: 7 }, () => authority("a.test", { ...twin, issuer: first })));
    const own = await leaf(first, ID, { noKeyIds: true });
    expect(verdict(own, ...twins)).toBe("too-many-checks");
  });

  it("refuses a certificate with any byte behind it, and one with any byte changed", async () => {
    const own = await leaf(root, ID, { key: newKey("Ed25519") });
    expect(verdict({ ...own, der: Buffer.concat([own.der, Buffer.from([0])]) })).toBe("malformed");
    for (let i = 0; i < own.der.length; i++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const der = Uint8Array.from(own.der);
        der[i] = (der[i] ?? 0) ^ flip;
        // Nothing but a refusal with a reason: no verdict, and no exception of another kind.
        const detail = verdict({ ...own, der });
        expect(detail).toMatch(/^[a-z0-9-]+$/);
        expect(detail, `byte ${String(i)}`).not.toBe("accept");
      }
      expect(verdict({ ...own, der: own.der.subarray(0, i) }), `cut at ${String(i)}`).not.toBe("accept");
    }
  });

  it("puts certificates and key together, and refuses a key of another certificate", async () => {
    const own = await leaf(root, ID);
    const key = (issued: Issued): string => issued.key.privateKey.export({ format: "pem", type: "pkcs8" }) as string;
    expect(parseX509Identity(pem(own, root), key(own))).toMatchObject({ spiffeId: ID, trustDomain: "a.test" });
    expect(detailOf(() => parseX509Identity(pem(own), key(root)))).toBe("key-mismatch");
    expect(identityOf(own, root).chain).toHaveLength(2);
    expect(splitCertificates(Buffer.concat([own.der, root.der]))).toHaveLength(2);
    const encrypted = own.key.privateKey.export({
      format: "pem",
      type: "pkcs8",
      cipher: "aes-256-cbc",
      passphrase: "x",
    });
    expect(detailOf(() => parseX509Identity(pem(own), encrypted as string))).toBe("no-private-key");
  });
});

describe("what Node says of certificates, and what they say", () => {
  it("A-SPIFFE-02 Node's ca is false for a leaf that claims to be a CA; ours refuses it", async () => {
    const own = await leaf(root, ID, { ca: true });
    expect(new X509Certificate(own.der).ca).toBe(false);
    expect(parseCertificate(own.der).extensions.basicConstraints).toEqual({ ca: true });
    expect(verdict(own)).toBe("leaf-ca");
    expect(verdict(await leaf(root, ID, { ca: false }))).toBe("accept");
  });

  it("A-SPIFFE-02 Node's keyUsage is the extended one and looks right; ours reads the bits", async () => {
    const own = await leaf(root, ID, { keyUsage: usage.leaf | usage.ca });
    const honest = await leaf(root, ID);
    expect(new X509Certificate(own.der).keyUsage).toEqual(new X509Certificate(honest.der).keyUsage);
    expect(verdict(own)).toBe("leaf-key-cert-sign");
    expect(verdict(honest)).toBe("accept");
  });

  it("A-SPIFFE-02 Node's subjectAltName is one text in which a URI can hide another; ours counts the names", async () => {
    const own = await leaf(root, ID, { uris: [ID, "spiffe://a.test/admin"] });
    const text = new X509Certificate(own.der).subjectAltName ?? "";
    // The usual look at it: the first match.
    expect(/URI:(spiffe:\/\/[^,]+)/.exec(text)?.[1]).toBe(ID);
    expect(parseCertificate(own.der).extensions.uris).toHaveLength(2);
    expect(verdict(own)).toBe("uri-san");
  });

  it("A-SPIFFE-02 Node's checkIssued and verify say yes to a signer without cA; ours refuses it", async () => {
    const middle = await authority("a.test", { issuer: root, ca: false, keyUsage: usage.leaf });
    const own = await leaf(middle, ID);
    expect(new X509Certificate(own.der).verify(createPublicKey(middle.key.privateKey))).toBe(true);
    expect(verdict(own, middle)).toBe("signing-no-ca");
  });

  it("comparing keys of two types leaves an error behind in Node; ours compares bytes", async () => {
    const own = await leaf(root, ID, { key: newKey("RSA") });
    const key = newKey("Ed25519").privateKey.export({ format: "pem", type: "pkcs8" }) as string;
    expect(detailOf(() => parseX509Identity(pem(own), key))).toBe("key-mismatch");
    const right = own.key.privateKey.export({ format: "pem", type: "pkcs8" }) as string;
    expect(detailOf(() => parseX509Identity(pem(own), right))).toBe("accept");
  });
});

const python = spawnSync("python3", ["-c", "import cryptography"]).status === 0;
if (!python) console.warn("SKIPPED: python3-cryptography not found, extensions not compared with it");

describe.skipIf(!python)("python3-cryptography", () => {
  it("reads the same extensions", async () => {
    const nc = extension("2.5.29.30", true, "300ca00a30088606612e74657374");
    const chain = [
      await authority("a.test", { pathLength: 3, extensions: [nc] }),
      await leaf(root, ID, { names: [{ type: "dns", value: "agent.a.test" }] }),
      await leaf(root, ID, { subject: "", keyUsage: usage.leaf | 16, extKeyUsage: undefined, ca: false }),
    ];
    const script = `
import sys, json
from cryptography import x509
out = []
for line in sys.stdin:
    c = x509.load_der_x509_certificate(bytes.fromhex(line.strip()))
    def ext(t):
        try: return c.extensions.get_extension_for_class(t)
        except x509.ExtensionNotFound: return None
    bc, ku, san = ext(x509.BasicConstraints), ext(x509.KeyUsage), ext(x509.SubjectAlternativeName)
    ski, aki, nc = ext(x509.SubjectKeyIdentifier), ext(x509.AuthorityKeyIdentifier), ext(x509.NameConstraints)
    out.append({"ca": bc.value.ca if bc else None, "pathLength": bc.value.path_length if bc else None,
      "bits": [ku.value.digital_signature, ku.value.key_cert_sign, ku.value.crl_sign], "kuCritical": ku.critical,
      "uris": san.value.get_values_for_type(x509.UniformResourceIdentifier), "sanCritical": san.critical,
      "ski": ski.value.digest.hex(), "aki": aki.value.key_identifier.hex(),
      "permitted": [n.value for n in nc.value.permitted_subtrees] if nc else None,
      "notAfter": int(c.not_valid_after_utc.timestamp())})
print(json.dumps(out))`;
    const input = chain.map(({ der }) => Buffer.from(der).toString("hex")).join("\n");
    const theirs = JSON.parse(execFileSync("python3", ["-c", script], { input }).toString());
    const ours = chain.map(({ der }) => {
      const { extensions, notAfter } = parseCertificate(der);
      const { basicConstraints: bc, keyUsage: ku, uris, subjectAltName, nameConstraints } = extensions;
      return {
        ca: bc?.ca ?? null,
        pathLength: bc?.pathLength ?? null,
        bits: [0, 5, 6].map((bit) => ku?.has(bit)),
        kuCritical: ku?.critical,
        uris,
        sanCritical: subjectAltName?.critical,
        ski: hexOf(extensions.subjectKeyId),
        aki: hexOf(extensions.authorityKeyId),
        permitted: nameConstraints?.permitted ?? null,
        notAfter,
      };
    });
    expect(ours).toEqual(theirs);
  });
});

/** A key identifier, one character a byte, as another tool writes it. */
function hexOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text, "latin1").toString("hex");
}
