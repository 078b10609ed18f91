import "./_reflect.ts";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { toBase64 } from "@peerage/core";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsageExtension,
  Extension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { createBundle, type TrustBundle } from "../mcp-middleware/src/spiffe/bundle.ts";
import { parseCertificate } from "../mcp-middleware/src/spiffe/certificate.ts";
import type { BundleLookup, X509Identity } from "../mcp-middleware/src/spiffe/x509-svid.ts";
import { createX509Identity } from "../mcp-middleware/src/spiffe/x509-svid.ts";

cryptoProvider.set(crypto);

export type KeyKind = "P-256" | "P-384" | "P-521" | "RSA" | "RSA-1024" | "RSA-PSS" | "Ed25519";

/** A key of the test CA. RSA keys are made once a process: making one takes a while. */
export interface TestKey {
  readonly kind: KeyKind;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const rsaKeys = new Map<string, TestKey>();

export function newKey(kind: KeyKind = "P-256", name = ""): TestKey {
  const known = rsaKeys.get(kind + name);
  if (known) return known;
  const pair =
    kind === "Ed25519"
      ? generateKeyPairSync("ed25519")
      : kind.startsWith("RSA")
        ? generateKeyPairSync("rsa", { modulusLength: kind === "RSA-1024" ? 1_024 : 2_048 })
        : generateKeyPairSync("ec", { namedCurve: kind });
  const key = { kind, ...pair };
  if (kind.startsWith("RSA")) rsaKeys.set(kind + name, key);
  return key;
}

const RSA_PSS = { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 };

function algorithmOf(kind: KeyKind, hash: string): { name: string; namedCurve?: string; hash?: string } {
  if (kind === "Ed25519") return { name: "Ed25519" };
  if (kind === "RSA-PSS") return { ...RSA_PSS, hash };
  if (kind.startsWith("RSA")) return { name: "RSASSA-PKCS1-v1_5", hash };
  return { name: "ECDSA", namedCurve: kind, hash };
}

/** What a certificate says; everything has the honest value unless named. */
export interface CertificateOptions {
  readonly subject?: string;
  readonly key?: TestKey;
  readonly issuer?: Issued | undefined;
  /** `undefined` leaves the extension out. */
  readonly ca?: boolean | undefined;
  readonly pathLength?: number;
  readonly keyUsage?: number | undefined;
  readonly keyUsageCritical?: boolean;
  readonly uris?: readonly string[];
  readonly names?: JsonGeneralNames;
  readonly sanCritical?: boolean;
  readonly extKeyUsage?: readonly string[] | undefined;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly extensions?: readonly Extension[];
  readonly hash?: string;
  /** Leave out subject and authority key identifiers. */
  readonly noKeyIds?: boolean;
  /** Sign with this key instead of the issuer's. */
  readonly signWith?: TestKey;
}

/** A certificate of the test CA, with its key. */
export interface Issued {
  readonly der: Uint8Array;
  readonly subject: string;
  readonly key: TestKey;
}

export const usage: { leaf: number; ca: number } = {
  leaf: KeyUsageFlags.digitalSignature,
  ca: KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign,
};
export const purposeIds: readonly string[] = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];
export const NOW: Date = new Date("2026-11-20T12:00:00Z");
const HOUR = 3_600_000;

let serial = 0;

export async function certificate(options: CertificateOptions): Promise<Issued> {
  const { key = newKey(), issuer, hash = "SHA-256", subject = "C=US,O=Test" } = options;
  const signer = options.signWith ?? issuer?.key ?? key;
  const signingAlgorithm = algorithmOf(signer.kind, hash);
  const { uris = [], names = [], extKeyUsage } = options;
  const exported = await importPublic(key);
  const extensions: Extension[] = [
    ...(options.ca === undefined ? [] : [new BasicConstraintsExtension(options.ca, options.pathLength, true)]),
    ...keyUsageOf(options),
    ...(extKeyUsage ? [new ExtendedKeyUsageExtension([...extKeyUsage])] : []),
    ...(uris.length + names.length > 0
      ? [
          new SubjectAlternativeNameExtension(
            [...uris.map((value) => ({ type: "url" as const, value })), ...names],
            options.sanCritical ?? subject === "",
          ),
        ]
      : []),
    ...(options.noKeyIds
      ? []
      : [
          await SubjectKeyIdentifierExtension.create(exported),
          await AuthorityKeyIdentifierExtension.create(await importPublic(issuer?.key ?? key)),
        ]),
    ...(options.extensions ?? []),
  ];
  const made = await X509CertificateGenerator.create({
    serialNumber: (++serial).toString(16).padStart(16, "01"),
    subject,
    issuer: issuer?.subject ?? subject,
    notBefore: options.notBefore ?? new Date(NOW.getTime() - HOUR),
    notAfter: options.notAfter ?? new Date(NOW.getTime() + HOUR),
    publicKey: exported,
    signingKey: await crypto.subtle.importKey(
      "pkcs8",
      signer.privateKey.export({ format: "der", type: "pkcs8" }),
      signingAlgorithm,
      true,
      ["sign"],
    ),
    signingAlgorithm: signingAlgorithm,
    extensions,
  });
  return { der: new Uint8Array(made.rawData), subject, key };
}

function keyUsageOf({ keyUsage, keyUsageCritical = true }: CertificateOptions): Extension[] {
  if (keyUsage === undefined) return [];
  // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- flags that were joined
  return [new KeyUsagesExtension(keyUsage, keyUsageCritical)];
}

async function importPublic(key: TestKey): Promise<CryptoKey> {
  const spki = key.publicKey.export({ format: "der", type: "spki" });
  return crypto.subtle.importKey("spki", spki, algorithmOf(key.kind, "SHA-256"), true, ["verify"]);
}

/** A CA certificate of a trust domain; self-signed without `issuer`. */
export function authority(trustDomain: string, options: CertificateOptions = {}): Promise<Issued> {
  return certificate({
    subject: `O=${trustDomain},CN=authority ${String(++serial)}`,
    ca: true,
    keyUsage: usage.ca,
    uris: [`spiffe://${trustDomain}`],
    ...options,
  });
}

/** A workload's leaf. */
export function leaf(issuer: Issued, id: string, options: CertificateOptions = {}): Promise<Issued> {
  return certificate({ issuer, keyUsage: usage.leaf, extKeyUsage: purposeIds, uris: [id], ...options });
}

/** A bundle with these authorities. */
export function bundleOf(...authorities: readonly Issued[]): TrustBundle {
  return createBundle({ x509: authorities.map(({ der }) => parseCertificate(der)) });
}

/** Bundles that never change and never age. */
export function lookup(bundles: Readonly<Record<string, TrustBundle>>): BundleLookup {
  return { get: (trustDomain) => bundles[trustDomain] };
}

/** One's own SVID: leaf and intermediates. */
export function identityOf(own: Issued, ...intermediates: readonly Issued[]): X509Identity {
  return createX509Identity(
    [own, ...intermediates].map(({ der }) => parseCertificate(der)),
    own.key.privateKey,
  );
}

export function pem(...certificates: readonly Issued[]): string {
  return certificates
    .map(({ der }) => {
      const lines = toBase64(der).match(/.{1,64}/g) ?? [];
      return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
    })
    .join("");
}

/** An extension with these bytes, in hexadecimal. */
export function extension(oid: string, critical: boolean, hex: string): Extension {
  return new Extension(oid, critical, Buffer.from(hex, "hex"));
}

/** The detail of the refusal, or `accept`. */
export function detailOf(run: () => unknown): string {
  try {
    run();
    return "accept";
  } catch (error) {
    return (error as { detail?: string }).detail ?? String(error);
  }
}
