import {
  concat,
  isPeerageError,
  leafHash,
  type LogLeaf,
  sha256,
  type Statement,
  utf8,
  type Verified,
  verifyStatement,
} from "@peerage/core";
import { toCandidate } from "../admission/entry.ts";
import type { Candidate } from "../log/sequencer.ts";
import { kindCodes } from "../store/kinds.ts";

/**
 * The row of a leaf in a copy of a log. A mirror refuses no leaf that is under the signed root: one that is no statement,
 * or whose id the log has given already, is kept under a name of its own.
 */
export async function toRow(
  { index, leaf }: LogLeaf,
  isTaken: (id: Uint8Array) => Promise<boolean>,
): Promise<{ row: Candidate; rejected: boolean }> {
  const statement = await readStatement(leaf);
  const candidate = statement && toCandidate(statement);
  if (candidate && !(await isTaken(candidate.id))) return { row: candidate, rejected: false };
  const row = {
    id: sha256(concat(utf8(`peerage/mirror/v1\n${index}\n`), leaf)),
    leaf: leafHash(leaf),
    kind: kindCodes.Unreadable,
    issuer: "",
    subject: null,
    target: null,
    body: leaf,
  };
  return { row, rejected: true };
}

async function readStatement(leaf: Uint8Array): Promise<Verified<Statement> | undefined> {
  try {
    return await verifyStatement(leaf, { keysOf: "any" });
  } catch (error) {
    if (isPeerageError(error)) return undefined;
    throw error;
  }
}
