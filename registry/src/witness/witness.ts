import {
  addSignature,
  emptyRoot,
  equalBytes,
  forkEvidence,
  formatSignedNote,
  isPeerageError,
  type NoteSigner,
  originHash,
  parseAddCheckpoint,
  parseCheckpoint,
  parseSignedNote,
  type SignedCheckpoint,
  type Verified,
  type VerifierKey,
  verifyCheckpoint,
  verifyConsistency,
} from "@peerage/core";
import { keepFork } from "./forks.ts";
import type { PeerHead, PeerStore } from "./peer-store.ts";

/** Whose heads a witness cosigns, and by which key. */
export interface WitnessOptions {
  /** Type 0x04. */
  readonly signer: NoteSigner;
  readonly store: PeerStore;
  /** The keys of the logs that it watches; a key's name is the log's origin. Any other log is unknown to it. */
  readonly logs: readonly VerifierKey[];
  readonly now: () => Date;
}

/** A witness's answer, as HTTP says it. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  readonly type: "text/plain; charset=utf-8" | "text/x.tlog.size";
  readonly body: string;
}

/**
 * Cosigns heads of other logs that extend what it saw of them before, and nothing else. What it cosigns is on disk before
 * anyone learns it.
 * @see https://c2sp.org/tlog-witness
 */
export class Witness {
  readonly #options: WitnessOptions;
  readonly #logs: ReadonlyMap<string, VerifierKey>;

  /** @throws {RangeError} if two keys have the name of one log */
  constructor(options: WitnessOptions) {
    this.#options = options;
    this.#logs = new Map(options.logs.map((key) => [key.name, key]));
    if (this.#logs.size !== options.logs.length) throw new RangeError("a log has one key");
  }

  get key(): VerifierKey {
    return this.#options.signer.key;
  }

  get logs(): readonly VerifierKey[] {
    return this.#options.logs;
  }

  /** Answers `POST add-checkpoint`: 200 with a cosignature, or why not: 400, 403, 404, 409, 422. */
  async addCheckpoint(body: Uint8Array): Promise<WitnessAnswer> {
    let request;
    let origin: string;
    try {
      request = parseAddCheckpoint(body);
      ({ origin } = parseCheckpoint(parseSignedNote(request.checkpoint).text));
    } catch (error) {
      if (isPeerageError(error)) return refusal(400, error.message);
      throw error;
    }
    const logKey = this.#logs.get(origin);
    if (!logKey) return refusal(404, "this witness does not know the log");
    let checkpoint;
    try {
      checkpoint = await verifyCheckpoint(request.checkpoint, { origin, logKey });
    } catch (error) {
      if (isPeerageError(error)) return refusal(403, error.message);
      throw error;
    }
    if (request.oldSize > checkpoint.size) return refusal(400, "the old size is greater than the new one");
    const refused = this.#advance(checkpoint, logKey, request.oldSize, request.proof);
    if (refused) return await this.#explain(refused, checkpoint, logKey);
    return this.#cosign(checkpoint, logKey);
  }

  /** The newest head that it cosigned of the log with this origin hash, with its signature. */
  head(hash: string): PeerHead | undefined {
    for (const origin of this.#logs.keys()) {
      if (originHash(origin) === hash) return this.#options.store.head(origin);
    }
    return undefined;
  }

  /** Compared and written in one step, so that no two requests can each be right by the same old head. */
  #advance(
    checkpoint: SignedCheckpoint,
    logKey: VerifierKey,
    oldSize: number,
    proof: readonly Uint8Array[],
  ): Refused | undefined {
    const { origin, size, root } = checkpoint;
    try {
      this.#options.store.advance(origin, (seen) => {
        const last = seen?.size ?? 0;
        if (oldSize !== last) throw new Refused(conflict(last));
        if (seen && size === last && !equalBytes(root, seen.root)) throw new Refused(conflict(last), seen);
        try {
          verifyConsistency({ size1: last, size2: size, root1: seen?.root ?? emptyRoot, root2: root, proof });
        } catch {
          throw new Refused(refusal(422, "the consistency proof does not hold"));
        }
        return { size, root, note: bareNote(checkpoint.note, logKey) };
      });
      return undefined;
    } catch (error) {
      if (error instanceof Refused) return error;
      throw error;
    }
  }

  /** Two roots of one size, both signed: that is a fork, and the proof of it is kept. */
  async #explain({ answer, seen }: Refused, checkpoint: SignedCheckpoint, logKey: VerifierKey): Promise<WitnessAnswer> {
    if (!seen) return answer;
    const { store, now } = this.#options;
    const older = await verifyCheckpoint(seen.note, { origin: checkpoint.origin, logKey });
    keepFork(store, await forkEvidence([older, checkpoint], logKey), now());
    return answer;
  }

  async #cosign({ origin, size, note }: Verified<SignedCheckpoint>, logKey: VerifierKey): Promise<WitnessAnswer> {
    const { signer, store, now } = this.#options;
    const cosigned = await addSignature(bareNote(note, logKey), signer, now());
    store.amend(origin, size, cosigned);
    const body = cosigned.slice(cosigned.trimEnd().lastIndexOf("\n") + 1);
    return { status: 200, type: "text/plain; charset=utf-8", body };
  }
}

/** Left the comparison with nothing written. `seen` is the head that the new one contradicts. */
class Refused extends Error {
  readonly answer: WitnessAnswer;
  readonly seen: PeerHead | undefined;

  constructor(answer: WitnessAnswer, seen?: PeerHead) {
    super(answer.body);
    this.answer = answer;
    this.seen = seen;
  }
}

/** The note with the log's own line and no other: what strangers added is not kept. */
function bareNote(note: string, { name, keyId }: VerifierKey): string {
  const { text, signatures } = parseSignedNote(note);
  const own = signatures.find((line) => line.name === name && line.keyId === keyId);
  return formatSignedNote({ text, signatures: own ? [own] : [] });
}

function refusal(status: 400 | 403 | 404 | 422, message: string): WitnessAnswer {
  return { status, type: "text/plain; charset=utf-8", body: `${message}\n` };
}

function conflict(size: number): WitnessAnswer {
  return { status: 409, type: "text/x.tlog.size", body: `${size}\n` };
}
