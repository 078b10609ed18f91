import canonicalizeByOthers from "canonicalize";
import {
  canonicalAudience,
  canonicalize,
  formatMultibaseKey,
  formatTime,
  fromBase64,
  fromBase64url,
  fromUtf8,
  identityFromSeed,
  isPeerageError,
  type JsonValue,
  keyIdOf,
  parseDid,
  parseJson,
  parseMultibaseKey,
  parseSpiffeId,
  parseTime,
  parseTrustDomain,
  resolveDid,
  toBase64,
  toBase64url,
} from "@peerage/core";
import { exactNumber } from "../core/src/json/number.ts";
import { parseDictionary, serializeMember } from "../core/src/http-signature/structured-fields.ts";
import { Disagreement, hasEscapedName, type Target } from "./_fuzz.ts";
import { mutateJson } from "./_fuzz-mutations.ts";
import type { Random } from "./_fuzz-random.ts";

const alice = identityFromSeed(new Uint8Array(32).fill(3));
const documents: readonly JsonValue[] = [
  { a: [1, 2.5, -3e-7, 1e-21, { b: null, "\u20ac": "\r\n\u{1f600}" }], "": true, 10: "x", 9: "y" },
  ["\u2028", "\0", '"\\/', [[[[]]]], JSON.parse('{"__proto__":1}') as JsonValue],
];

function shuffled(value: JsonValue, random: Random): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((one) => shuffled(one, random));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, inner]) => [name, shuffled(inner, random)] as const);
  for (let i = members.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [members[i], members[j]] = [members[j]!, members[i]!];
  }
  return Object.fromEntries(members);
}

function whatJsonParseSays(bytes: Uint8Array): { value: JsonValue } | undefined {
  try {
    return { value: JSON.parse(fromUtf8(bytes)) as JsonValue };
  } catch {
    return undefined;
  }
}

/** What both read is one value in one canonical form; what we alone refuse is one of the documented kinds. */
function compareWithPlatform(bytes: Uint8Array): void {
  const theirs = whatJsonParseSays(bytes);
  let ours: JsonValue;
  try {
    ours = parseJson(bytes);
  } catch (error) {
    if (theirs && isPeerageError(error, "ERR_JSON_SYNTAX")) throw new Disagreement("JSON.parse reads it, we do not");
    throw error;
  }
  if (!theirs) throw new Disagreement("we read it, JSON.parse does not");
  const text = canonicalize(ours);
  const others = canonicalizeByOthers(theirs.value);
  // Ours is right, see there; of such texts theirs says nothing.
  const isTheirsRight = !hasEscapedName(fromUtf8(bytes));
  if (isTheirsRight && text !== others)
    throw new Disagreement(`its canonical form is ${text} and, elsewhere, ${String(others)}`);
  if (canonicalize(parseJson(text)) !== text) throw new Disagreement("its canonical form is read as another value");
}

/** Ill-formed addresses are a programmer's mistake where they come from settings. */
const isTypeError = (error: unknown): boolean => error instanceof TypeError;

const must = <T>(value: T | undefined): T => {
  if (value === undefined) throw new RangeError("no such value");
  return value;
};
const isRangeError = (error: unknown): boolean => error instanceof RangeError && error.message === "no such value";

/** JSON and the small texts: numbers, times, base64, DIDs, SPIFFE IDs, structured fields. */
export const jsonTargets: readonly Target[] = [
  {
    name: "strict JSON beside JSON.parse, and JCS beside the package canonicalize",
    samples: documents.map((one) => JSON.stringify(one)),
    read: compareWithPlatform,
    shapes: ["json"],
    forge: (random) => JSON.stringify(shuffled(mutateJson(random.pick(documents), random), random)),
    weight: 4,
  },
  {
    name: "a JSON number",
    samples: ["0", "-1.5", "1e-21", "123456789012345", "4.35", "1e-7"],
    read: (x) => {
      const text = fromUtf8(x);
      const value = must(exactNumber(text));
      // Exact: what is written for it is the same decimal number, digit by digit.
      if (Number(text) !== value) throw new Disagreement("it is another number");
    },
    forge: (random) => `${random.below(1e9)}${random.oneIn(2) ? "." : "e"}${random.below(random.oneIn(2) ? 30 : 1e9)}`,
    documented: isRangeError,
  },
  {
    name: "base64",
    samples: ["AAEC", "/+8=", "AA=="],
    rewrite: (x) => toBase64(fromBase64(fromUtf8(x))),
    documented: isTypeError,
  },
  {
    name: "base64url",
    samples: ["AAEC", "_-8", "AA"],
    rewrite: (x) => toBase64url(fromBase64url(fromUtf8(x))),
    documented: isTypeError,
  },
  { name: "did:key", samples: [alice.did], rewrite: (x) => parseDid(fromUtf8(x)), weight: 2 },
  {
    name: "a multibase key",
    samples: [alice.did.slice(8)],
    rewrite: (x) => formatMultibaseKey(parseMultibaseKey(fromUtf8(x)).bytes),
  },
  {
    name: "a DID to resolve",
    samples: [alice.did, keyIdOf(alice.did).split("#")[0]!],
    read: (x) => resolveDid(fromUtf8(x)),
  },
  {
    name: "a SPIFFE ID",
    samples: ["spiffe://prod.example/ns/a/sa/b", "spiffe://prod.example"],
    read: (x) => parseSpiffeId(fromUtf8(x)),
  },
  { name: "a trust domain", samples: ["prod.example"], read: (x) => parseTrustDomain(fromUtf8(x)) },
  {
    name: "a time",
    samples: ["2026-11-20T12:00:00Z"],
    rewrite: (x) => {
      const seconds = must(parseTime(fromUtf8(x)));
      return formatTime(seconds);
    },
    documented: isRangeError,
  },
  {
    name: "an endpoint as an audience",
    samples: ["https://tools.example/mcp", "http://127.0.0.1:7070/mcp"],
    read: (x) => {
      const audience = canonicalAudience(fromUtf8(x));
      if (canonicalAudience(audience) !== audience) throw new Disagreement("the canonical form is not canonical");
    },
    documented: isTypeError,
  },
  {
    name: "a structured field",
    samples: ['sig=("@method" "x-a";key="b");created=1;keyid="k";tag="t", b=:AAEC:, c=?1, e=tok/en'],
    read: (x) => {
      const once = [...parseDictionary(fromUtf8(x))].map(([name, one]) => `${name}=${serializeMember(one)}`);
      const again = [...parseDictionary(once.join(", "))].map(([name, one]) => `${name}=${serializeMember(one)}`);
      if (again.join() !== once.join()) throw new Disagreement("what is written is read as something else");
    },
    weight: 2,
  },
];
