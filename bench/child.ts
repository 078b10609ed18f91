/** One section in a process of its own: `child.ts <section> <quick|normal|full>`, started by fork; sends what it measured. */
import type { Scale } from "./lib/measure.ts";
import { sections } from "./sections.ts";

const [name = "", size = "normal"] = process.argv.slice(2);
const bench = await sections[name]?.load();
if (!bench || !process.send) throw new TypeError("child.ts is started by bench/run.ts");
const measurements = await bench({ size: size as Scale["size"] });
process.send(measurements, () => process.exit(0));
