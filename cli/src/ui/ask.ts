import { confirm, isCancel, password } from "@clack/prompts";
import { Interrupted } from "../errors.ts";

/** Asks yes or no on the terminal; Ctrl-C is no answer. @throws {Interrupted} */
export async function askYes(message: string): Promise<boolean> {
  const answer = await confirm({ message, initialValue: false, output: process.stderr });
  if (isCancel(answer)) throw new Interrupted("stopped");
  return answer;
}

/** Asks for a passphrase on the terminal without showing it. @throws {Interrupted} */
export async function askPassphrase(message: string): Promise<string> {
  const answer = await password({ message, output: process.stderr });
  if (isCancel(answer)) throw new Interrupted("stopped");
  return answer;
}
