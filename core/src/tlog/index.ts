export {
  type Checkpoint,
  formatCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  type SignedCheckpoint,
  verifyCheckpoint,
} from "./checkpoint.ts";
export {
  type QuorumGroup,
  type QuorumMember,
  quorumOverlap,
  quorumTime,
  smallestQuorum,
  witnessesOfQuorum,
} from "./quorum.ts";
export {
  type CheckpointPolicy,
  type CheckpointQuorum,
  MAX_STAMP_AHEAD_SECONDS,
  type WitnessTime,
} from "./checkpoint-policy.ts";
export { CompactRange } from "./compact-range.ts";
export { cosign, type Cosignature, formatCosignature, parseCosignature, verifyCosignature } from "./cosignature.ts";
export { type ForkEvidence, forkEvidence, LogForkedError, verifyExtension, verifyForkEvidence } from "./fork.ts";
export { formatLogProof, type LogProof, parseLogProof, type ProvenLeaf, verifyLogProof } from "./log-proof.ts";
export {
  type ConsistencyProof,
  emptyRoot,
  HASH_BYTES,
  type InclusionProof,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from "./merkle.ts";
export {
  addSignature,
  formatNote,
  MAX_NOTE_BYTES,
  MAX_SIGNATURES,
  type NoteSignature,
  type OpenedNote,
  openNote,
  type ParsedNote,
  parseNote,
  signNote,
  type VerifiedSignature,
} from "./note.ts";
export { consistencyTiles, inclusionTiles, ProofBuilder } from "./proof-builder.ts";
export { type CompletedTile, TileEdge } from "./tile-edge.ts";
export {
  type BundleCoordinates,
  completedTiles,
  decodeEntryBundle,
  encodeEntryBundle,
  formatTilePath,
  MAX_ENTRY_BYTES,
  parseTilePath,
  partialTiles,
  type ReadTile,
  splitTile,
  TILE_BYTES,
  TILE_HEIGHT,
  TILE_WIDTH,
  type TileCoordinates,
  tileRoot,
  tileWidth,
} from "./tiles.ts";
export {
  createVerifierKey,
  formatVerifierKey,
  LOG_TYPE,
  type NoteSigner,
  noteSignerFromSeed,
  parseVerifierKey,
  type SignatureType,
  type VerifierKey,
  WITNESS_TYPE,
} from "./verifier-key.ts";
export {
  type AddCheckpoint,
  addSignatureLines,
  checkQuorumGroup,
  checkQuorumRule,
  formatAddCheckpoint,
  originHash,
  parseAddCheckpoint,
  parseSignatureLines,
} from "./witness-protocol.ts";
export {
  ML_DSA_SIGNATURE_BYTES,
  ML_DSA_TYPE,
  type MlDsaCosignature,
  mlDsaCosignatures,
  type MlDsaKey,
  parseMlDsaKey,
  verifyMlDsaCosignature,
} from "./ml-dsa.ts";
export { type LogEnd, verifyLogEnd } from "./log-end.ts";
export { parseTlogPolicy, type PolicyParty, type TlogPolicy } from "./policy-file.ts";
