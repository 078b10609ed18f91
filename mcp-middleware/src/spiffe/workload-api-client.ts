import { type ClientReadableStream, type Client, credentials, loadPackageDefinition, Metadata, type ServiceError, status } from "@grpc/grpc-js"; // prettier-ignore
import { fromJSON } from "@grpc/proto-loader";
import type { Log } from "./sources.ts";
import { workloadApiTarget } from "./workload-api-address.ts";
import { type JwtSvidResponse, workloadApiSchema } from "./workload-api-schema.ts";

export type StreamMethod =
  "FetchX509SVID" | "FetchX509Bundles" | "FetchJWTBundles" | "FetchWITSVID" | "FetchWITBundles";

/** How long to wait before a broken stream is opened again: `firstMs`, then `firstMs` more each time, up to `mostMs`. */
export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
}

export interface WorkloadApiClientOptions {
  /** `unix:///absolute/path` or `tcp://<IP>:<port>`. */
  readonly address: string;
  readonly log: Log;
  /** 1 s … 30 s by default. */
  readonly backoff?: Backoff | undefined;
}

export interface Watcher<T> {
  /** The whole state: what is absent in it is withdrawn. */
  onState(state: T): void;
  /** The agent says that this workload has no identity. */
  onDenied?: () => void;
  /** The agent does not know the method, now or later. */
  onUnserved?: () => void;
  /** The stream broke off: what it said may no longer be so. */
  onBroken?: () => void;
}

/** The calls of the generated client that are used here. */
interface RawClient extends Client {
  FetchJWTSVID(
    request: object,
    metadata: Metadata,
    options: { deadline: number },
    callback: (error: ServiceError | null, response?: JwtSvidResponse) => void,
  ): void;
}
type OpenStream = (request: object, metadata: Metadata) => ClientReadableStream<unknown>;

/** A connection to a Workload API; streams that break are opened again for as long as it lives. */
export class WorkloadApiClient implements Disposable {
  readonly #client: RawClient;
  readonly #log: Log;
  readonly #backoff: Backoff;
  readonly #open = new Set<{ end(): void }>();

  /** @throws {PeerageError} ERR_CONFIG_INVALID for an address of another form */
  constructor({ address, log, backoff = { firstMs: 1_000, mostMs: 30_000 } }: WorkloadApiClientOptions) {
    const definition = loadPackageDefinition(fromJSON(workloadApiSchema, { keepCase: true, defaults: true }));
    const Service = definition["SpiffeWorkloadAPI"] as unknown as new (...args: unknown[]) => RawClient;
    // The socket is the authority: no proxy, no TLS, no name to look up. Its own backoff stays below ours.
    this.#client = new Service(workloadApiTarget(address), credentials.createInsecure(), {
      "grpc.enable_http_proxy": 0,
      "grpc.initial_reconnect_backoff_ms": backoff.firstMs,
      "grpc.max_reconnect_backoff_ms": backoff.firstMs,
      "grpc.min_reconnect_backoff_ms": Math.min(backoff.firstMs, 100),
    });
    this.#log = log;
    this.#backoff = backoff;
  }

  /** Follows a stream until this client is disposed of, or the server says that it does not know the method. */
  watch<T>(method: StreamMethod, watcher: Watcher<T>): void {
    const stream = new Followed<T>(
      () => this.#start(method),
      watcher,
      this.#backoff,
      (line) => this.#log(`Workload API: ${method} ${line}`),
    );
    this.#open.add(stream);
    stream.begin();
  }

  /** One JWT-SVID for one audience. @throws the error of gRPC */
  fetchJwtSvid(audience: string): Promise<JwtSvidResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<JwtSvidResponse>();
    const deadline = Date.now() + 10_000;
    this.#client.FetchJWTSVID({ audience: [audience] }, header(), { deadline }, (error, response) => {
      if (error) reject(error);
      else resolve(response ?? { svids: [] });
    });
    return promise;
  }

  [Symbol.dispose](): void {
    for (const stream of this.#open) stream.end();
    this.#open.clear();
    this.#client.close();
  }

  #start(method: StreamMethod): ClientReadableStream<unknown> {
    const open = (this.#client as unknown as Record<StreamMethod, OpenStream>)[method];
    return open.call(this.#client, {}, header());
  }
}

/** Without it a server refuses: so a page in a browser cannot be made to ask. */
function header(): Metadata {
  const metadata = new Metadata();
  metadata.set("workload.spiffe.io", "true");
  return metadata;
}

const final: ReadonlySet<number> = new Set([status.INVALID_ARGUMENT, status.UNIMPLEMENTED]);

class Followed<T> {
  readonly #start: () => ClientReadableStream<unknown>;
  readonly #watcher: Watcher<T>;
  readonly #backoff: Backoff;
  readonly #log: Log;
  #stream: ClientReadableStream<unknown> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #ended = false;

  constructor(start: () => ClientReadableStream<unknown>, watcher: Watcher<T>, backoff: Backoff, log: Log) {
    this.#start = start;
    this.#watcher = watcher;
    this.#backoff = backoff;
    this.#log = log;
  }

  begin(): void {
    const stream = this.#start();
    this.#stream = stream;
    stream.on("data", (state: T) => {
      if (this.#ended) return;
      if (this.#failures > 0) this.#log("is back");
      this.#failures = 0;
      this.#watcher.onState(state);
    });
    stream.on("error", (error: ServiceError) => this.#broken(stream, error.code, error.details));
    stream.on("end", () => this.#broken(stream, status.OK, "ended"));
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#stream?.cancel();
  }

  #broken(stream: ClientReadableStream<unknown>, code: status, why: string): void {
    if (this.#ended || stream !== this.#stream) return;
    this.#stream = undefined;
    this.#watcher.onBroken?.();
    if (code === status.PERMISSION_DENIED) this.#watcher.onDenied?.();
    if (final.has(code)) {
      this.#log(`is not served here (${status[code]})`);
      this.#watcher.onUnserved?.();
      return;
    }
    if (this.#failures++ === 0) this.#log(`broke off (${status[code]}): ${why}`);
    const { firstMs, mostMs } = this.#backoff;
    this.#timer = setTimeout(() => this.begin(), Math.min(firstMs * this.#failures, mostMs));
    this.#timer.unref();
  }
}
