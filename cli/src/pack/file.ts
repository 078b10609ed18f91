import { readFile } from "node:fs/promises";
import { constants, gunzipSync, gzipSync } from "node:zlib";
import { decodePack, encodePack, PeerageError, type TrustPack } from "@peerage/core";
import { CliError } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { visible } from "../ui/visible.ts";

/** A pack larger than this, unpacked, is neither written nor read: a million statements fit. */
const MAX_PACK_BYTES = 1_073_741_824;

/** No name, no time, no system: the same log gives the same file. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/** A pack as the bytes of its file. @throws {CliError} ERR_REQUEST_INVALID for a log that is too large */
export function zipPack(pack: TrustPack): Buffer {
  const bytes = encodePack(pack);
  if (bytes.length > MAX_PACK_BYTES)
    throw new CliError("ERR_REQUEST_INVALID", "the log is too large for one file", { hint: "peerage registry mirror" });
  const zipped = gzipSync(bytes, { level: constants.Z_DEFAULT_COMPRESSION });
  HEADER.copy(zipped);
  return zipped;
}

/**
 * Reads the file of a pack. Nothing in it is believed yet.
 * @throws {CliError} ERR_NOT_FOUND. @throws {PeerageError} ERR_REGISTRY_RESPONSE, ERR_CHECKPOINT_INVALID
 */
export async function readPack(path: string): Promise<TrustPack> {
  let zipped: Buffer;
  try {
    zipped = await readFile(path);
  } catch (error) {
    const why =
      codeOf(error) === "ENOENT"
        ? `there is no file ${visible(path, 200)}`
        : `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`;
    throw new CliError("ERR_NOT_FOUND", why, {
      hint: "peerage pack export --out trust.pack",
    });
  }
  return unzipPack(zipped);
}

/** What {@link zipPack} wrote. @throws {PeerageError} ERR_REGISTRY_RESPONSE with detail `pack` */
export function unzipPack(zipped: Buffer): TrustPack {
  if (!zipped.subarray(0, HEADER.length).equals(HEADER)) throw damaged();
  let bytes: Buffer;
  try {
    bytes = gunzipSync(zipped, { maxOutputLength: MAX_PACK_BYTES });
  } catch (cause) {
    throw damaged(cause);
  }
  return decodePack(bytes);
}

function damaged(cause?: unknown): PeerageError {
  return new PeerageError("ERR_REGISTRY_RESPONSE", "this is no trust pack, or not all of it", {
    detail: "pack",
    cause,
  });
}
