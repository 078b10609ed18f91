/** Members of the protobuf messages used here, by field number. */
const text = (id: number): object => ({ type: "string", id });
const bytes = (id: number): object => ({ type: "bytes", id });
const mapOf = (type: "bytes" | "string", id: number): object => ({ keyType: "string", type, id });
const list = (type: string, id: number): object => ({ rule: "repeated", type, id });
const message = (fields: Record<string, object> = {}): object => ({ fields });
const stream = (requestType: string, responseType: string): object => ({
  requestType,
  responseType,
  responseStream: true,
});

/**
 * The SPIFFE Workload API as protobuf.js describes a proto3 file without a package. Written from the specification;
 * `ValidateJWTSVID` is left out, because nobody else validates for us.
 * @see SPIFFE Workload API specification, and its WIT-SVID profile
 */
export const workloadApiSchema: { readonly nested: Readonly<Record<string, object>> } = {
  nested: {
    SpiffeWorkloadAPI: {
      methods: {
        FetchX509SVID: stream("X509SVIDRequest", "X509SVIDResponse"),
        FetchX509Bundles: stream("X509BundlesRequest", "X509BundlesResponse"),
        FetchJWTSVID: { requestType: "JWTSVIDRequest", responseType: "JWTSVIDResponse" },
        FetchJWTBundles: stream("JWTBundlesRequest", "JWTBundlesResponse"),
        FetchWITSVID: stream("WITSVIDRequest", "WITSVIDResponse"),
        FetchWITBundles: stream("WITBundlesRequest", "WITBundlesResponse"),
      },
    },
    X509SVIDRequest: message(),
    X509SVIDResponse: message({
      svids: list("X509SVID", 1),
      crl: list("bytes", 2),
      federated_bundles: mapOf("bytes", 3),
    }),
    X509SVID: message({
      spiffe_id: text(1),
      x509_svid: bytes(2),
      x509_svid_key: bytes(3),
      bundle: bytes(4),
      hint: text(5),
    }),
    X509BundlesRequest: message(),
    X509BundlesResponse: message({ crl: list("bytes", 1), bundles: mapOf("bytes", 2) }),
    JWTSVIDRequest: message({ audience: list("string", 1), spiffe_id: text(2) }),
    JWTSVIDResponse: message({ svids: list("JWTSVID", 1) }),
    JWTSVID: message({ spiffe_id: text(1), svid: text(2), hint: text(3) }),
    JWTBundlesRequest: message(),
    JWTBundlesResponse: message({ bundles: mapOf("bytes", 1) }),
    WITSVIDRequest: message({ spiffe_id: text(1) }),
    WITSVIDResponse: message({ svids: list("WITSVID", 1) }),
    WITSVID: message({ spiffe_id: text(1), wit_svid: text(2), wit_svid_key: text(3), hint: text(4) }),
    WITBundlesRequest: message(),
    WITBundlesResponse: message({ bundles: mapOf("string", 1) }),
  },
};

export interface X509SvidMessage {
  readonly spiffe_id: string;
  /** Concatenated DER, leaf first. */
  readonly x509_svid: Uint8Array;
  /** PKCS#8 DER. */
  readonly x509_svid_key: Uint8Array;
  /** Concatenated DER: the authorities of the SVID's own domain. */
  readonly bundle: Uint8Array;
  readonly hint: string;
}

export interface X509SvidResponse {
  readonly svids: readonly X509SvidMessage[];
  /** By the ID of the trust domain. */
  readonly federated_bundles: Readonly<Record<string, Uint8Array>>;
}

export interface BundlesResponse {
  /** By the ID of the trust domain: concatenated DER, or a JWKS. */
  readonly bundles: Readonly<Record<string, Uint8Array | string>>;
}

export interface JwtSvidResponse {
  readonly svids: readonly { readonly spiffe_id: string; readonly svid: string; readonly hint: string }[];
}

export interface WitSvidMessage {
  readonly spiffe_id: string;
  readonly wit_svid: string;
  /** A private JWK. */
  readonly wit_svid_key: string;
  readonly hint: string;
}

export interface WitSvidResponse {
  readonly svids: readonly WitSvidMessage[];
}
