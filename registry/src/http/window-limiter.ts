/** What a limiter says to one request. */
export interface Allowance {
  readonly admitted: boolean;
  /** How many more are admitted in this window. */
  readonly remaining: number;
  /** Whole seconds until the next window. */
  readonly resetSeconds: number;
}

const WINDOW_SECONDS = 60;
/** Networks that are remembered in one window; about 10 MB. */
const MAX_NETWORKS = 100_000;

/** Counts requests of a network in windows of one minute, in bounded memory. */
export class WindowLimiter {
  readonly perMinute: number;
  readonly #now: () => Date;
  readonly #whenFull: "deny" | "admit";
  readonly #counts = new Map<string, number>();
  #minute = 0;

  /**
   * @param whenFull what is said to networks that are too many to be remembered: writes are denied, not waved through;
   *   reads change nothing, so honest readers go on
   */
  constructor(perMinute: number, now: () => Date, whenFull: "deny" | "admit" = "deny") {
    this.perMinute = perMinute;
    this.#now = now;
    this.#whenFull = whenFull;
  }

  /** Counts one request of an address. */
  take(address: string): Allowance {
    const seconds = this.#now().getTime() / 1_000;
    const minute = Math.floor(seconds / WINDOW_SECONDS);
    if (minute !== this.#minute) {
      this.#counts.clear();
      this.#minute = minute;
    }
    const resetSeconds = Math.ceil(WINDOW_SECONDS - (seconds % WINDOW_SECONDS));
    const network = networkOf(address);
    const count = this.#counts.get(network) ?? 0;
    if (count >= this.perMinute) return { admitted: false, remaining: 0, resetSeconds };
    if (count === 0 && this.#counts.size >= MAX_NETWORKS) {
      return { admitted: this.#whenFull === "admit", remaining: 0, resetSeconds };
    }
    this.#counts.set(network, count + 1);
    return { admitted: true, remaining: this.perMinute - count - 1, resetSeconds };
  }
}

/** The /24 of an IPv4 address, the /48 of an IPv6 one. */
export function networkOf(address: string): string {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+)\.\d+$/i.exec(address)?.[1];
  if (v4 !== undefined) return v4;
  const [head = "", tail = ""] = address.split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::")
    ? Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0")
    : [];
  return [...left, ...zeros, ...right]
    .slice(0, 3)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":");
}
