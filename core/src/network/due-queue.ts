/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */

/** Things to look at again at a time, the earliest first: a binary heap. */
export class DueQueue<T> {
  readonly #times: number[] = [];
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The earliest time, or Infinity. */
  get next(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  /** Times that never come are not kept. */
  add(time: number, item: T): void {
    if (time === Number.POSITIVE_INFINITY) return;
    let at = this.#items.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#times[parent]! <= time) break;
      this.#times[at] = this.#times[parent]!;
      this.#items[at] = this.#items[parent]!;
      at = parent;
    }
    this.#times[at] = time;
    this.#items[at] = item;
  }

  /** Takes out everything that is due by a time. */
  *due(time: number): Generator<T> {
    while (this.next <= time) yield this.#shift();
  }

  #shift(): T {
    const first = this.#items[0]!;
    const time = this.#times.pop()!;
    const item = this.#items.pop()!;
    const length = this.#items.length;
    if (length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#times[child + 1]! < this.#times[child]!) child++;
      if (this.#times[child]! >= time) break;
      this.#times[at] = this.#times[child]!;
      this.#items[at] = this.#items[child]!;
      at = child;
    }
    this.#times[at] = time;
    this.#items[at] = item;
    return first;
  }
}
