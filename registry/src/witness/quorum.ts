import {
  addSignatureLines,
  checkQuorumGroup,
  type CheckpointQuorum,
  checkQuorumRule,
  equalBytes,
  formatAddCheckpoint,
  fromUtf8,
  isPeerageError,
  type NoteSignature,
  openSignedNote,
  originHash,
  parseSignatureLines,
  PeerageError,
  type QuorumGroup,
  quorumTime,
  type VerifierKey,
} from "@peerage/core";

/** A witness that this log asks. */
export interface WitnessParty {
  readonly key: VerifierKey;
  /** Its submission prefix, to which `/add-checkpoint` is added. */
  readonly url: string;
}

/** Whose cosignatures a head needs before anyone may see it. */
export interface WitnessQuorum {
  readonly witnesses: readonly WitnessParty[];
  /** How many must have cosigned. */
  readonly threshold: number;
  /** Groups of groups, if it is not simply so many: then this decides, and holds exactly these witnesses. */
  readonly group?: QuorumGroup;
  /** How many of them may be bad without two versions of the log getting a quorum each; 0 by default. */
  readonly faulty?: number;
  /** For one request; 5,000 by default. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

/** What a witness said the last time it was asked. */
export interface WitnessState {
  readonly name: string;
  readonly cosigned: boolean;
  readonly detail: string;
}

/** The answer of a quorum: the note with the cosignatures, or how many there were. */
export type QuorumAnswer =
  | { readonly reached: true; readonly note: string }
  | { readonly reached: false; readonly count: number; readonly ahead: number | undefined };

const MAX_ANSWER = 16_384;

/** Asks witnesses to cosign the heads of one log. */
export class QuorumClient {
  readonly threshold: number;
  readonly #quorum: WitnessQuorum;
  /** What each witness saw last, as far as this process knows. */
  readonly #seen = new Map<VerifierKey, number>();
  readonly #states = new Map<VerifierKey, WitnessState>();

  /** @throws {RangeError} if the numbers leave room for two versions of the log, or a witness is named twice */
  constructor(quorum: WitnessQuorum) {
    const { witnesses, threshold, faulty = 0 } = quorum;
    if (quorum.group) checkQuorumGroup(quorum.group, faulty);
    else checkQuorumRule({ witnesses: witnesses.length, threshold, faulty });
    for (const [i, { key }] of witnesses.entries()) {
      if (witnesses.some((other, j) => i < j && equalBytes(other.key.publicKey.bytes, key.publicKey.bytes))) {
        throw new RangeError("a witness is named twice");
      }
    }
    this.#quorum = quorum;
    this.threshold = threshold;
  }

  /** What a reader asks of the checkpoints that this one collects for. */
  get policy(): CheckpointQuorum {
    const { witnesses, threshold, group } = this.#quorum;
    return { witnesses: witnesses.map(({ key }) => key), threshold, ...(group ? { group } : {}) };
  }

  get witnesses(): readonly WitnessParty[] {
    return this.#quorum.witnesses;
  }

  /** What each witness said last. */
  get states(): readonly WitnessState[] {
    return this.witnesses.map(
      ({ key }) => this.#states.get(key) ?? { name: key.name, cosigned: false, detail: "not asked yet" },
    );
  }

  /**
   * Asks all at once and returns as soon as enough have cosigned, and therefore persisted, the head.
   * @param proof - consistency proof from a size to that of the note
   */
  async collect(
    note: string,
    size: number,
    proof: (from: number) => Promise<readonly Uint8Array[]>,
  ): Promise<QuorumAnswer> {
    const lines: NoteSignature[] = [];
    const cosigned = new Set<VerifierKey>();
    let ahead: number | undefined;
    const stop = new AbortController();
    await new Promise<void>((resolve) => {
      const asked = this.witnesses.map(async (witness) => {
        const answer = await this.#ask(witness, note, size, proof, stop.signal);
        if (typeof answer === "object") {
          lines.push(answer);
          cosigned.add(witness.key);
        } else if (answer !== undefined && answer > size) {
          ahead = Math.max(ahead ?? 0, answer);
        }
        if (this.#isReached(cosigned)) resolve();
      });
      void Promise.all(asked).then(() => resolve());
    });
    stop.abort();
    if (!this.#isReached(cosigned)) return { reached: false, count: lines.length, ahead };
    return { reached: true, note: addSignatureLines(note, lines) };
  }

  #isReached(cosigned: ReadonlySet<VerifierKey>): boolean {
    const { group } = this.#quorum;
    if (!group) return cosigned.size >= this.threshold;
    return quorumTime(group, (key) => (cosigned.has(key) ? 0 : undefined)) !== undefined;
  }

  /** One witness's line, the size that it has seen if that is greater than ours, or nothing. Never throws. */
  async #ask(
    witness: WitnessParty,
    note: string,
    size: number,
    proof: (from: number) => Promise<readonly Uint8Array[]>,
    stop: AbortSignal,
  ): Promise<NoteSignature | number | undefined> {
    const { key } = witness;
    const say = (detail: string, cosigned = false): void => {
      if (!stop.aborted) this.#states.set(key, { name: key.name, cosigned, detail });
    };
    try {
      // The first answer may only tell what the witness saw last.
      for (let attempt = 0; attempt < 2; attempt++) {
        const oldSize = Math.min(this.#seen.get(key) ?? 0, size);
        const hashes = oldSize === 0 || oldSize === size ? [] : await proof(oldSize);
        const { status, text } = await this.#post(
          witness,
          formatAddCheckpoint({ oldSize, proof: hashes, checkpoint: note }),
        );
        if (status === 200) {
          const line = await verifiedLine(note, text, key);
          this.#seen.set(key, Math.max(size, this.#seen.get(key) ?? 0));
          say("cosigned", true);
          return line;
        }
        const last = status === 409 ? /^(0|[1-9]\d{0,15})\n$/.exec(text)?.[1] : undefined;
        if (last === undefined || Number(last) === oldSize) {
          say(status === 409 ? "it saw another root at this size" : `HTTP status ${status}`);
          return undefined;
        }
        this.#seen.set(key, Number(last));
        if (Number(last) > size) {
          say(`it saw ${last} entries`);
          return Number(last);
        }
      }
      say("it changed its mind about what it saw");
    } catch (error) {
      say(isPeerageError(error) ? error.message : "it cannot be reached");
    }
    return undefined;
  }

  async #post({ url }: WitnessParty, body: string): Promise<{ status: number; text: string }> {
    const { fetch: send = fetch, timeoutMs = 5_000 } = this.#quorum;
    const response = await send(`${url.replace(/\/+$/, "")}/add-checkpoint`, {
      method: "POST",
      body,
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, text: await boundedText(response) };
  }

  /**
   * The newest notes that witnesses hold of a log, for a registry that starts: it must not be older than any of them.
   * Witnesses that are down, or do not show what they hold, are left out.
   */
  async newest(origin: string): Promise<string[]> {
    const { fetch: send = fetch, timeoutMs = 5_000 } = this.#quorum;
    const asked = this.witnesses.map(async ({ url }) => {
      try {
        const response = await send(`${url.replace(/\/+$/, "")}/${originHash(origin)}/checkpoint`, {
          redirect: "error",
          signal: AbortSignal.timeout(timeoutMs),
        });
        const text = await boundedText(response);
        return response.ok ? [text] : [];
      } catch {
        return [];
      }
    });
    return (await Promise.all(asked)).flat();
  }
}

async function verifiedLine(note: string, answer: string, key: VerifierKey): Promise<NoteSignature> {
  const lines = parseSignatureLines(answer).filter((line) => line.name === key.name && line.keyId === key.keyId);
  const { signed } = await openSignedNote(addSignatureLines(note, lines), [key]);
  const [own] = signed;
  if (!own) {
    throw new PeerageError("ERR_CHECKPOINT_INVALID", "its answer holds no cosignature of its key");
  }
  return { name: own.name, keyId: own.keyId, signature: own.signature };
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_ANSWER) throw new PeerageError("ERR_REGISTRY_RESPONSE", "its answer is too large");
    chunks.push(chunk);
  }
  return fromUtf8(new Uint8Array(Buffer.concat(chunks)));
}
