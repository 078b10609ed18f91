import { z } from "zod";
import { parseDid } from "../did/did-key.ts";
import { parseArgumentPath } from "./argument-path.ts";
import type { ArgumentTests } from "./document.ts";
import { isImpossiblePath } from "./glob.ts";
import { parseDuration, parseTime } from "./time.ts";

// The words of the grammar that more than one kind of rule uses.

const nameForm = /^[a-z][a-z0-9-]{0,63}$/;
const wordForm = /^[a-z][a-z0-9_.-]{0,63}$/;
const durationForm = /^[1-9][0-9]{0,5}[smhd]$/;
const timeForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/;
const spiffeForm = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._*-]+)+$/;

/** A name of a rule, group, limit or adapter. */
export const name: z.ZodString = z
  .string()
  .regex(nameForm, "a name is a-z, 0-9 and -, begins with a letter, and has at most 64 characters");
export const scope: z.ZodString = z
  .string()
  .regex(nameForm, "a scope is a-z, 0-9 and -, begins with a letter, and has at most 64 characters");
/** A step or a result of an entry. */
export const word: z.ZodString = z
  .string()
  .regex(wordForm, "a step or result is a-z, 0-9, _ . and -, begins with a letter, and has at most 64 characters");
export const duration: z.ZodString = z
  .string()
  .regex(durationForm, "a duration is a whole number and s, m, h or d, such as 30s or 24h");
/** A duration of at most a day. */
export const dayOrLess: z.ZodString = duration.refine((text) => (parseDuration(text) ?? 0) <= 86_400, "at most 24h");
export const time: z.ZodString = z
  .string()
  .regex(timeForm, "a time is RFC 3339 in UTC, such as 2026-11-20T00:00:00Z")
  .refine((text) => parseTime(text) !== undefined, "this time does not exist");
export const text: z.ZodString = z.string().max(500, "at most 500 characters");

/** One, or a list; `least` 0 where a list may come out empty. */
export function oneOrMore<T extends z.ZodType>(item: T, error: string, least = 1): z.ZodUnion<[T, z.ZodArray<T>]> {
  return z.union([item, z.array(item).min(least, "an empty list matches nothing; remove the key")], { error });
}

/** So that an unknown key is reported by itself and not also by what its absence causes. */
export function ifKnown(error: string): {
  error: string;
  when: (payload: { issues: readonly unknown[] }) => boolean;
} {
  return { error, when: ({ issues }) => issues.length === 0 };
}

const glob = z.string().min(1, "a pattern cannot be empty").max(1024, "a pattern has at most 1,024 characters");
const threeStars = "three stars in a row; ** already crosses every /";
const path = glob.regex(/^(?!.*\*\*\*)/s, threeStars);
export const names: z.ZodType<string | readonly string[]> = oneOrMore(
  glob,
  "a name pattern or a list of them, in quotes if it begins with *",
);
export const readonlyNames: z.ZodType<string | readonly string[]> = oneOrMore(
  glob,
  "a name pattern or a list of them",
  0,
);
export const paths: z.ZodType<string | readonly string[]> = oneOrMore(
  path,
  "a path pattern or a list of them, in quotes if it begins with *",
);

const spiffe = path
  .regex(spiffeForm, "a SPIFFE ID with * or ** in its path: spiffe://acme.example/ns/payments/**")
  .refine((pattern) => !isImpossiblePath(pattern), "a SPIFFE ID has no . or .. in its path");
export const spiffes: z.ZodType<string | readonly string[]> = oneOrMore(
  spiffe,
  "a SPIFFE ID pattern or a list of them",
);

const principalForm =
  /^(?:\*|@[a-z][a-z0-9-]{0,63}|did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}|spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._*-]+)+)$/;
const principal = z
  .string()
  .regex(principalForm, 'a did:key, "*", "@me", "@roots", "@group" or a spiffe:// pattern')
  .refine((word) => !word.startsWith("did:") || isDid(word), "this DID's key is not acceptable")
  .refine((word) => !word.includes("***"), threeStars)
  .refine((word) => !word.startsWith("spiffe:") || !isImpossiblePath(word), "a SPIFFE ID has no . or .. in its path");
/** May be empty: `@me` of a machine without identities. */
export const principals: z.ZodType<string | readonly string[]> = oneOrMore(
  principal,
  'a DID, "*", "@me", "@roots", "@group" or a spiffe:// pattern, or a list of them',
  0,
);

const value = z.union([z.string(), z.number(), z.boolean()], {
  error: "text, a number, true or false; for an argument that must not be there write {absent: true}",
});
const values = z.array(value).min(1, "an empty list matches nothing");
const operators = z
  .strictObject({
    "==": value.exactOptional().describe("Equal to this value, of the same type."),
    "!=": value.exactOptional().describe("Of the same type and not equal to this value."),
    in: values.exactOptional().describe("Equal to one of these values."),
    notIn: values.exactOptional().describe("Of the type of one of these values and equal to none."),
    "<": z.number().exactOptional().describe("A number below this one."),
    "<=": z.number().exactOptional().describe("A number not above this one."),
    ">": z.number().exactOptional().describe("A number above this one."),
    ">=": z.number().exactOptional().describe("A number not below this one."),
    like: paths.exactOptional().describe("Text that matches one of these path patterns: * stops at /, ** does not."),
    notLike: paths.exactOptional().describe("Text that matches none of these path patterns."),
    maxLength: z.int().min(0).exactOptional().describe("Text of at most this many code points."),
    absent: z.literal(true).exactOptional().describe("The argument is not there."),
  })
  .refine((all) => Object.keys(all).length > 0, ifKnown("no operator; a test without one would always hold"))
  .refine(
    (all) => all.absent === undefined || Object.keys(all).length === 1,
    ifKnown("an absent argument meets no other operator"),
  )
  .meta({ minProperties: 1, if: { required: ["absent"] }, then: { maxProperties: 1 } });
const test = z.union([value, values, operators], {
  error: 'a value, a list of values, operators such as {">": 0, "<": 100}, or {absent: true}',
});
export const argumentPath: z.ZodString = z
  .string()
  .refine(
    (key) => parseArgumentPath(key) !== undefined,
    "an argument path is a.b.c or a JSON Pointer /a/b, [] at its end only",
  );
/** Tests by path, of a call's arguments or of an entry's `sub`. */
export const tests: z.ZodType<ArgumentTests> = z
  .record(argumentPath, test)
  .refine((all) => Object.keys(all).length > 0, "no argument is named; leave the key out or name one")
  .meta({ minProperties: 1 });

function isDid(word: string): boolean {
  try {
    parseDid(word);
    return true;
  } catch {
    return false;
  }
}
