import { type Did, type MultibaseKey, multibaseOf, parseMultibaseKey } from "../did/did-key.ts";
import { concat, utf8 } from "../encoding/bytes.ts";
import { sha256Hex } from "../encoding/sha256.ts";
import { PeerageError } from "../errors.ts";
import type { Digest } from "../json/digest.ts";
import type { Verified } from "../verified.ts";
import type { KeyEvent, RecoverySet } from "./types.ts";

/** The digest by which a key is committed before it is shown: SHA-256 of a domain tag and its 32 bytes. */
export function keyDigest(key: MultibaseKey): Digest {
  return `sha256:${sha256Hex(concat(utf8("peerage/key-digest/v1\n"), parseMultibaseKey(key).bytes))}`;
}

interface ChainState {
  readonly current: MultibaseKey;
  readonly next: Digest | undefined;
  readonly recovery: RecoverySet | undefined;
}

/**
 * Checks that a verified key event extends the chain before it: `seq` and `prev` follow, the right keys signed, the new
 * key is the one committed. Time locks and conflicts between branches are questions of the log, not of the chain.
 * @param chain - the earlier events of the same issuer, oldest first, each already checked in this way
 * @throws {PeerageError} ERR_KEY_EVENT_INVALID
 */
export function checkKeyEvent(event: Verified<KeyEvent>, chain: readonly Verified<KeyEvent>[]): void {
  const invalid = (detail: string): PeerageError =>
    new PeerageError("ERR_KEY_EVENT_INVALID", `the key event does not extend its chain: ${detail}`, { detail });
  const last = chain.at(-1);
  if (event.event === "init") {
    if (last) throw invalid("seq");
    if (!onlyKey(event, multibaseOf(event.issuer))) throw invalid("verification-method");
    return;
  }
  if (!last || event.issuer !== last.issuer || event.seq !== last.seq + 1) throw invalid("seq");
  if (event.prev !== last.id) throw invalid("prev");
  const state = chainState(event.issuer, chain);
  if (event.event === "rotate") {
    if (event.key === undefined || !onlyKey(event, event.key)) throw invalid("verification-method");
    if (state.next === undefined || keyDigest(event.key) !== state.next) throw invalid("next");
  } else if (event.event === "revoke") {
    const [signer] = event.keys;
    if (event.keys.length !== 1 || signer === undefined || !mayRevoke(signer, state))
      throw invalid("verification-method");
  } else if (event.key === undefined || !event.keys.includes(event.key)) {
    throw invalid("verification-method");
  } else if (!meetsThreshold(event.keys.filter((key) => key !== event.key).map(keyDigest), state.recovery)) {
    throw invalid("threshold");
  }
}

function onlyKey(event: KeyEvent, key: MultibaseKey): boolean {
  return event.keys.length === 1 && event.keys[0] === key;
}

function mayRevoke(signer: MultibaseKey, state: ChainState): boolean {
  const committed = keyDigest(signer);
  return signer === state.current || committed === state.next || (state.recovery?.keys.includes(committed) ?? false);
}

/** True if the signers are enough keys of a recovery set, and none is a stranger to it. */
export function meetsThreshold(signers: readonly Digest[], recovery: RecoverySet | undefined): boolean {
  if (!recovery || !signers.every((signer) => recovery.keys.includes(signer))) return false;
  return new Set(signers).size >= recovery.threshold;
}

function chainState(issuer: Did, chain: readonly KeyEvent[]): ChainState {
  let state: ChainState = { current: multibaseOf(issuer), next: undefined, recovery: undefined };
  for (const event of chain) {
    state = {
      current: event.key ?? state.current,
      next: event.event === "revoke" ? state.next : event.next,
      recovery: event.recovery ?? state.recovery,
    };
  }
  return state;
}
