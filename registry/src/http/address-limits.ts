import { RateLimitedError } from "../admission/rate-limited.ts";
import { ClientAddresses, type Clients } from "./client-address.ts";
import type { Ctx } from "./route.ts";
import { networkOf, WindowLimiter } from "./window-limiter.ts";

export interface AddressLimitOptions {
  /** A minute, from one IPv4 /24 or IPv6 /48; 0 for no limit. */
  readonly writes: number;
  /** The same for reads that are computed; tiles and checkpoints are never counted. */
  readonly reads: number;
  /** Live feeds at one time; 0 for no limit. */
  readonly streams: number;
  readonly clients: Clients;
  readonly now: () => Date;
}

/** What one network may ask of this registry. Reads, writes and streams are counted apart: none spends another's. */
export class AddressLimits {
  readonly addresses: ClientAddresses;
  readonly streamsEach: number;
  readonly writes: WindowLimiter | undefined;
  readonly reads: WindowLimiter | undefined;
  readonly #streams = new Map<string, number>();

  /** @throws {RangeError} if a trusted hop is no address */
  constructor({ writes, reads, streams, clients, now }: AddressLimitOptions) {
    this.addresses = new ClientAddresses(clients);
    const { known } = this.addresses;
    this.writes = known && writes > 0 ? new WindowLimiter(writes, now) : undefined;
    this.reads = known && reads > 0 ? new WindowLimiter(reads, now, "admit") : undefined;
    this.streamsEach = known ? streams : 0;
  }

  /** Counts a request and says in its answer how many are left. @throws {RateLimitedError} if it was one too many */
  count(c: Ctx, kind: "reads" | "writes"): void {
    const limiter = this[kind];
    const address = this.addresses.of(c);
    if (!limiter || address === undefined) return;
    const { admitted, remaining, resetSeconds } = limiter.take(address);
    c.header("RateLimit-Policy", `"${kind}";q=${limiter.perMinute};w=60`);
    c.header("RateLimit", `"${kind}";r=${remaining};t=${resetSeconds}`);
    if (!admitted) {
      throw new RateLimitedError(`too many ${kind} from this network: try again in ${resetSeconds} s`, resetSeconds);
    }
  }

  /** Takes a place for a stream; call what is returned when it has ended. @throws {RateLimitedError} */
  stream(c: Ctx): () => void {
    const address = this.streamsEach > 0 ? this.addresses.of(c) : undefined;
    if (address === undefined) return () => undefined;
    const network = networkOf(address);
    const open = this.#streams.get(network) ?? 0;
    if (open >= this.streamsEach) throw new RateLimitedError("too many live feeds from this network", 60);
    this.#streams.set(network, open + 1);
    return () => {
      const left = (this.#streams.get(network) ?? 1) - 1;
      if (left > 0) this.#streams.set(network, left);
      else this.#streams.delete(network);
    };
  }
}
