import { z } from "zod";
import { fromBase64 } from "../encoding/base64.ts";
import { fromUtf8 } from "../encoding/bytes.ts";
import { isPeerageError, PeerageError } from "../errors.ts";
import { parseJson } from "../json/parse.ts";
import type { JsonValue } from "../json/types.ts";
import { parseCheckpoint, type SignedCheckpoint, verifyCheckpoint } from "../tlog/checkpoint.ts";
import type { CheckpointPolicy } from "../tlog/checkpoint-policy.ts";
import { parseNote } from "../tlog/note.ts";
import { decodeEntryBundle, formatTilePath, TILE_WIDTH, tileWidth } from "../tlog/tiles.ts";
import { parseVerifierKey, type VerifierKey } from "../tlog/verifier-key.ts";
import type { Verified } from "../verified.ts";
import { recomputeScore, type RecomputedScore, type ScoreQuestion } from "./evidence.ts";
import type { LogLeaf, RegistryReader } from "./reader.ts";
import { networkReason } from "./network-reason.ts";

/** What a registry says about itself at first contact; pinned from then on. */
export interface RegistryPin {
  readonly origin: string;
  /** vkey of type 0x01. */
  readonly logKey: string;
  /** vkey of type 0x04: the operator's own witness, which stamps the time. */
  readonly witnessKey: string;
}

/** Keeps the pins of registries by base URL. A file for the command line, memory for tests. */
export interface PinStore {
  get(url: string): RegistryPin | undefined;
  set(url: string, pin: RegistryPin): void;
}

/** Which registry is read, and what must hold of everything that it shows. */
export interface HttpReaderOptions {
  /** Base URL, https, or http on loopback. */
  readonly url: string;
  /** Trust on first use: without a store, every process trusts anew. */
  readonly pins?: PinStore;
  /**
   * External witnesses, type 0x04, of which `threshold` must have cosigned every checkpoint that this reader believes.
   * Without it what is read is unwitnessed.
   */
  readonly quorum?: CheckpointPolicy["quorum"];
  /** The keys, known beforehand: then nothing is asked of the registry about itself, and `pins` is not used. */
  readonly policy?: CheckpointPolicy;
  /** Milliseconds for one request; 10,000 by default. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
  readonly now?: () => Date;
}

/** A larger answer is refused: a bundle of 256 statements has at most 1 MiB. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;

const wellKnown = z.object({ origin: z.string(), logKey: z.string(), witnessKey: z.string() });
const checkpointPage = z.object({ checkpoints: z.array(z.string()) });
const proofAnswer = z.object({ proof: z.array(z.string()) });

/**
 * Reads a registry over HTTP and trusts none of its answers: checkpoints are verified by the pinned keys, sizes are
 * bounded, redirects are refused. Whether leaves lead to the root is for `Network` to check.
 */
export class HttpRegistryReader implements RegistryReader {
  readonly url: string;
  readonly #policy: CheckpointPolicy;
  readonly #http: HttpSource;

  private constructor(http: HttpSource, policy: CheckpointPolicy) {
    this.url = http.url;
    this.#http = http;
    this.#policy = policy;
  }

  /**
   * Connects: the keys come from the pin of this URL or, at first contact, from the registry itself.
   * @throws {PeerageError} ERR_REGISTRY_UNREACHABLE, ERR_REGISTRY_RESPONSE, ERR_CHECKPOINT_INVALID if the registry now
   *   shows other keys than those pinned
   */
  static async connect(options: HttpReaderOptions): Promise<HttpRegistryReader> {
    const http = new HttpSource(options);
    const quorum = options.quorum ? { quorum: options.quorum } : {};
    if (options.policy) {
      const known = new HttpRegistryReader(http, { ...options.policy, ...quorum });
      await known.checkpoint();
      return known;
    }
    const said = parseAnswer(wellKnown, await http.json("/.well-known/peerage-registry.json"));
    const pinned = options.pins?.get(http.url);
    if (pinned && (pinned.logKey !== said.logKey || pinned.origin !== said.origin)) {
      throw new PeerageError("ERR_CHECKPOINT_INVALID", "the registry shows another log key than the one first seen", {
        detail: "pin",
      });
    }
    const pin = pinned ?? said;
    const policy = {
      origin: pin.origin,
      logKey: parseVerifierKey(pin.logKey),
      operatorWitness: parseVerifierKey(pin.witnessKey),
      ...quorum,
    };
    const reader = new HttpRegistryReader(http, policy);
    await reader.checkpoint(); // the keys must at least sign what the registry shows, before they are pinned
    if (!pinned) options.pins?.set(http.url, { origin: said.origin, logKey: said.logKey, witnessKey: said.witnessKey });
    return reader;
  }

  get origin(): string {
    return this.#policy.origin;
  }

  /** By which it judges checkpoints. */
  get policy(): CheckpointPolicy {
    return this.#policy;
  }

  get logKey(): VerifierKey {
    return this.#policy.logKey;
  }

  async checkpoint(): Promise<Verified<SignedCheckpoint>> {
    return this.#verify(fromText(await this.#http.bytes("/checkpoint")));
  }

  async *checkpoints(after: number, upTo: number): AsyncGenerator<Verified<SignedCheckpoint>> {
    for (let last = after; last < upTo;) {
      const answer = await this.#http.json(`/v1/checkpoints?after=${last}&limit=200`);
      const { checkpoints } = parseAnswer(checkpointPage, answer);
      if (checkpoints.length === 0) return;
      for (const note of checkpoints) {
        const { size } = parseCheckpoint(parseNote(note).text);
        if (size <= last) throw badAnswer("its checkpoints are out of order");
        if (size > upTo) return;
        last = size;
        const checkpoint = await this.#verifyOld(note);
        if (checkpoint) yield checkpoint;
      }
    }
  }

  async *leaves(from: number, to: number): AsyncGenerator<LogLeaf> {
    for (let n = Math.floor(from / TILE_WIDTH); n * TILE_WIDTH < to; n++) {
      const width = tileWidth(0, n, to);
      const bundle = await this.#http.bytes(`/${formatTilePath({ level: "entries", n, width })}`);
      const entries = decodeEntryBundle(bundle, width);
      for (const [i, leaf] of entries.entries()) {
        const index = n * TILE_WIDTH + i;
        // A copy: what is kept of one leaf must not keep the whole bundle, which is fetched again with every entry.
        if (index >= from) yield { index, leaf: leaf.slice() };
      }
    }
  }

  async consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]> {
    const { proof } = parseAnswer(proofAnswer, await this.#http.json(`/v1/consistency?from=${from}&to=${to}`));
    try {
      return proof.map(fromBase64);
    } catch (cause) {
      throw badAnswer("a proof is not base64", cause);
    }
  }

  tile(level: number, n: number, width: number): Promise<Uint8Array> {
    return this.#http.bytes(`/${formatTilePath({ level, n, width })}`);
  }

  /**
   * Asks for a score and computes it again from the statements that come with it.
   * @throws {PeerageError} see {@link recomputeScore}; ERR_REGISTRY_RESPONSE also where there are too many statements
   */
  async score(question: ScoreQuestion): Promise<RecomputedScore> {
    const query = new URLSearchParams({
      from: question.roots.join(","),
      to: question.target,
      scope: question.scope,
      evidence: "1",
    });
    const answer = await this.#http.json(`/v1/score?${query.toString()}`);
    return recomputeScore(answer, question, this.#policy, { now: this.#http.now() });
  }

  /** Any JSON answer of the registry, strictly parsed and otherwise unchecked. */
  json(path: string): Promise<JsonValue> {
    return this.#http.json(path);
  }

  /** What was published before there was a quorum gives no time by it; a later checkpoint that has one does. */
  async #verifyOld(note: string): Promise<Verified<SignedCheckpoint> | undefined> {
    try {
      return await this.#verify(note);
    } catch (error) {
      if (isPeerageError(error, "ERR_CHECKPOINT_INVALID") && error.detail === "quorum") return undefined;
      throw error;
    }
  }

  #verify(note: string): Promise<Verified<SignedCheckpoint>> {
    return verifyCheckpoint(note, this.#policy, { now: this.#http.now() });
  }
}

/** GET requests to one base URL: bounded, without redirects, every failure a code. */
class HttpSource {
  readonly url: string;
  readonly now: () => Date;
  readonly #fetch: typeof fetch;
  readonly #timeoutMs: number;

  constructor(options: HttpReaderOptions) {
    this.url = registryUrl(options.url);
    this.now = options.now ?? (() => new Date());
    this.#fetch = options.fetch ?? fetch;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
  }

  async json(path: string): Promise<JsonValue> {
    try {
      return parseJson(await this.bytes(path));
    } catch (cause) {
      if (isPeerageError(cause) && cause.code.startsWith("ERR_JSON_")) throw badAnswer("it is not strict JSON", cause);
      throw cause;
    }
  }

  async bytes(path: string): Promise<Uint8Array> {
    const response = await this.#get(path);
    if (response.status === 404) throw new PeerageError("ERR_NOT_FOUND", `the registry has no ${path}`);
    // The registry is away, and what stands before it says so, or its store is: an outage, no lie.
    if (response.status >= 500) throw unreachable(this.url, `HTTP status ${response.status} for ${path}`);
    if (!response.ok) throw badAnswer(`HTTP status ${response.status} for ${path}`);
    return readBounded(response);
  }

  async #get(path: string): Promise<Response> {
    try {
      return await this.#fetch(this.url + path, { redirect: "error", signal: AbortSignal.timeout(this.#timeoutMs) });
    } catch (cause) {
      throw unreachable(this.url, networkReason(cause), cause);
    }
  }
}

/**
 * The canonical base URL of a registry, without a slash at the end.
 * @throws {PeerageError} ERR_CONFIG_INVALID for anything but https, or http on loopback
 */
export function registryUrl(text: string): string {
  if (!URL.canParse(text)) throw new PeerageError("ERR_CONFIG_INVALID", `not a registry URL: ${text}`);
  const url = new URL(text);
  const loopback = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) {
    throw new PeerageError("ERR_CONFIG_INVALID", `a registry must be reached over https, or on this machine: ${text}`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new PeerageError("ERR_CONFIG_INVALID", `a registry URL has no user, query or fragment: ${text}`);
  }
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
}

async function readBounded(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) throw badAnswer("it is too large");
      chunks.push(chunk);
    }
  } catch (cause) {
    if (isPeerageError(cause)) throw cause;
    throw new PeerageError("ERR_REGISTRY_UNREACHABLE", "the registry's answer broke off", { cause });
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

function fromText(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw badAnswer("it is not UTF-8", cause);
  }
}

function parseAnswer<T>(schema: z.ZodType<T>, answer: JsonValue): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw badAnswer(result.error.issues[0]?.message ?? "it has another shape");
}

function unreachable(url: string, why: string, cause?: unknown): PeerageError {
  return new PeerageError("ERR_REGISTRY_UNREACHABLE", `the registry at ${url} cannot be reached: ${why}`, { cause });
}

function badAnswer(message: string, cause?: unknown): PeerageError {
  return new PeerageError("ERR_REGISTRY_RESPONSE", `the registry's answer does not hold: ${message}`, { cause });
}
