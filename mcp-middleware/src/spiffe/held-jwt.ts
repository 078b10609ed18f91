import { whyOf } from "./file-sources.ts";
import { readJws } from "./jws.ts";
import { svidInvalid } from "./refuse.ts";
import type { JwtSource, Log } from "./sources.ts";
import { readTime } from "./token-time.ts";

/** After a failure it is tried again, at first after so long, then ever later. */
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
/** It is not shown in its last second: it must still hold when it arrives. */
const MARGIN_SECONDS = 1;

export interface HeldJwtOptions {
  readonly source: JwtSource;
  /** The one audience that the JWT-SVID is for. */
  readonly audience: string;
  readonly log?: Log | undefined;
  readonly now?: (() => Date) | undefined;
}

/**
 * A JWT-SVID of one's own for one audience, ready when it is needed: renewed in the background at half of its life, so
 * that no call waits for it. While none is to be had the last one serves until it expires.
 */
export class HeldJwt implements Disposable {
  /** Settles after the first attempt. */
  readonly ready: Promise<void>;
  readonly #options: HeldJwtOptions;
  readonly #now: () => Date;
  #held: { readonly token: string; readonly expiresAt: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #isDisposed = false;

  constructor(options: HeldJwtOptions) {
    this.#options = options;
    this.#now = options.now ?? ((): Date => new Date());
    this.ready = this.#renew();
  }

  /** The token. @throws {PeerageError} ERR_SVID_INVALID, detail `no-identity`, if there is none that holds */
  current(): string {
    const held = this.#held;
    if (!held || this.#seconds() > held.expiresAt - MARGIN_SECONDS) throw svidInvalid("no-identity");
    return held.token;
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#held = undefined;
  }

  async #renew(): Promise<void> {
    const { source, audience, log } = this.#options;
    let waitMs: number;
    try {
      const token = await source.fetchJwtSvid(audience);
      // Ours to show, the receiver's to verify: read for its end only.
      const expiresAt = readTime(readJws(token).claims["exp"]);
      if (expiresAt === undefined) throw svidInvalid("time");
      if (!this.#isDisposed) this.#held = { token, expiresAt };
      this.#failures = 0;
      waitMs = Math.max(RETRY_MS, ((expiresAt - this.#seconds()) / 2) * 1000);
    } catch (error) {
      log?.(`JWT-SVID for ${audience} not renewed (${whyOf(error)})`);
      waitMs = Math.min(RETRY_MS * ++this.#failures, MAX_RETRY_MS);
    }
    if (this.#isDisposed) return;
    this.#timer = setTimeout(() => void this.#renew(), Math.min(waitMs, 2 ** 31 - 1));
    this.#timer.unref();
  }

  #seconds(): number {
    return this.#now().getTime() / 1000;
  }
}
