import { fromHex, leafHash, PeerageError, type Statement } from "@peerage/core";
import type { Candidate } from "../log/sequencer.ts";
import { kindCodes } from "../store/kinds.ts";

/** The 32 bytes of a digest `sha256:…`. */
export function digestBytes(digest: string): Uint8Array {
  return fromHex(digest.slice("sha256:".length));
}

/**
 * The row that a verified statement becomes.
 * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_KEY_EVENT_INVALID for kinds that this release does not log
 */
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
      if (statement.event === "init") return kindCodes.KeyInit;
      throw new PeerageError(
        "ERR_KEY_EVENT_INVALID",
        `this registry does not log key events of kind ${statement.event} yet`,
      );
    case "Report":
      throw new PeerageError("ERR_STATEMENT_INVALID", "this registry does not log reports yet", { detail: "kind" });
  }
}

function subjectOf(statement: Statement): string | null {
  if (statement.kind === "Vouch") return statement.subject;
  return statement.kind === "Revocation" && statement.revokes === "subject" ? statement.target : null;
}
