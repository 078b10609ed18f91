import { PeerageError } from "@peerage/core";

/**
 * The refusal of an SVID, a bundle or a key that came from outside. The wire carries the code only; `detail`, a stable
 * word such as `td-unknown` or `expired`, is for the audit and the operator.
 */
export function svidInvalid(detail: string, cause?: unknown): PeerageError {
  return new PeerageError("ERR_SVID_INVALID", `the SVID does not hold: ${detail}`, {
    detail,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The refusal of a binding between a DID and a SPIFFE ID. */
export function bindingInvalid(detail: string, cause?: unknown): PeerageError {
  return new PeerageError("ERR_SPIFFE_BINDING", `the binding of DID and SPIFFE ID does not hold: ${detail}`, {
    detail,
    ...(cause === undefined ? {} : { cause }),
  });
}
