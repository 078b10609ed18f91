import type { KeyObject } from "node:crypto";
import type { Did, JsonObject, JsonValue, View } from "@peerage/core";
import { isAgentCard } from "../../bridges/agent-card.ts";
import type { Verdict } from "../check.ts";
import { verifyAgentCard } from "./agent-card.ts";
import { isAipVouch, verifyAipVouch } from "./aip.ts";
import { isHttpRequest, verifyHttpRequest } from "./http-request.ts";
import { ed25519Keys } from "./keys.ts";
import { mcpIProofIn, verifyMcpI } from "./mcp-i.ts";
import { isToolCallAttestation, verifyToolCallAttestation } from "./sep-2787.ts";
import { isSignet, verifySignet } from "./signet.ts";
import { isVouchsafe, verifyVouchsafe } from "./vouchsafe.ts";

export { readKeys } from "./keys.ts";

/** What a user gives beside something that another system signed. */
export interface ForeignGiven {
  readonly now: Date;
  readonly audience?: string | undefined;
  readonly message?: JsonObject | undefined;
  readonly result?: JsonValue | undefined;
  readonly keys: readonly KeyObject[];
  /** The followed log, where there is one, and from whom the user starts to trust: for chains of vouches. */
  readonly view?: View | undefined;
  readonly roots: readonly Did[];
}

/** What another system signed, in a text that is no JSON; undefined if it is none that is known here. */
export function verifyForeignText(bytes: Uint8Array, text: string, given: ForeignGiven): Verdict | undefined {
  if (isHttpRequest(text)) return verifyHttpRequest(bytes, given);
  return isVouchsafe(text.trim()) ? verifyVouchsafe(text.trim(), given.now) : undefined;
}

/** What another system signed, as JSON; undefined if it is none that is known here. */
export function verifyForeignJson(json: JsonObject, given: ForeignGiven): Verdict | undefined {
  if (isAgentCard(json)) return verifyAgentCard(json, given);
  const keys = ed25519Keys(given.keys);
  if (isSignet(json)) return verifySignet(json, given.now, keys);
  if (isToolCallAttestation(json)) return verifyToolCallAttestation(json, given);
  if (isAipVouch(json)) return verifyAipVouch(json, given.now);
  const proof = mcpIProofIn(json);
  return proof && verifyMcpI(proof, { ...given, keys });
}
