import { concat, utf8 } from "../encoding/bytes.ts";
import { sha256 } from "../encoding/sha256.ts";
import { isPeerageError, PeerageError } from "../errors.ts";
import type { SignedCheckpoint } from "../tlog/checkpoint.ts";
import { isSameKey } from "../tlog/checkpoint-policy.ts";
import { type ForkEvidence, LogForkedError, verifyExtension } from "../tlog/fork.ts";
import type { Verified } from "../verified.ts";
import { Network } from "./network.ts";
import type { RegistryReader } from "./reader.ts";
import { compare, StatementSet } from "./statement-set.ts";
import { View } from "./view.ts";

/** Which logs are followed together. */
export interface MergedNetworkOptions {
  /** Registries, or mirrors of them. Two readers of one log are compared with each other. */
  readonly readers: readonly RegistryReader[];
  readonly now?: () => Date;
  readonly onProgress?: (reader: RegistryReader, done: number, total: number) => void;
}

/** How one source stands. */
export interface SourceState {
  readonly origin: string;
  /** Entries of it that count; undefined if there never was a good view of it. */
  readonly size?: number;
  /** Of its newest good checkpoint, Unix seconds. */
  readonly time?: number;
  /** Why it could not be followed the last time. Its last good view goes on counting. */
  readonly error?: PeerageError;
  /** Proof that its log contradicted itself. It is not followed any further. */
  readonly evidence?: Verified<ForkEvidence>;
}

interface Source {
  readonly reader: RegistryReader;
  network?: Network;
  error?: PeerageError | undefined;
  evidence?: Verified<ForkEvidence>;
}

/**
 * Several logs as one: the state is that of the union of their statements, so neither their order nor what they have in
 * common plays a part, and one that lies or is down takes nothing from the others.
 */
export class MergedNetwork {
  readonly #options: MergedNetworkOptions;
  readonly #statements = new StatementSet();
  readonly #sources: readonly Source[];
  #view: View | undefined;
  #refreshing: Promise<View> | undefined;

  private constructor(options: MergedNetworkOptions) {
    if (options.readers.length === 0) throw new RangeError("there is at least one registry");
    this.#options = options;
    this.#sources = options.readers.map((reader) => ({ reader }));
  }

  /**
   * Copies and checks all logs. Those that cannot be read now are tried again at every refresh.
   * @throws {PeerageError} the error of the first source, if none can be read
   */
  static async open(options: MergedNetworkOptions): Promise<MergedNetwork> {
    const merged = new MergedNetwork(options);
    await merged.refresh();
    return merged;
  }

  /** The newest view of the union. Its time is that of the newest checkpoint, its size the sum over the logs. */
  get view(): View {
    if (!this.#view) throw new TypeError("nothing was read yet");
    return this.#view;
  }

  get statements(): StatementSet {
    return this.#statements;
  }

  get sources(): readonly SourceState[] {
    return this.#sources.map(({ reader, network, error, evidence }) => ({
      origin: reader.origin,
      ...(network ? { size: network.head.size, time: network.head.time ?? 0 } : {}),
      ...(error ? { error } : {}),
      ...(evidence ? { evidence } : {}),
    }));
  }

  /**
   * Seconds since the oldest of the newest checkpoints: a revocation may stand in any log, so none may be stale. Infinite
   * while a source has never been read.
   */
  ageSeconds(): number {
    return Math.max(...this.#sources.map(({ network }) => network?.ageSeconds() ?? Infinity));
  }

  /** Fetches what is new everywhere. A source that fails keeps its last good view, and is named in `sources`. */
  refresh(): Promise<View> {
    return (this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    }));
  }

  async #refresh(): Promise<View> {
    await Promise.all(this.#sources.map((source) => this.#follow(source)));
    await this.#compareCopies();
    const [first] = this.#sources;
    const read = this.#sources.flatMap(({ network }) => network ?? []);
    if (read.length === 0)
      throw first?.error ?? new PeerageError("ERR_REGISTRY_UNREACHABLE", "no registry can be read");
    return (this.#view = this.#viewOf(read));
  }

  async #follow(source: Source): Promise<void> {
    if (source.evidence) return;
    const { now, onProgress } = this.#options;
    const { reader } = source;
    try {
      if (source.network) await source.network.refresh();
      else {
        source.network = await Network.open({
          reader,
          statements: this.#statements,
          ...(now ? { now } : {}),
          ...(onProgress ? { onProgress: (done, total) => onProgress(reader, done, total) } : {}),
        });
      }
      source.error = undefined;
    } catch (error) {
      fail(source, error);
    }
  }

  /** Two views of one log must be of one tree. */
  async #compareCopies(): Promise<void> {
    for (const [i, a] of this.#sources.entries()) {
      for (const b of this.#sources.slice(i + 1)) {
        if (a.reader.origin !== b.reader.origin || !isSameKey(a.reader.logKey, b.reader.logKey)) continue;
        if (!a.network || !b.network || a.evidence || b.evidence) continue;
        const [older, newer] = a.network.head.size <= b.network.head.size ? [a, b] : [b, a];
        try {
          await checkExtends(older.network?.head, newer.network?.head, newer.reader);
        } catch (error) {
          fail(a, error);
          fail(b, error);
        }
      }
    }
  }

  #viewOf(networks: readonly Network[]): View {
    const heads = networks.map(({ head }) => head).sort((a, b) => compare(a.origin, b.origin) || a.size - b.size);
    return new View(this.#statements, {
      origin: [...new Set(heads.map(({ origin }) => origin))].join(" "),
      size: heads.reduce((sum, { size }) => sum + size, 0),
      root: sha256(concat(...heads.flatMap(({ origin, size, root }) => [utf8(`${origin}\n${size}\n`), root]))),
      time: Math.max(...heads.map(({ time }) => time ?? 0)),
      witnessed: heads.every(({ witnessed }) => witnessed),
      note: heads.map(({ note }) => note).join("\n"),
    });
  }
}

async function checkExtends(
  older: Verified<SignedCheckpoint> | undefined,
  newer: Verified<SignedCheckpoint> | undefined,
  reader: RegistryReader,
): Promise<void> {
  if (!older || !newer) return;
  const same = older.size === newer.size || older.size === 0;
  const proof = same ? [] : await reader.consistencyProof(older.size, newer.size);
  const readTile = (level: number, n: number, width: number): Promise<Uint8Array> => reader.tile(level, n, width);
  await verifyExtension(older, newer, { logKey: reader.logKey, proof, readTile });
}

function fail(source: Source, error: unknown): void {
  if (!isPeerageError(error)) throw error;
  source.error = error;
  if (error instanceof LogForkedError) source.evidence = error.evidence;
}
