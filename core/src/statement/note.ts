import { toBase64url } from "../encoding/base64.ts";
import { randomBytes, utf8 } from "../encoding/bytes.ts";
import { PeerageError } from "../errors.ts";
import { canonicalize } from "../json/canonical.ts";
import { type Digest, digest } from "../json/digest.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/types.ts";

/** What people read and may want erased: kept beside the log, named in it by salted digest only. */
export interface Note {
  /** 128 random bits, base64url, without which an erased note cannot be guessed. */
  readonly salt: string;
  /** At most 64 characters. */
  readonly name?: string;
  /** At most 1,000 characters. */
  readonly text?: string;
  /** At most 8, `https:` only. */
  readonly urls?: readonly string[];
}

/** Adds a fresh salt and checks the note. @throws {PeerageError} ERR_NOTE_INVALID */
export function createNote(content: Omit<Note, "salt">): Note {
  return parseNote({ salt: toBase64url(randomBytes(16)), ...content });
}

/** The digest by which a statement names its note. */
export function noteDigest(note: Note): Digest {
  return digest(note as unknown as JsonObject);
}

/**
 * Checks a note: a closed object of at most 2,048 bytes, in NFC, without control characters.
 * @throws {PeerageError} ERR_NOTE_INVALID
 */
export function parseNote(value: JsonValue): Note {
  const invalid = (detail: string, message: string): PeerageError =>
    new PeerageError("ERR_NOTE_INVALID", message, { detail });
  if (!isJsonObject(value)) throw invalid("members", "a note is a JSON object");
  for (const name of Object.keys(value)) {
    if (!["salt", "name", "text", "urls"].includes(name)) throw invalid("members", "a note has an unknown member");
  }
  const { salt, name, text, urls } = value;
  if (typeof salt !== "string" || !/^[A-Za-z0-9_-]{22}$/.test(salt)) throw invalid("salt", "salt has 22 characters");
  if (name !== undefined && !isPlainText(name, 64))
    throw invalid("name", "name is plain text of at most 64 characters");
  if (text !== undefined && !isPlainText(text, 1_000)) {
    throw invalid("text", "text is plain text of at most 1,000 characters");
  }
  if (urls !== undefined && !(Array.isArray(urls) && urls.length <= 8 && urls.every(isHttpsUrl))) {
    throw invalid("urls", "urls are at most 8 https: URLs");
  }
  if (utf8(canonicalize(value)).length > 2_048) throw invalid("size", "a note has at most 2,048 bytes");
  return value as unknown as Note;
}

function isPlainText(value: JsonValue, longest: number): boolean {
  return (
    typeof value === "string" &&
    Array.from(value).length <= longest &&
    value.normalize("NFC") === value &&
    !/[\u0000-\u001f\u007f-\u009f]/.test(value)
  );
}

function isHttpsUrl(value: JsonValue): boolean {
  return typeof value === "string" && /^https:\/\//.test(value) && URL.canParse(value);
}
