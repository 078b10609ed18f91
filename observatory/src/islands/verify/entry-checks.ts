import {
  canonicalize,
  type Did,
  digest,
  fromHex,
  isJsonObject,
  isPeerageError,
  type JsonObject,
  keyHistoryAt,
  leafHash,
  type MultibaseKey,
  parseDid,
  parseJson,
  parseMultibaseKey,
  type Statement,
  StatementSet,
  toHex,
  utf8,
  type Verified,
  verifyInclusion,
  verifyProofOver,
  verifyStatement,
  without,
} from "@peerage/core";
import type { ProofBundle, ProvenEntry } from "../../proof-bundle.ts";
import { attempt, attemptAsync, type CheckedLog, rootOfNote, timeText } from "./log-checks.ts";
import type { Check } from "./report.ts";

/** Which entry a page shows, and as what. */
export interface AskedEntry {
  readonly index: number;
  readonly id: string;
}

/** The checks of one entry whose statement verified, with what they found. */
interface Looked {
  readonly entry: ProvenEntry;
  readonly checks: readonly Check[];
  readonly claims: Claims | undefined;
  /** Present if bytes, signature and place in the log hold. */
  readonly statement?: Verified<Statement>;
  /** Unix seconds. */
  readonly time?: number;
}

/** Checks entries of a bundle: bytes, signature, key, revocation, place in the log, and by when they were logged. */
export class EntryChecker {
  readonly #bundle: ProofBundle;
  readonly #log: CheckedLog;
  readonly #looked = new Map<number, Promise<Looked | undefined>>();

  constructor(bundle: ProofBundle, log: CheckedLog) {
    this.#bundle = bundle;
    this.#log = log;
  }

  async check({ index, id }: AskedEntry): Promise<readonly Check[]> {
    const looked = await this.#look(index);
    if (!looked) return [{ name: "bytes", verdict: "fails", text: "the registry sent no such entry" }];
    const [bytes, ...rest] = looked.checks;
    const own =
      looked.entry.id === id
        ? bytes
        : ({ name: "bytes", verdict: "fails", text: "not the statement that this page shows" } as const);
    const [signature, ...place] = rest;
    return [own, signature, await this.#key(looked), ...(await this.#revocation(looked)), ...place].filter(
      (check) => check !== undefined,
    );
  }

  #look(index: number): Promise<Looked | undefined> {
    let looking = this.#looked.get(index);
    if (!looking) {
      const entry = this.#bundle.entries.find((one) => one.index === index);
      looking = entry ? this.#lookAt(entry) : Promise.resolve(undefined);
      this.#looked.set(index, looking);
    }
    return looking;
  }

  async #lookAt(entry: ProvenEntry): Promise<Looked> {
    const { statement, defect } = await readStatement(entry.leaf);
    const same = statement?.id === entry.id;
    const bytes = same ? bytesHold(entry) : whatIsShown(entry, statement ? "another statement" : defect);
    const signature = same ? signatureHolds(statement) : await signatureOverId(entry);
    const broken = bytes.verdict === "fails" || signature.verdict === "fails";
    const log = this.#inLog(entry, broken);
    const time = entry.head === undefined ? undefined : this.#timeOf(entry.head, entry.index);
    const checks = [bytes, signature, log, loggedBy(entry, time)];
    const holds = same && log.verdict === "holds" && !broken;
    return {
      entry,
      checks,
      claims: claimsOf(entry.leaf),
      ...(holds ? { statement } : {}),
      ...(time === undefined ? {} : { time }),
    };
  }

  /** From the stated leaf to the stated root. That both are what they should be is asked where nothing else explains it. */
  #inLog(entry: ProvenEntry, broken: boolean): Check {
    const name = "in the log";
    const { size, root, checkpoint } = this.#bundle;
    const { index } = entry;
    const path = attempt(() => {
      const hash = fromHex(entry.leafHash);
      verifyInclusion({ index, size, root: fromHex(root), leafHash: hash, proof: entry.inclusion.map(fromHex) });
      return true;
    });
    if (!path) return { name, verdict: "fails", text: `the path from entry ${index} does not lead to the root` };
    if (!broken && toHex(leafHash(utf8(entry.leaf))) !== entry.leafHash) {
      return { name, verdict: "fails", text: `entry ${index} of the log has other bytes` };
    }
    const { head } = this.#log;
    if (head && (rootOfNote(checkpoint) !== root || head.size !== size)) {
      return { name, verdict: "fails", text: "the path leads to a root that the checkpoint does not name" };
    }
    return { name, verdict: "holds", text: `entry ${index} of ${size}, ${entry.inclusion.length} hashes to the root` };
  }

  #timeOf(head: number, index: number): number | undefined {
    const size = this.#bundle.heads[head]?.size ?? 0;
    return index < size ? this.#log.times[head] : undefined;
  }

  /** By the issuer's key events: they must hold themselves, and the log must say when they came. */
  async #key({ entry, claims, time }: Looked): Promise<Check> {
    const name = "key";
    if (!claims) return { name, verdict: "open", text: "not checked: the bytes cannot be read" };
    const { issuer, keys, kind } = claims;
    const set = new StatementSet();
    for (const index of entry.keys) {
      const event = await this.#look(index);
      if (!event?.statement) return { name, verdict: "fails", text: `key event ${index} does not hold` };
      if (event.time === undefined) return { name, verdict: "open", text: `when key event ${index} came is not shown` };
      if (event.statement.issuer === issuer) set.add({ statement: event.statement, index, time: event.time });
    }
    const agent = set.agent(issuer);
    if (!agent) {
      return keys.every((key) => issuer === `did:key:${key}`)
        ? { name, verdict: "holds", text: "the DID’s own, and no other was ever named" }
        : { name, verdict: "fails", text: "it was never the issuer’s" };
    }
    if (time === undefined) return { name, verdict: "open", text: "when it was logged is not shown" };
    const history = keyHistoryAt(issuer, agent, time);
    if (history.state.status === "disputed")
      return { name, verdict: "open", text: "disputed: key events contradict each other" };
    const stood =
      kind === "KeyEvent"
        ? keyHistoryAt(issuer, agent, Infinity).extends(entry.id)
        : keys.every((key) => history.stoodAt(key, time));
    return stood
      ? { name, verdict: "holds", text: `it stood behind the issuer then, by ${events(entry.keys.length)}` }
      : { name, verdict: "fails", text: "it was not the issuer’s then" };
  }

  /** Nothing proves that a list of revocations is complete, so that none is shown is not a pass. */
  async #revocation({ entry, claims }: Looked): Promise<Check[]> {
    const name = "not revoked";
    if (claims?.kind !== "Vouch") return [];
    if (entry.revokedBy === undefined) return [{ name, verdict: "open", text: "none shown" }];
    const revocation = await this.#look(entry.revokedBy);
    const taken = revocation?.statement;
    const issuer = taken?.issuer === claims.issuer;
    if (taken?.kind !== "Revocation" || !issuer || ![entry.id, claims.subject, claims.issuer].includes(taken.target)) {
      return [{ name, verdict: "open", text: `entry ${entry.revokedBy} is shown as its revocation and does not hold` }];
    }
    return [{ name, verdict: "fails", text: `revoked by entry ${entry.revokedBy}` }];
  }
}

/** Whose bytes say they are. To be believed as far as the lines about bytes and signature hold. */
interface Claims {
  readonly kind: string;
  readonly issuer: Did;
  readonly keys: readonly MultibaseKey[];
  readonly subject: string | undefined;
}

function claimsOf(leaf: string): Claims | undefined {
  return attempt(() => {
    const document = parseJson(leaf);
    if (!isJsonObject(document)) return undefined;
    const kinds = document["type"];
    const subject = document["credentialSubject"];
    const id = isJsonObject(subject) ? subject["id"] : undefined;
    return {
      kind: String(Array.isArray(kinds) ? kinds.at(-1) : kinds),
      issuer: parseDid(document["issuer"]),
      keys: proofsOf(document).map(keyOfProof),
      subject: typeof id === "string" ? id : undefined,
    };
  });
}

function proofsOf(document: JsonObject): JsonObject[] {
  const proof = document["proof"];
  return (Array.isArray(proof) ? proof : [proof]).filter((one) => isJsonObject(one));
}

function keyOfProof(proof: JsonObject): MultibaseKey {
  const method = proof["verificationMethod"];
  const key = typeof method === "string" ? method.slice(method.indexOf("#") + 1) : "";
  parseMultibaseKey(key);
  return key as MultibaseKey;
}

function events(count: number): string {
  return count === 1 ? "1 key event" : `${count} key events`;
}

function loggedBy({ head }: ProvenEntry, time: number | undefined): Check {
  const name = "logged by";
  if (head === undefined) return { name, verdict: "open", text: "no older head was shown" };
  if (time === undefined) return { name, verdict: "fails", text: "the head that says when does not hold" };
  return { name, verdict: "holds", text: `${timeText(time)}, by the operator’s own clock` };
}

function bytesHold({ leaf, id }: ProvenEntry): Check {
  return { name: "bytes", verdict: "holds", text: `${utf8(leaf).length} bytes, digest ${id.slice(0, 15)}…` };
}

function signatureHolds({ keys }: Statement): Check {
  const text = keys.length === 1 ? "eddsa-jcs-2022 by the key named in it" : `${keys.length} × eddsa-jcs-2022`;
  return { name: "signature", verdict: "holds", text };
}

/** Says of bytes that are not the statement whether their document is, and what else is wrong with them. */
function whatIsShown({ leaf, id }: ProvenEntry, defect: string): Check {
  const name = "bytes";
  const same = attempt(() => {
    const document = parseJson(leaf);
    return isJsonObject(document) && canonicalize(document) === leaf && digest(without(document, "proof")) === id;
  });
  if (same !== true) return { name, verdict: "fails", text: "their digest is not the id" };
  // The document is the one with this id; whether the proof beside it holds is the next line's question.
  return defect === "equation" || defect === "multibase"
    ? { name, verdict: "holds", text: `the document with digest ${id.slice(0, 15)}…` }
    : { name, verdict: "fails", text: `not a valid statement: ${defect}` };
}

/** The issuer's key over the stated id: what was signed, whatever bytes are shown beside it. */
async function signatureOverId({ leaf, id }: ProvenEntry): Promise<Check> {
  const name = "signature";
  const document = attempt(() => parseJson(leaf));
  if (!isJsonObject(document)) return { name, verdict: "open", text: "not checked: the bytes cannot be read" };
  const proofs = proofsOf(document);
  const holds = await attemptAsync(async () => {
    const hash = fromHex(id.slice("sha256:".length));
    for (const proof of proofs) await verifyProofOver(hash, proof, parseMultibaseKey(keyOfProof(proof)));
    return proofs.length > 0;
  });
  if (holds !== true) return { name, verdict: "fails", text: "it does not hold" };
  return { name, verdict: "holds", text: "the key named in it signed the document with this id" };
}

/** The statement in some bytes, or one word for what is wrong with it. */
async function readStatement(
  leaf: string,
): Promise<{ statement: Verified<Statement>; defect?: never } | { statement?: never; defect: string }> {
  try {
    return { statement: await verifyStatement(leaf, { keysOf: "any" }) };
  } catch (error) {
    if (isPeerageError(error)) return { defect: error.detail ?? error.code };
    if (error instanceof TypeError) return { defect: "form" };
    throw error;
  }
}
