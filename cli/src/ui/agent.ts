import type { Did } from "@peerage/core";
import type { Terminal } from "./terminal.ts";
import { visible } from "./visible.ts";

/** The form by which a DID is recognised, never decided: `z6Mkn7BQR…xiW4`. */
export function fingerprint(did: Did): string {
  return `${did.slice(8, 17)}…${did.slice(-4)}`;
}

/** {@link fingerprint} with its common head faint and the telling characters clear. */
export function styledFingerprint(ui: Terminal, did: Did): string {
  return ui.dim("z6Mk") + ui.accent(did.slice(12, 17)) + ui.dim(ui.mark.ellipsis) + ui.accent(did.slice(-4));
}

/** A whole DID with its telling characters clear; it is never broken or cut. */
export function styledDid(ui: Terminal, did: Did): string {
  return ui.dim("did:key:z6Mk") + ui.accent(did.slice(12, 17)) + did.slice(17, -4) + ui.accent(did.slice(-4));
}

/** An agent in a line: the reader's own name for it if there is one, and always the fingerprint. */
export function agentLabel(ui: Terminal, did: Did, name: string | undefined): string {
  return name === undefined
    ? styledFingerprint(ui, did)
    : `${ui.bold(visible(name, 24))}  ${styledFingerprint(ui, did)}`;
}
