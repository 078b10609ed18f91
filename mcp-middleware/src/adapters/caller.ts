import { AsyncLocalStorage } from "node:async_hooks";
import type { Caller } from "../guard/types.ts";
import { interceptHandler } from "./intercept.ts";

const storage = new AsyncLocalStorage<Caller | undefined>();
/** Who sent a message that was handed to an SDK: survives a queue between the guard and the handler. */
const senders = new WeakMap<object, Caller | undefined>();

/**
 * The verified caller of the tool, resource or prompt handler that runs now, in both SDK majors. Undefined outside of a
 * handler and for the unsigned lifecycle messages; never an identity that was not verified.
 */
export function currentCaller(): Caller | undefined {
  return storage.getStore();
}

/** Runs a function, and all that it starts, on behalf of a caller. */
export function runAs<T>(caller: Caller | undefined, run: () => T): T {
  return storage.run(caller, run);
}

/** Notes who sent a message object. */
export function rememberSender(message: object, caller: Caller | undefined): void {
  senders.set(message, caller);
}

/** What the SDKs call `authInfo`, as far as it matters here. */
export interface AuthInfo {
  readonly token: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * `authInfo` for a handler: the caller as `extra.peerage`, and as `clientId` where no OAuth identity came with the
 * request. Whatever stood in `extra.peerage` before does not get through.
 */
export function authInfoFor(incoming: AuthInfo | undefined, caller: Caller | undefined): AuthInfo | undefined {
  if (!caller) {
    if (!incoming?.extra || !Object.hasOwn(incoming.extra, "peerage")) return incoming;
    const { peerage: _, ...extra } = incoming.extra;
    return { ...incoming, extra };
  }
  const extra = { ...incoming?.extra, peerage: caller };
  return { token: "", clientId: caller.did, scopes: [], ...incoming, extra };
}

interface Connectable {
  connect(transport: never): Promise<void>;
}

interface Loose {
  connect(transport: object): Promise<void>;
}

type OnMessage = (message: object, extra?: unknown) => void;

/**
 * For SDK 2's `serveStdio`, whose queue loses the async context: `serveStdio(() => bindInstance(build()), { transport:
 * guardTransport(t, guard) })`. Handlers of the instance then see {@link currentCaller} and `authInfo` as elsewhere.
 */
export function bindInstance<T extends Connectable>(instance: T, options: { readonly authInfo?: boolean } = {}): T {
  const loose = instance as unknown as Loose;
  const connect = loose.connect.bind(loose);
  loose.connect = (transport) => {
    interceptHandler<OnMessage>(transport, "onmessage", (handler) => (message, extra) => {
      const caller = senders.get(message);
      runAs(caller, () => handler.call(transport, message, withCaller(extra, caller, options.authInfo)));
    });
    return connect(transport);
  };
  return instance;
}

/** The second argument of `onmessage`, with the caller in `authInfo` unless that is turned off. */
export function withCaller(extra: unknown, caller: Caller | undefined, authInfo = true): unknown {
  const known = extra as { readonly authInfo?: AuthInfo } | undefined;
  const info = authInfoFor(known?.authInfo, authInfo ? caller : undefined);
  return info === known?.authInfo ? extra : { ...known, authInfo: info };
}
