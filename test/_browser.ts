import { existsSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";

/** A real Chromium for tests of pages, or undefined where this machine has none and none was asked for. */
export async function launchBrowser(): Promise<Browser | undefined> {
  const found = await findChromium();
  if (found === undefined) {
    const missing = "no Chromium found (CHROMIUM_PATH, /usr/bin/chromium, @sparticuz/chromium): pages are not tested";
    if (process.env["PEERAGE_REQUIRE_BROWSER"] === "1") throw new Error(missing);
    console.warn(missing);
    return undefined;
  }
  return chromium.launch({
    executablePath: found.path,
    headless: true,
    // The first start reads it all from a disk that other tests are busy with.
    timeout: 120_000,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
    env: { ...definedEnv(), ...found.env },
  });
}

interface Found {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

async function findChromium(): Promise<Found | undefined> {
  const chosen = process.env["CHROMIUM_PATH"];
  if (chosen) return { path: chosen, env: {} };
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    if (existsSync(`/usr/bin/${name}`)) return { path: `/usr/bin/${name}`, env: {} };
  }
  return process.platform === "linux" && process.arch === "x64" ? unpackedChromium() : undefined;
}

/** Unpacks the browser of `@sparticuz/chromium` once, whole or not at all: several test files may ask at a time. */
async function unpackedChromium(): Promise<Found | undefined> {
  const home = join(tmpdir(), "peerage-test-chromium");
  if (!existsSync(home)) {
    const fresh = await mkdtemp(join(tmpdir(), "peerage-unpack-"));
    const saved = { ...process.env };
    try {
      // The package looks for this variable to decide whether its shared libraries are needed, and unpacks to TMPDIR.
      Object.assign(process.env, { AWS_LAMBDA_JS_RUNTIME: "nodejs24.x", TMPDIR: fresh });
      const { default: packed } = await import("@sparticuz/chromium");
      await packed.executablePath();
      await writeFile(join(fresh, "fonts", "fonts.conf"), fontsConf(join(home, "fonts")));
      await rename(fresh, home);
    } catch {
      await rm(fresh, { recursive: true, force: true });
      if (!existsSync(home)) return undefined;
    } finally {
      for (const name of Object.keys(process.env)) if (!(name in saved)) Reflect.deleteProperty(process.env, name);
      Object.assign(process.env, saved);
    }
  }
  const fonts = process.env["FONTCONFIG_PATH"] ?? join(home, "fonts");
  return {
    path: join(home, "chromium"),
    env: { LD_LIBRARY_PATH: join(home, "al2023", "lib"), FONTCONFIG_PATH: fonts },
  };
}

/** The package's own file names a folder that this unpacking does not use. */
function fontsConf(fonts: string): string {
  const dirs = [fonts, "/usr/share/fonts"].map((dir) => `<dir>${dir}</dir>`).join("");
  const cache = `<cachedir>${join(tmpdir(), "peerage-test-fonts-cache")}</cachedir>`;
  return `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>${dirs}${cache}</fontconfig>`;
}

function definedEnv(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value;
  return env;
}
