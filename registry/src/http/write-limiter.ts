/** Counts writes of an address in windows of one minute, in bounded memory. */
export class WriteLimiter {
  readonly perMinute: number;
  readonly #now: () => Date;
  readonly #counts = new Map<string, number>();
  #minute = 0;

  constructor(perMinute: number, now: () => Date) {
    this.perMinute = perMinute;
    this.#now = now;
  }

  /**
   * Seconds after which the address may write again; 0 if it may now, which is counted. Where more addresses write than
   * can be remembered, new ones are denied, not waved through.
   */
  take(address: string): number {
    const seconds = this.#now().getTime() / 1_000;
    const minute = Math.floor(seconds / 60);
    if (minute !== this.#minute) {
      this.#counts.clear();
      this.#minute = minute;
    }
    const network = networkOf(address);
    const count = this.#counts.get(network) ?? 0;
    if (count >= this.perMinute || (count === 0 && this.#counts.size >= 100_000)) return Math.ceil(60 - (seconds % 60));
    this.#counts.set(network, count + 1);
    return 0;
  }
}

/** The /24 of an IPv4 address, the /48 of an IPv6 one. */
export function networkOf(address: string): string {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+)\.\d+$/.exec(address)?.[1];
  if (v4 !== undefined) return v4;
  const [head = "", tail = ""] = address.split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::")
    ? Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0")
    : [];
  return [...left, ...zeros, ...right].slice(0, 3).join(":");
}
