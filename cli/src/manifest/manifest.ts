import {
  addProof,
  type Did,
  type Digest,
  formatTime,
  isDigest,
  type JsonObject,
  type JsonValue,
  type MultibaseKey,
  parseDid,
  PeerageError,
  type Signer,
  STATEMENT_CONTEXT,
  verifySecuredDocument,
} from "@peerage/core";
import { z } from "zod";

/** The name of a folder's manifest, inside it. */
export const FOLDER_MANIFEST = "peerage.manifest.json";
/** What is put after a file's name to name its manifest, beside it. */
export const FILE_MANIFEST_ENDING = ".peerage.json";

/** One file as it was signed. */
export interface SignedFile {
  /** Relative to the manifest's folder, `/` between, NFC; never upwards. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly digest: Digest;
}

/** What somebody signed of a file or a folder. */
export interface Manifest {
  readonly issuer: Did;
  readonly issued: string;
  /** `file`: that file and nothing else; `folder`: everything in it, so that an extra file is noticed. */
  readonly covers: "file" | "folder";
  /** Paths of the folder that the signer left out, and says so. */
  readonly exclude: readonly string[];
  /** Sorted by path. */
  readonly files: readonly SignedFile[];
  /** The key that signed, its DID's first or, by the log, a later one. */
  readonly key: MultibaseKey;
}

export const MAX_FILES = 20_000;

/** True for a path that stays inside its folder on every system and shows nothing else than it is. */
export function isPortablePath(path: string): boolean {
  if (path.length === 0 || path.length > 1024 || path !== path.normalize("NFC")) return false;
  if (/[\\\p{C}\p{Zl}\p{Zp}]/u.test(path) || /^[A-Za-z]:/.test(path)) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

const path = z.string().refine(isPortablePath, "is no path inside the folder");
const form = z.strictObject({
  "@context": z.unknown(),
  type: z.literal("Manifest"),
  issuer: z.string(),
  issued: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  covers: z.enum(["file", "folder"]),
  exclude: z.array(path).max(64),
  files: z
    .array(
      z.strictObject({
        path,
        size: z.int().min(0),
        digest: z.string().refine(isDigest),
      }),
    )
    .max(MAX_FILES),
  proof: z.looseObject({ verificationMethod: z.string() }),
});

/** Signs a manifest, in the form in which statements are signed: a W3C Data Integrity proof, `eddsa-jcs-2022`. */
export async function signManifest(
  signer: Signer,
  content: Pick<Manifest, "covers" | "exclude" | "files">,
  now: Date,
): Promise<JsonObject> {
  const issued = formatTime(Math.floor(now.getTime() / 1000));
  const document: JsonObject = {
    "@context": STATEMENT_CONTEXT,
    type: "Manifest",
    issuer: signer.did,
    issued,
    covers: content.covers,
    exclude: [...content.exclude].sort(),
    files: [...content.files].sort(byPath).map(({ path, size, digest }) => ({ path, size, digest })),
  };
  const proof = await addProof(signer, document, { verificationMethod: signer.kid, created: issued });
  return { ...document, proof };
}

/**
 * Reads a manifest and verifies its signature. Whether a key that is not its DID's first stood behind it is the
 * caller's question; one whose method names another DID is never believed (A-CLI-06).
 * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID
 */
export async function verifyManifest(document: JsonValue): Promise<Manifest> {
  const parsed = form.safeParse(document);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid("members", `the manifest's ${issue?.path.join(".") || "form"} ${issue?.message ?? "is wrong"}`);
  }
  const { issuer: text, issued, covers, exclude, files } = parsed.data;
  if (JSON.stringify(parsed.data["@context"]) !== JSON.stringify(STATEMENT_CONTEXT))
    throw invalid("context", "the manifest's @context is not ours");
  const issuer = parseDid(text);
  const method = parsed.data.proof.verificationMethod;
  if (!method.startsWith(`${issuer}#`))
    throw invalid("verification-method", "the key that signed belongs to another DID than the one it names as signer");
  const paths = files.map((file) => file.path);
  if (paths.some((one, i) => i > 0 && one <= (paths[i - 1] ?? "")))
    throw invalid("order", "the files are not sorted and unique");
  if (covers === "file" && (files.length !== 1 || exclude.length > 0))
    throw invalid("members", "a manifest of one file names one file");
  await verifySecuredDocument(document);
  return {
    issuer,
    issued,
    covers,
    exclude,
    files: files,
    key: method.slice(issuer.length + 1) as MultibaseKey,
  };
}

function byPath(a: SignedFile, b: SignedFile): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

function invalid(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_STATEMENT_INVALID", message, { detail });
}
