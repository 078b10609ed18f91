export {
  MAX_SPIFFE_ID_BYTES,
  parseSpiffeId,
  parseTrustDomain,
  parseWorkloadId,
  type SpiffeId,
  type SpiffeIdParts,
} from "./spiffe-id.ts";
export {
  BINDING_META,
  type DidKeys,
  type SpiffeEvidence,
  type SpiffeFacts,
  type SpiffePresentation,
  type SpiffeProof,
  spiffeProofs,
  type SpiffeVerifier,
} from "./verifier.ts";
