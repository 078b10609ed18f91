import { writeFile } from "node:fs/promises";
import { formatLogProof, formatVerifierKey, isDigest, ProofBuilder, toHex, verifyLogProof } from "@peerage/core";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { freshSnapshot, openSnapshot } from "../network.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { styledFingerprint } from "../ui/agent.ts";
import { count, rfc3339, span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { atIndex } from "./show.ts";

/** `peerage log head`: the newest checkpoint; every leaf under it was hashed and every statement verified. */
export async function head(context: Context, { options }: Args): Promise<Result> {
  const snapshot = await freshSnapshot(context, options["maxAge"]);
  const { view, url, age, network, reader } = snapshot;
  const { ui } = context;
  const bad = network.rejected;
  return {
    data: {
      registry: url,
      origin: view.origin,
      size: view.size,
      root: toHex(view.root),
      time: rfc3339(view.time),
      ageSeconds: Math.round(age),
      witnessed: view.witnessed,
      logKey: formatVerifierKey(reader.logKey),
      rejected: bad,
      note: view.note,
    },
    text: ui.facts([
      { mark: "ok", label: "log", value: visible(view.origin, 200) },
      { label: "size", value: `${count(view.size, "entry")}, all hashed to the signed root` },
      { label: "root", value: toHex(view.root) },
      {
        label: "time",
        value: `${rfc3339(view.time)}, ${span(age)} ago, ${view.witnessed ? "witnessed" : "by the operator's own clock (unwitnessed)"}`,
      },
      { label: "key", value: formatVerifierKey(reader.logKey) },
      bad.length === 0
        ? { mark: "ok", label: "verified", value: "every statement" }
        : {
            mark: "warn",
            label: "verified",
            value: `${view.size - bad.length}; ${bad.length} do not hold and count for nothing`,
          },
    ]),
    plain: [[view.origin, view.size, toHex(view.root), rfc3339(view.time)]],
  };
}

/** `peerage log entry`: one entry and the proof that it is in the log, made from tiles and checked here. */
export async function entry(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const snapshot = await openSnapshot(context);
  const { view, reader, url } = snapshot;
  if (!isDigest(text) && !/^#?\d{1,15}$/.test(text))
    throw usage(`${visible(text)} is no log index and no statement id`, "peerage log entry 0");
  const logged = isDigest(text) ? view.statement(text) : await atIndex(snapshot, Number(text.replace("#", "")));
  if (!logged) throw new CliError("ERR_NOT_FOUND", `the log has no statement ${text}`, { hint: "peerage log head" });
  const { statement, index, time } = logged;
  const builder = new ProofBuilder((level, n, width) => reader.tile(level, n, width));
  const hashes = await builder.inclusion(index, view.size);
  const proof = formatLogProof({ index, hashes, checkpoint: view.note });
  const { origin, logKey } = reader;
  const proven = await verifyLogProof(proof, statement.bytes, { origin, logKey }, { now: context.io.now() });
  const out = options["out"];
  if (typeof out === "string") await writeFile(out, proof, { flag: "wx", mode: 0o600 });
  const { ui } = context;
  return {
    data: {
      registry: url,
      origin: view.origin,
      index,
      id: statement.id,
      kind: statement.kind,
      issuer: statement.issuer,
      time: rfc3339(time),
      size: proven.size,
      document: statement.document,
      proof,
      ...(typeof out === "string" ? { out } : {}),
    },
    text: ui.facts([
      {
        mark: "ok",
        label: statement.kind,
        value: `by ${styledFingerprint(ui, statement.issuer)}, published ${rfc3339(time)}`,
      },
      { label: "id", value: statement.id },
      {
        mark: "ok",
        label: "in the log",
        value: `entry #${index} of ${view.size}, proven by ${count(hashes.length, "hash")}`,
      },
      ...(typeof out === "string" ? [{ label: "proof", value: `kept in ${out}` }] : []),
    ]),
    plain: [[index, statement.kind, statement.id, statement.issuer]],
  };
}
