import {
  canonicalize,
  concat,
  type Digest,
  fromBase64url,
  isJsonObject,
  type JsonValue,
  randomBytes,
  sha256Hex,
  toBase64url,
  utf8,
} from "@peerage/core";

/** What opens one sealed argument: kept beside the log, shown to whom it concerns, erased when it must be. */
export interface Opening {
  /** The name of the argument. */
  readonly name: string;
  /** 16 random bytes, base64url: without it a digest could be guessed. */
  readonly salt: string;
  readonly value: JsonValue;
}

/** Arguments by salted digest, one each, and what opens them. */
export interface Sealed {
  readonly digests: Readonly<Record<string, Digest>>;
  readonly openings: readonly Opening[];
}

/** Seals each argument by itself, so that one can be shown later without the others. */
export function sealArguments(args: JsonValue | undefined): Sealed {
  const openings = Object.entries(isJsonObject(args) ? args : {}).map(([name, value]): Opening => {
    return { name, salt: toBase64url(randomBytes(16)), value: value };
  });
  const digests = openings.map((opening): [string, Digest] => [opening.name, openingDigest(opening)]);
  return { digests: Object.fromEntries(digests), openings };
}

/** The digest that an opening opens: SHA-256 of the salt's bytes, then of the value in RFC 8785 form. */
export function openingDigest({ salt, value }: Pick<Opening, "salt" | "value">): Digest {
  return `sha256:${sha256Hex(concat(fromBase64url(salt), utf8(canonicalize(value))))}`;
}
