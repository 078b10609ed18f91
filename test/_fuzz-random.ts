/** Numbers, choices and bytes that a seed repeats (xoshiro128**). */
export class Random {
  readonly #state: Uint32Array;

  constructor(seed: number, name = "") {
    // The name parts the streams: each target has its own, whatever ran before it.
    let mixed = seed >>> 0;
    for (let i = 0; i < name.length; i++) mixed = (Math.imul(mixed ^ name.charCodeAt(i), 0x01000193) + i) >>> 0;
    this.#state = Uint32Array.from({ length: 4 }, () => {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let z = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return z ^ (z >>> 16);
    });
  }

  next(): number {
    const [a, b, c, d] = this.#state as unknown as [number, number, number, number];
    const times5 = Math.imul(b, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
    const [c1, d1] = [c ^ a, d ^ b];
    this.#state.set([a ^ d1, b ^ c1, c1 ^ (b << 9), (d1 << 11) | (d1 >>> 21)]);
    return result;
  }

  /** A whole number from 0, below `n`. */
  below(n: number): number {
    return n <= 1 ? 0 : this.next() % n;
  }

  /** True once in so many times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}
