export {
  type BundleParts,
  createBundle,
  MAX_BUNDLE_BYTES,
  parseBundle,
  parseBundleMap,
  parseJwks,
  refreshSeconds,
  type TrustBundle,
} from "./bundle.ts";
export {
  BundleStore,
  type BundleStoreOptions,
  MAX_BUNDLE_AGE_SECONDS,
  type SequenceStore,
  type TrustDomainState,
} from "./bundle-store.ts";
export { type BindingContext, type VerifiedBinding, verifyBinding } from "./binding.ts";
export { BINDING_STEP, BINDING_TYP, bindingAudience, MAX_BINDING_SECONDS } from "./binding-token.ts";
export { type Certificate, parseCertificate } from "./certificate.ts";
export { type FederationOptions, watchFederation } from "./federation.ts";
export { FileX509Source, readBundleText, watchBundleFile } from "./file-sources.ts";
export { GuardSpiffe, type GuardSpiffeOptions } from "./guard-spiffe.ts";
export { HeldJwt, type HeldJwtOptions } from "./held-jwt.ts";
export {
  bindToken,
  bindWit,
  bindX509,
  type Binding,
  type BindOptions,
  isSameKey,
  type WitIdentity,
} from "./issue-binding.ts";
export { type JwtSvid, verifyJwtSvid } from "./jwt-svid.ts";
export { createMtlsServer, type MtlsServerOptions } from "./mtls-server.ts";
export {
  type OpenSpiffeOptions,
  openSpiffe,
  type Spiffe,
  type SpiffeConfig,
  type TrustDomainConfig,
} from "./open-spiffe.ts";
export { peerSvidOf, verifyPeer } from "./peer-svid.ts";
export { parsePemCertificates, parsePemPrivateKey } from "./pem.ts";
export { FileSequences } from "./sequence-file.ts";
export type { BundleSource, JwtSource, WitSource, X509Source } from "./sources.ts";
export { SpiffeAgent, type SpiffeAgentOptions } from "./spiffe-agent.ts";
export { Binder, type BinderOptions } from "./binder.ts";
export { clientTlsOptions, serverTlsOptions } from "./tls-options.ts";
export { upstreamHeaders, type UpstreamHeadersOptions } from "./upstream-headers.ts";
export { verifyWimseWit, verifyWitSvid, type Wit, type WitSvid } from "./wit-svid.ts";
export { ENDPOINT_VARIABLE } from "./workload-api-address.ts";
export {
  type RequestSignature,
  type SignedRequest,
  type SignedResponse,
  verifyRequestSignature,
  verifyResponseSignature,
} from "./wimse-signature.ts";
export {
  MAX_WPT_SECONDS,
  signWpt,
  type SignWptOptions,
  verifyWpt,
  WIT_HEADER,
  type Wpt,
  WPT_HEADER,
  type WptContext,
} from "./wpt.ts";
export {
  type BundleLookup,
  createX509Identity,
  parseX509Identity,
  verifyX509Svid,
  type X509Identity,
  type X509Svid,
} from "./x509-svid.ts";
