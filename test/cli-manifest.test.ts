import { cp, mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addProof, generateIdentity, type JsonObject } from "@peerage/core";
import { Home } from "./_cli.ts";

describe("signed files and folders", () => {
  let home: Home;
  let did = "";
  beforeAll(async () => {
    home = await Home.make();
    did = (await home.data(["init", "bot"])).did;
    await mkdir(join(home.path, "skill", "lib"), { recursive: true });
    await writeFile(join(home.path, "skill", "SKILL.md"), "# a skill\n");
    await writeFile(join(home.path, "skill", "lib", "run.js"), "console.log(1)\n");
    await home.ok(["sign", "skill"]);
  });
  afterAll(() => home[Symbol.asyncDispose]());

  /** A copy of the signed folder, for one test to spoil. */
  async function copy(name: string): Promise<string> {
    await cp(join(home.path, "skill"), join(home.path, name), { recursive: true });
    return join(home.path, name);
  }

  async function verdict(path: string): Promise<{ code: number | null; failed: string[] }> {
    const ran = await home.call(["verify", path, "--json"]);
    const { data } = JSON.parse(ran.stdout);
    return {
      code: ran.code,
      failed: data.checks.flatMap((one: { state: string; name: string; text: string }) =>
        one.state === "no" ? [`${one.name}: ${one.text}`] : [],
      ),
    };
  }

  it("verifies a folder as it was signed, wherever it is moved, and names its signer", async () => {
    const moved = await copy("moved");
    expect(await verdict(moved)).toEqual({ code: 0, failed: [] });
    expect((await home.run(["verify", join(moved, "peerage.manifest.json")])).code).toBe(0);
    expect((await home.run(["verify", moved])).stdout).toContain(did);
  });

  it("does without a registry that cannot be reached, unless it was asked for by name", async () => {
    const away = "http://127.0.0.1:9";
    const skill = join(home.path, "skill");
    expect((await home.call(["verify", skill], { env: { PEERAGE_REGISTRY: away } })).code).toBe(0);
    expect((await home.call(["verify", skill, "--registry", away])).code).toBe(7);
  });

  it("A-CLI-06 names a changed, a missing and an extra file, a link included, and ends with 6", async () => {
    const folder = await copy("spoilt");
    await writeFile(join(folder, "SKILL.md"), "# a skilL\n");
    await rm(join(folder, "lib", "run.js"));
    await writeFile(join(folder, "lib", "evil.js"), "");
    await symlink("/etc/hostname", join(folder, "link"));
    const { code, failed } = await verdict(folder);
    expect(code).toBe(6);
    expect(failed).toEqual([
      "files: 1 changed, 1 missing, 2 extra",
      "changed: SKILL.md",
      "missing: lib/run.js",
      "extra: lib/evil.js",
      "extra: link",
    ]);
  });

  it("A-CLI-06 refuses a manifest that names another signer than the key that signed it", async () => {
    const folder = await copy("foreign");
    const path = join(folder, "peerage.manifest.json");
    const { proof: _, ...document } = JSON.parse(await readFile(path, "utf8")) as JsonObject;
    const thief = generateIdentity();
    const created = document["issued"] as string;
    // The thief's key, the victim's name; then the victim's name in the proof as well.
    for (const method of [thief.kid, `${did}#${thief.kid.split("#")[1]}`]) {
      const proof = await addProof(thief, document, { verificationMethod: method, created });
      await writeFile(path, JSON.stringify({ ...document, proof }));
      expect((await verdict(folder)).code, method).toBe(6);
    }
    const honest = { ...document, issuer: thief.did };
    const proof = await addProof(thief, honest, { verificationMethod: thief.kid, created });
    await writeFile(path, JSON.stringify({ ...honest, proof }));
    expect(await verdict(folder)).toEqual({ code: 0, failed: [] });
  });

  it("A-CLI-06 says nothing of a file or folder by what was signed of something else and put in its place", async () => {
    const folder = await copy("replaced");
    const at = (...names: string[]): string => join(home.path, ...names);
    const manifest = join(folder, "peerage.manifest.json");
    for (const name of ["one.txt", "other.txt"]) await writeFile(at(name), name);
    await home.call(["sign", at("one.txt")]);
    await home.call(["vouch", generateIdentity().did, "--out", at("vouch.json")]);
    const verify = (path: string): ReturnType<Home["call"]> => home.call(["verify", path, "--by", did]);
    expect((await verify(at("one.txt"))).code).toBe(0);
    expect((await verify(at("vouch.json"))).code).toBe(0);
    // The same signer's manifest of another file, of a file where one of a folder belongs, of a folder, and its vouch.
    await cp(at("one.txt.peerage.json"), at("other.txt.peerage.json"));
    const ofAnother = await verify(at("other.txt"));
    expect([ofAnother.code, ofAnother.stdout]).toEqual([6, expect.stringContaining("says nothing of other.txt")]);
    for (const [from, to, path] of [
      [manifest, at("other.txt.peerage.json"), at("other.txt")],
      [at("vouch.json"), at("other.txt.peerage.json"), at("other.txt")],
      [at("one.txt.peerage.json"), manifest, folder],
      [at("vouch.json"), manifest, folder],
    ] as const) {
      await cp(at("one.txt"), join(folder, "one.txt"));
      await cp(from, to);
      const { code, stdout } = await verify(path);
      expect([code, stdout]).toEqual([6, expect.stringContaining("Nobody has signed what you asked about")]);
    }
  });

  it("refuses every changed member of a manifest", async () => {
    const folder = await copy("members");
    const path = join(folder, "peerage.manifest.json");
    const original = await readFile(path, "utf8");
    const changes: [string, string][] = [
      [`"SKILL.md"`, `"../SKILL.md"`],
      [`"size": 10`, `"size": 11`],
      [`"covers": "folder"`, `"covers": "file"`],
      [`"exclude": []`, `"exclude": ["lib"]`],
      [`"type": "Manifest"`, `"type": "Manifest", "more": 1`],
    ];
    for (const [from, to] of changes) {
      expect(original).toContain(from);
      await writeFile(path, original.replace(from, to));
      expect((await verdict(folder)).code, to).toBe(6);
    }
    await writeFile(path, original);
    expect((await verdict(folder)).code).toBe(0);
  });

  it("leaves out what it is told to, and says so when it is verified", async () => {
    const folder = await copy("partly");
    await mkdir(join(folder, ".git"));
    await writeFile(join(folder, ".git", "HEAD"), "ref\n");
    expect((await verdict(folder)).code).toBe(6);
    await home.ok(["sign", "partly", "--exclude", ".git/"]);
    const ran = await home.run(["verify", folder]);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain(".git is not covered");
  });

  it("signs one file beside it, and verifies it by its own name", async () => {
    const file = join(home.path, "release.tgz");
    await writeFile(file, Buffer.alloc(5_000_000, 7));
    await home.ok(["sign", file]);
    expect((await home.run(["verify", file])).code).toBe(0);
    await writeFile(file, Buffer.alloc(5_000_000, 8));
    expect(await verdict(file)).toEqual({
      code: 6,
      failed: ["files: 1 changed, 0 missing, 0 extra", "changed: release.tgz"],
    });
    await rename(file, `${file}.old`);
    expect((await home.run(["verify", `${file}.peerage.json`])).code).toBe(6);
  });

  it("signs no link, nothing that is not there, and writes nothing in a rehearsal", async () => {
    const folder = await copy("linked");
    await symlink("SKILL.md", join(folder, "again.md"));
    const linked = await home.run(["sign", folder]);
    expect([linked.code, linked.stderr]).toEqual([2, expect.stringContaining("--exclude again.md")]);
    expect((await home.run(["sign", "nowhere"])).code).toBe(5);
    expect((await home.run(["verify", home.path])).code).toBe(5);
    await rm(join(folder, "again.md"));
    await rm(join(folder, "peerage.manifest.json"));
    const rehearsal = await home.data(["sign", folder, "--dry-run"]);
    expect(rehearsal).toMatchObject({ dryRun: true, files: 2, issuer: did });
    expect((await home.run(["verify", folder])).code).toBe(5);
  });
});
