import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runProcess } from "../_cli.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const online = spawnSync("npm", ["view", "hono", "version"], { encoding: "utf8" }).status === 0;
if (!online) console.warn("SKIPPED: npm cannot be reached, so the steps of the Containerfile cannot be run");

/** A stage of the build: its folder stands for the image's root. */
interface Stage {
  readonly root: string;
  readonly env: Record<string, string>;
  workdir: string;
  readonly said: Map<string, string>;
}

let folder = "";
let image: Stage;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "peerage-image-"));
  if (online) image = await build();
}, 600_000);
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

// There is no container engine here. Its instructions are few and plain, so they are run in folders, one for each stage.
it.skipIf(!online)(
  "the steps of the Containerfile give a registry that answers, and hold nothing of development",
  async () => {
    const { root: at, workdir, env, said } = image;
    const [entry, command] = ["ENTRYPOINT", "CMD"].map((name) => JSON.parse(said.get(name) ?? "[]") as string[]);
    const argv = [...entry!, ...command!].map((word) =>
      word === "/data" ? join(at, "data") : word.replace("0.0.0.0:7075", "127.0.0.1:0"),
    );
    expect(argv[0]).toBe("node");
    const child = spawn(process.execPath, argv.slice(1), {
      cwd: join(at, workdir),
      env: { PATH: process.env["PATH"], ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const closed = once(child, "close");
    let shown = "";
    try {
      const url = await new Promise<string>((resolve, reject) => {
        const look = (chunk: Buffer): void => {
          shown += chunk.toString();
          const found = /http:\/\/127\.0\.0\.1:\d+/.exec(shown);
          if (found) resolve(found[0]);
        };
        child.stdout.on("data", look);
        child.stderr.on("data", look);
        void closed.then(() => reject(new Error(shown)));
      });
      for (const path of ["/healthz", "/readyz", "/"]) expect((await fetch(url + path)).status, path).toBe(200);
      const page = await (await fetch(`${url}/try`)).text();
      const scripts = [...page.matchAll(/src="(\/assets\/[^"]+\.js)"/g)].map(([, path = ""]) => path);
      expect(
        scripts.some((path) => /try/.test(path)),
        String(scripts),
      ).toBe(true);
      for (const path of scripts) expect((await fetch(url + path)).status, path).toBe(200);
    } finally {
      child.kill(said.get("STOPSIGNAL") as NodeJS.Signals);
      await closed;
    }
    expect(child.exitCode, shown).toBe(0);
    for (const absent of ["node_modules/vitest", "node_modules/typescript", "test", ".git"])
      expect(spawnSync("test", ["-e", join(at, workdir, absent)]).status, absent).toBe(1);
  },
);

/** Runs every instruction; one that is not known here fails. */
async function build(): Promise<Stage> {
  const context = join(folder, "context");
  await copyContext(context);
  const text = (await readFile(join(root, "Containerfile"), "utf8")).replaceAll("\\\n", " ");
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const line of text.split("\n").filter((one) => one.trim() !== "" && !one.startsWith("#"))) {
    const [, instruction = "", rest = ""] = /^(\w+) (.*)$/.exec(line) ?? [];
    if (instruction === "FROM") {
      const [, name = "last"] = / AS (\w+)$/.exec(rest) ?? [];
      stage = { root: join(folder, name), env: {}, workdir: ".", said: new Map() };
      await mkdir(stage.root);
      stages.set(name, stage);
      continue;
    }
    if (!stage) throw new Error(`${line} stands before FROM`);
    const at = join(stage.root, stage.workdir);
    if (instruction === "WORKDIR") {
      stage.workdir = rest;
      await mkdir(join(stage.root, rest), { recursive: true });
    } else if (instruction === "ENV") {
      for (const [, name = "", value = ""] of rest.matchAll(/(\w+)=(\S+)/g))
        stage.env[name] = value.replace(/^\/data$/, join(stage.root, "data"));
    } else if (instruction === "COPY") {
      const [, from, what = ""] = /^(?:--from=(\w+) )?(.*)$/.exec(rest) ?? [];
      const words = what.split(" ");
      const to = join(at, words.pop() ?? "");
      for (const word of words) {
        const source = from === undefined ? join(context, word) : join(stages.get(from)!.root, word);
        await cp(source, words.length > 1 || what.endsWith("/") ? join(to, word) : to, { recursive: true });
      }
    } else if (instruction === "RUN") {
      // The user `node` is the base image's, and /data is the image's.
      const script = rest
        .replace(/ && chown node:node \/data/, "")
        .replaceAll(" /data", ` ${join(stage.root, "data")}`);
      const env = { ...process.env, HOME: process.env["HOME"], NODE_ENV: undefined, ...stage.env };
      const ran = await runProcess("sh", ["-e", "-c", script], { cwd: at, env });
      if (ran.code !== 0) throw new Error(`${line} ended with ${ran.code}\n${ran.stdout}${ran.stderr}`);
    } else if (/^(USER|VOLUME|EXPOSE|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT|CMD)$/.test(instruction)) {
      stage.said.set(instruction, rest);
    } else throw new Error(`${instruction} is not known here`);
  }
  if (!stage) throw new Error("no FROM");
  return stage;
}

/** What git knows, without what the ignore file leaves out. */
async function copyContext(to: string): Promise<void> {
  const ignored = (await readFile(join(root, ".dockerignore"), "utf8")).split("\n").filter((line) => line !== "");
  const { stdout } = spawnSync("git", ["ls-files"], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  for (const file of stdout
    .split("\n")
    .filter((name) => name !== "" && existsSync(join(root, name)) && !ignored.includes(name.split("/")[0]!))) {
    await mkdir(dirname(join(to, file)), { recursive: true });
    await cp(join(root, file), join(to, file));
  }
}
