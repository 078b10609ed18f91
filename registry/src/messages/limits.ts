import { MAX_SEALED_BYTES } from "@peerage/core";
import { type Kysely, sql } from "kysely";
import { RateLimitedError } from "../admission/rate-limited.ts";
import type { MessageTables } from "./tables.ts";

const [KIB, MIB, HOUR, DAY] = [1_024, 1_048_576, 3_600, 86_400] as const;

/** So many messages, and so many bytes, that wait at one time. */
export interface Room {
  readonly messages: number;
  readonly bytes: number;
}

/** What the members of {@link messageLimits} mean. */
export interface MessageLimits {
  readonly messageBytes: number;
  /** After so many seconds a message is erased, read or not. */
  readonly keptSeconds: number;
  /** Of one recipient. */
  readonly inbox: Room;
  /** The part of an inbox for all senders together whom its owner does not know: the rest they cannot fill. */
  readonly strangers: Room;
  /** Of one sender in one inbox, known to its owner or not. */
  readonly known: Room;
  readonly stranger: Room;
  /** Of one sender, to whomever, read or not. */
  readonly sender: readonly { readonly most: number; readonly seconds: number }[];
  /** Of all inboxes together. */
  readonly bytes: number;
}

/** Policy of one registry, published, and never a rule of validity. */
export const messageLimits: MessageLimits = {
  messageBytes: MAX_SEALED_BYTES,
  keptSeconds: 30 * DAY,
  inbox: { messages: 200, bytes: 4 * MIB },
  strangers: { messages: 50, bytes: MIB },
  known: { messages: 50, bytes: MIB },
  stranger: { messages: 3, bytes: 128 * KIB },
  sender: [
    { most: 60, seconds: HOUR },
    { most: 300, seconds: DAY },
  ],
  bytes: 1_024 * MIB,
};

/** A message that somebody wants kept; DIDs as the registry's tags. */
export interface Parcel {
  readonly id: string;
  readonly recipient: string;
  readonly sender: string;
  readonly size: number;
  readonly isKnown: boolean;
}

/**
 * Checks that a sender, a tag, may send one more. What counts is what is kept: nothing is remembered beside it, so a
 * restart forgives nothing, several processes count together, and what was refused is never charged.
 * @param db within the transaction that will keep it
 * @throws {RateLimitedError} ERR_RATE_LIMITED
 */
export async function checkBudgets(
  db: Kysely<MessageTables>,
  sender: string,
  limits: MessageLimits,
  now: number,
): Promise<void> {
  for (const { most, seconds } of limits.sender) await checkBudget(db, sender, most, seconds, now);
}

/** Checks that there is room for a message; see {@link checkBudgets}. @throws {RateLimitedError} ERR_RATE_LIMITED */
export async function checkRoom(db: Kysely<MessageTables>, parcel: Parcel, limits: MessageLimits): Promise<void> {
  const waiting = db
    .selectFrom("message")
    .where("body", "is not", null)
    .select([sql<number | string>`count(*)`.as("messages"), sql<number | string>`coalesce(sum(size), 0)`.as("bytes")]);
  const inbox = waiting.where("recipient", "=", parcel.recipient);
  const rooms = [
    [inbox.where("sender", "=", parcel.sender), parcel.isKnown ? limits.known : limits.stranger, "of this sender"],
    ...(parcel.isKnown ? [] : [[inbox.where("known", "=", 0), limits.strangers, "of strangers"] as const]),
    [inbox, limits.inbox, "in this inbox"],
    [waiting, { messages: Number.POSITIVE_INFINITY, bytes: limits.bytes }, "at this registry"],
  ] as const;
  for (const [query, room, whose] of rooms) {
    const { messages, bytes } = await query.executeTakeFirstOrThrow();
    if (Number(messages) < room.messages && Number(bytes) + parcel.size <= room.bytes) continue;
    // It may be read at any moment, or never: an hour is as good a guess as any.
    throw new RateLimitedError(`no room for more ${whose}: it waits to be read`, HOUR);
  }
}

async function checkBudget(
  db: Kysely<MessageTables>,
  sender: string,
  most: number,
  seconds: number,
  now: number,
): Promise<void> {
  const newest = await db
    .selectFrom("message")
    .select("received")
    .where("sender", "=", sender)
    .where("received", ">", now - seconds)
    .orderBy("received", "desc")
    .limit(most)
    .execute();
  const oldest = newest.at(-1);
  if (newest.length < most || !oldest) return;
  throw new RateLimitedError(
    `this registry keeps ${most} messages of one sender in ${seconds === HOUR ? "an hour" : "a day"}`,
    Number(oldest.received) + seconds - now,
    `"issuer";q=${most};w=${seconds}`,
  );
}
