import { type Digest, isDigest, signNoteErasure } from "@peerage/core";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { request } from "../http.ts";
import { connect } from "../network.ts";
import { fetchNote } from "../notes.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { visible } from "../ui/visible.ts";

/** `peerage note show`: a note by its digest, which it must have. */
export async function show(context: Context, { words: [text = ""] }: Args): Promise<Result> {
  const digest = digestOf(text);
  const note = await fetchNote(await context.needRegistry(), digest);
  const { ui } = context;
  return {
    data: { digest, note },
    text: ui.facts([
      { mark: "ok", label: "note", value: digest },
      ...(note.name === undefined ? [] : [{ label: "name", value: visible(note.name) }]),
      ...(note.text === undefined ? [] : [{ label: "text", value: visible(note.text, 1_000) }]),
      ...(note.urls ?? []).map((url) => ({ label: "link", value: visible(url, 400) })),
    ]),
    plain: [[digest, note.name ?? "", note.text ?? "", ...(note.urls ?? [])]],
  };
}

/** `peerage note erase`: asks the registry, signed, to forget a note of mine. The statement that names it stands. */
export async function erase(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const digest = digestOf(text);
  const registry = await context.needRegistry();
  if (!(await context.confirm("erase this note for ever? It cannot be handed in again")))
    throw usage("nothing was erased");
  const { origin } = await connect(context, registry);
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  const token = await signNoteErasure(signer, { audience: origin, note: digest });
  try {
    await request(registry, `/v1/notes/${digest}`, { method: "DELETE", authorization: `Peerage ${token}` });
  } catch (error) {
    // Nothing is wrong with the signature: it is not the one that may ask for this.
    throw error instanceof CliError && error.code === "ERR_PROOF_INVALID"
      ? new CliError(error.code, error.message, { exit: 3 })
      : error;
  }
  return {
    data: { digest, registry, erased: true },
    text: context.ui.facts([{ mark: "ok", label: "erased", value: `${digest} at ${registry}` }]),
    plain: [[digest, registry]],
  };
}

function digestOf(text: string): Digest {
  if (isDigest(text)) return text;
  throw usage(`${visible(text, 80)} is no digest of a note`, "sha256: and 64 hex digits; peerage show names it");
}
