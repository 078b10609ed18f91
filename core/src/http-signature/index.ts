export { type HttpCaller, type HttpKeys } from "./caller.ts";
export { checkContentDigest, contentDigest } from "./content-digest.ts";
export { verifyForeignHttpSignature } from "./foreign.ts";
export type { SignedMessage } from "./message.ts";
export {
  HTTP_SIGNATURE_TAG,
  isPeerageSignature,
  MAX_HTTP_SIGNATURE_SECONDS,
  signHttpRequest,
  verifyHttpSignature,
} from "./profile.ts";
export {
  checkHttpSignature,
  type Component,
  covers as coversComponent,
  type HttpSignature,
  readSignatures as readHttpSignatures,
  signatureBase as httpSignatureBase,
} from "./signature.ts";
export { jwkThumbprint } from "./thumbprint.ts";
