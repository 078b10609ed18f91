import { isPeerageError } from "@peerage/core";
import { type AuditedCall, type AuditReader, checkKeptReceipt } from "@peerage/mcp-middleware";
import type { GuardReceipt } from "@peerage/observatory";

/** The receipt that a guard keeps of a call, verified just now; undefined where it signed none, or keeps it no more. */
export function keptReceipt(reader: AuditReader, call: AuditedCall): GuardReceipt | undefined {
  const token = reader.receipt(call);
  if (token === undefined) return undefined;
  try {
    const { step, result, issuedAt } = checkKeptReceipt(token, reader.guard, call);
    return { token, step, result, at: new Date(issuedAt * 1000).toISOString() };
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return { token, problem: error.message };
  }
}
