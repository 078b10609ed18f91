import type { JsonObject, Signer } from "@peerage/core";
import { bindingAudience } from "./binding-token.ts";
import { whyOf } from "./file-sources.ts";
import { type Binding, bindToken, bindWit, bindX509 } from "./issue-binding.ts";
import type { JwtSource, Log, WitSource, X509Source } from "./sources.ts";

export interface BinderOptions {
  readonly signer: Signer;
  readonly x509?: X509Source | undefined;
  readonly wit?: WitSource | undefined;
  readonly jwt?: JwtSource | undefined;
  readonly log?: Log | undefined;
  readonly now?: (() => Date) | undefined;
}

interface Held extends Binding {
  /** Unix seconds: half of its life. */
  readonly renewAt: number;
}

/**
 * Keeps the binding that a signing client puts beside its call proofs, by the strongest way there is: the same key or
 * both keys with an X.509-SVID, then a WIT-SVID, then a JWT-SVID. It is made anew at half of its life and when the SVID
 * has been replaced.
 */
export class Binder implements Disposable {
  readonly #options: BinderOptions;
  readonly #now: () => Date;
  readonly #stop: (() => void) | undefined;
  #held: Held | undefined;
  #making: Promise<Held | undefined> | undefined;

  constructor(options: BinderOptions) {
    this.#options = options;
    this.#now = options.now ?? ((): Date => new Date());
    this.#stop = options.x509?.onChange(() => {
      // The old one serves until the new one is made.
      if (this.#held) this.#held = { ...this.#held, renewAt: 0 };
    });
  }

  /** What goes into `params._meta["dev.peerage/binding"]` now; undefined if there is nothing to bind by. */
  async current(): Promise<JsonObject | undefined> {
    const now = this.#now().getTime() / 1000;
    const held = this.#held;
    if (held && now < held.renewAt) return held.value;
    this.#making ??= this.#make(now).finally(() => (this.#making = undefined));
    // While a binding still holds, a call does not fail because its successor cannot be had.
    const made = await this.#making;
    if (made) this.#held = made;
    const best = made ?? held;
    return best && this.#now().getTime() / 1000 < best.expiresAt ? best.value : undefined;
  }

  [Symbol.dispose](): void {
    this.#stop?.();
    this.#held = undefined;
  }

  async #make(from: number): Promise<Held | undefined> {
    for (const way of [() => this.#byX509(), () => this.#byWit(), () => this.#byToken()]) {
      try {
        const binding = await way();
        if (binding) return { ...binding, renewAt: from + (binding.expiresAt - from) / 2 };
      } catch (error) {
        this.#options.log?.(`binding not made (${whyOf(error)})`);
      }
    }
    return undefined;
  }

  #byX509(): Promise<Binding> | undefined {
    const { x509, signer } = this.#options;
    const identity = x509?.current(this.#now());
    return identity && bindX509(signer, identity, { now: this.#now() });
  }

  #byWit(): Promise<Binding> | undefined {
    const { wit, signer } = this.#options;
    const identity = wit?.currentWit(this.#now());
    return identity && bindWit(signer, identity, { now: this.#now() });
  }

  async #byToken(): Promise<Binding | undefined> {
    const { jwt, signer } = this.#options;
    const svid = await jwt?.fetchJwtSvid(bindingAudience(signer.did));
    return svid === undefined ? undefined : bindToken(signer, svid, { now: this.#now() });
  }
}
