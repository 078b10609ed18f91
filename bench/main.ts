/** `npm run bench`: one run, one report, every figure with its spread and beside a reference of the same run. */
import { benchCommand } from "./command.ts";

process.exitCode = await benchCommand(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  problem: (text) => void process.stderr.write(text),
});
