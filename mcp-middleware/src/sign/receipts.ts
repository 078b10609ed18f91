import { appendFile, mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/** A receipt that was verified when it arrived. */
export interface StoredReceipt {
  /** The compact JWS. */
  readonly token: string;
  /** Where the call went: see {@link Pin.endpoint}. */
  readonly endpoint: string;
  readonly method: string;
  readonly tool?: string;
  /** RFC 3339. */
  readonly receivedAt: string;
}

/** Keeps verified receipts. */
export interface ReceiptStore {
  append(receipt: StoredReceipt): void;
  /** Settles when everything appended so far is kept. @throws what kept it from being so */
  flush(): Promise<void>;
}

/** The last receipts of this process. */
export class MemoryReceiptStore implements ReceiptStore {
  readonly #limit: number;
  readonly #receipts: StoredReceipt[] = [];

  /** @param limit how many are kept at most; 1,000 by default */
  constructor(limit = 1_000) {
    this.#limit = limit;
  }

  get receipts(): readonly StoredReceipt[] {
    return this.#receipts;
  }

  append(receipt: StoredReceipt): void {
    this.#receipts.push(receipt);
    if (this.#receipts.length > this.#limit) this.#receipts.shift();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}

/** Receipts as lines of JSON in a file of mode 0600; one append a line, so several processes may share it. */
export class FileReceiptStore implements ReceiptStore {
  readonly #path: string;
  #tail: Promise<void> | undefined;
  #failure: unknown;

  constructor(path: string) {
    this.#path = path;
  }

  append(receipt: StoredReceipt): void {
    const line = `${JSON.stringify(receipt)}\n`;
    const before = this.#tail ?? mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    this.#tail = before
      .then(() => appendFile(this.#path, line, { mode: 0o600 }))
      .catch((error: unknown) => void (this.#failure ??= error));
  }

  async flush(): Promise<void> {
    await this.#tail;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure instanceof Error ? failure : new Error("a receipt could not be kept");
  }
}
