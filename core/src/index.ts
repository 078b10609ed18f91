export { errorCodes, type ErrorCode, isPeerageError, PeerageError } from "./errors.ts";
export { isVerified, type Verified } from "./verified.ts";
export { formatTime, parseTime, SKEW_SECONDS, unixSeconds } from "./time.ts";

export { concat, equalBytes, fromHex, fromUtf8, randomBytes, toHex, utf8 } from "./encoding/bytes.ts";
export { fromBase64, fromBase64url, toBase64, toBase64url } from "./encoding/base64.ts";
export { LruMap } from "./encoding/lru.ts";
export { sha256, sha256Hex } from "./encoding/sha256.ts";

export { canonicalize } from "./json/canonical.ts";
export { digest, type Digest, isDigest, tokenDigest } from "./json/digest.ts";
export type { ApprovalAnswer, ApprovalFacts, ApprovalItem, ApprovalState } from "./audit/item.ts";
export type {
  ApprovalBody,
  AuditRecord,
  CallBinding,
  CallOutcome,
  DecisionBody,
  GuardStep,
  OutcomeBody,
  RecordBody,
  RecordedCaller,
  RecordedInput,
  RecordedSpiffe,
  ShadowAnswer,
  StartBody,
  SuppressedBody,
} from "./audit/record.ts";
export { type Field, fieldsOf, revealed, revealedJson, revealHidden } from "./json/fields.ts";
export { MAX_JSON_DEPTH, parseJson, type ParseJsonOptions } from "./json/parse.ts";
export {
  isJsonObject,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  member,
  setMember,
  without,
} from "./json/types.ts";

export { type Ed25519Defect, publicKeyDefect, signatureDefect } from "./ed25519/checks.ts";
export { type Ed25519Backend, ed25519Backend } from "./ed25519/backends.ts";
export { PublicKey, verifySignature, verifySignatureAsync } from "./ed25519/verify.ts";

export {
  type Did,
  didFromPublicKey,
  formatMultibaseKey,
  type KeyId,
  keyIdOf,
  type MultibaseKey,
  multibaseOf,
  parseDid,
  parseMultibaseKey,
  publicKeyOf,
} from "./did/did-key.ts";
export { generateIdentity, generateSeed, type Identity, identityFromSeed, type Signer } from "./did/identity.ts";
export { resolveDid } from "./did/resolve.ts";

export { type CompactJws, type KeyOptions, MAX_JWS_BYTES, signCompactJws, verifyCompactJws } from "./jws/compact.ts";
export {
  CALL_META,
  CALL_TYP,
  type CallProof,
  type CallSubject,
  checkCallAudienceAndTime,
  checkCallMessage,
  HISTORY_META,
  MAX_CALL_LIFETIME_SECONDS,
  parseCallProof,
  RECEIPT_META,
  signCall,
  type SignCallOptions,
} from "./call/proof.ts";
export { canonicalAudience, requestDigest, resultDigest, toolOf } from "./call/request.ts";

export {
  type Entry,
  ENTRY_TYP,
  generateRun,
  isKnownEntry,
  parseCarriedEntry,
  parseEntry,
  signEntry,
  type SignEntryOptions,
} from "./history/entry.ts";
export { CheckBudget, MAX_ENTRY_CHECKS_PER_MINUTE } from "./history/check-budget.ts";
export { custodians, type CustodyEntry, hasCustody } from "./history/custody.ts";
export {
  describeEntry,
  describeHistory,
  type DescribeHistoryOptions,
  type EntryDocument,
  type HistoryDocument,
} from "./history/describe.ts";
export {
  type History,
  MAX_HISTORY_BYTES,
  MAX_HISTORY_ENTRIES,
  verifyHistory,
  type VerifyHistoryContext,
} from "./history/history.ts";
export {
  issueReceipt,
  type IssueReceiptOptions,
  type ReceiptResult,
  verifyReceipt,
  type VerifyReceiptContext,
} from "./history/receipt.ts";
export {
  APPROVAL_STEP,
  type ApprovalOptions,
  type ApprovalReason,
  approvalRequirement,
  type ApprovalVerdict,
  judgeApproval,
  MAX_APPROVAL_SECONDS,
} from "./history/approval.ts";
export { entryFacts, type EntryFacts, Evidence } from "./history/evidence.ts";
export {
  type Binds,
  type Counted,
  type Defect,
  type JudgedCall,
  judgeRequirement,
  type Requirement,
  type RequirementVerdict,
} from "./history/requirement.ts";

export {
  addProof,
  decodeProofValue,
  hashData,
  verifyProof,
  verifyProofOver,
  verifySecuredDocument,
} from "./statement/data-integrity.ts";
export {
  DEFAULT_VOUCH_SECONDS,
  issueKeyInit,
  issueKeyRecover,
  issueKeyRevoke,
  issueKeyRotate,
  issueProfile,
  issueReport,
  issueRevocation,
  issueVouch,
  type KeyEventOptions,
  type KeyRotationOptions,
  type ReportOptions,
  type RevocationOptions,
  type VouchOptions,
} from "./statement/issue.ts";
export { checkKeyEvent, keyDigest } from "./statement/key-event.ts";
export { createNote, type Note, noteDigest, parseNote } from "./statement/note.ts";
export { NOTE_ERASURE_TYP, type NoteErasure, signNoteErasure, verifyNoteErasure } from "./statement/note-erasure.ts";
export { MAX_STATEMENT_BYTES, MAX_VOUCH_SECONDS, STATEMENT_CONTEXT, statementJsonSchemas } from "./statement/schema.ts";
export type {
  AgentProfile,
  KeyEvent,
  RecoverySet,
  Report,
  Revocation,
  Statement,
  StatementKind,
  Vouch,
} from "./statement/types.ts";
export {
  checkStatementTime,
  STATEMENT_SKEW_SECONDS,
  trustStoredStatement,
  verifyStatement,
  type VerifyStatementOptions,
  verifyVouchNow,
} from "./statement/verify.ts";
export * from "./http-signature/index.ts";
export * from "./sealed/index.ts";
export * from "./tlog/index.ts";

export {
  type AddCheckpoint,
  addSignature,
  addSignatureLines,
  type Checkpoint,
  type CheckpointPolicy,
  checkQuorumGroup,
  type CheckpointQuorum,
  checkQuorumRule,
  CompactRange,
  type CompletedTile,
  consistencyTiles,
  type ConsistencyProof,
  createVerifierKey,
  decodeEntryBundle,
  emptyRoot,
  encodeEntryBundle,
  type ForkEvidence,
  forkEvidence,
  formatAddCheckpoint,
  formatCheckpoint,
  formatLogProof,
  formatNote as formatSignedNote,
  formatTilePath,
  formatVerifierKey,
  HASH_BYTES,
  type InclusionProof,
  inclusionTiles,
  leafHash,
  LOG_TYPE,
  LogForkedError,
  type LogEnd,
  type LogProof,
  type MlDsaCosignature,
  mlDsaCosignatures,
  type MlDsaKey,
  nodeHash,
  noteSignerFromSeed,
  type NoteSigner,
  openNote as openSignedNote,
  originHash,
  parseAddCheckpoint,
  parseCheckpoint,
  parseLogProof,
  parseMlDsaKey,
  parseNote as parseSignedNote,
  parseSignatureLines,
  parseTilePath,
  parseTlogPolicy,
  parseVerifierKey,
  partialTiles,
  type PolicyParty,
  ProofBuilder,
  type ProvenLeaf,
  type QuorumGroup,
  type QuorumMember,
  quorumOverlap,
  quorumTime,
  type ReadTile,
  signCheckpoint,
  type SignedCheckpoint,
  smallestQuorum,
  splitTile,
  TILE_BYTES,
  TILE_HEIGHT,
  TILE_WIDTH,
  type TileCoordinates,
  TileEdge,
  tileRoot,
  tileWidth,
  type TlogPolicy,
  verifyCheckpoint,
  verifyConsistency,
  verifyExtension,
  verifyForkEvidence,
  verifyInclusion,
  verifyLogEnd,
  verifyLogProof,
  verifyMlDsaCosignature,
  type VerifierKey,
  WITNESS_TYPE,
  witnessesOfQuorum,
  type WitnessTime,
} from "./tlog/index.ts";
export * from "./trust/index.ts";
export * from "./policy/index.ts";
export * from "./spiffe/index.ts";
export * from "./proofs/index.ts";

export {
  HttpRegistryReader,
  type HttpReaderOptions,
  type PinStore,
  type RegistryPin,
  registryUrl,
} from "./network/http-reader.ts";
export { Network, type NetworkOptions, type RejectedLeaf } from "./network/network.ts";
export { networkReason } from "./network/network-reason.ts";
export { decodePack, encodePack, PackReader, PackRecorder, type TrustPack } from "./network/pack.ts";
export {
  MAX_EVIDENCE,
  recomputeScore,
  type RecomputedScore,
  type ScoreEvidence,
  type ScoreQuestion,
  vouchesBehind,
} from "./network/evidence.ts";
export { type Standing, standingOf, TRUSTED_REPORTER } from "./network/standing.ts";
export { judgePresented, type PresentedVouches } from "./network/presented.ts";
export { type FollowerWork, TrustFollower } from "./network/trust-follower.ts";
export { type PairChange, VouchLedger } from "./network/vouch-ledger.ts";
export type { LogLeaf, RegistryReader } from "./network/reader.ts";
export { MergedNetwork, type MergedNetworkOptions, type SourceState } from "./network/merged.ts";
export {
  auditLog,
  httpObserver,
  type LogObserver,
  LogWatcher,
  type Observation,
  type WatchOptions,
  type WatchReport,
} from "./network/watch.ts";
export {
  checkSigningKey,
  KeyHistory,
  keyHistoryAt,
  type KeyPeriod,
  type KeyState,
  keyStateAt,
  type KeyStatus,
  MAX_COMPROMISE_SECONDS,
} from "./network/key-state.ts";
export { RECOVERY_WINDOW_SECONDS } from "./network/key-tree.ts";
export { type AgentStatements, type Logged, StatementSet } from "./network/statement-set.ts";
export { type AgentRecord, type KeyStatement, type ReportRecord, View, type ViewHead } from "./network/view.ts";
export type { VouchRecord, VouchStatus } from "./network/vouch-status.ts";
