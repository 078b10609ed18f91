import { fromHex, leafHash, type Statement } from "@peerage/core";
import type { Candidate } from "../log/sequencer.ts";
import { kindCodes } from "../store/kinds.ts";

/** The 32 bytes of a digest `sha256:…`. */
function digestBytes(digest: string): Uint8Array {
  return fromHex(digest.slice("sha256:".length));
}

/** The row that a verified statement becomes. */
export function toCandidate(statement: Statement): Candidate {
  return {
    id: digestBytes(statement.id),
    leaf: leafHash(statement.bytes),
    kind: kindCode(statement),
    issuer: statement.issuer,
    subject: subjectOf(statement),
    target: statement.kind === "Revocation" && statement.revokes === "statement" ? digestBytes(statement.target) : null,
    body: statement.bytes,
  };
}

function kindCode(statement: Statement): number {
  switch (statement.kind) {
    case "AgentProfile":
      return kindCodes.AgentProfile;
    case "Vouch":
      return kindCodes.Vouch;
    case "Revocation":
      if (statement.revokes === "statement") return kindCodes.RevocationOfStatement;
      return statement.revokes === "subject" ? kindCodes.RevocationOfSubject : kindCodes.RevocationOfSelf;
    case "KeyEvent":
      return keyEventCodes[statement.event];
    case "Report":
      return kindCodes.Report;
  }
}

const keyEventCodes = {
  init: kindCodes.KeyInit,
  rotate: kindCodes.KeyRotate,
  revoke: kindCodes.KeyRevoke,
  recover: kindCodes.KeyRecover,
} as const;

function subjectOf(statement: Statement): string | null {
  if (statement.kind === "Vouch" || statement.kind === "Report") return statement.subject;
  return statement.kind === "Revocation" && statement.revokes === "subject" ? statement.target : null;
}
