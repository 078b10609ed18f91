import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { concat, utf8 } from "../encoding/bytes.ts";
import { isPeerageError } from "../errors.ts";
import { CompactRange } from "./compact-range.ts";
import { emptyRoot, leafHash } from "./merkle.ts";
import { consistencyTiles, inclusionTiles, ProofBuilder } from "./proof-builder.ts";
import { TileEdge } from "./tile-edge.ts";
import {
  completedTiles,
  decodeEntryBundle,
  encodeEntryBundle,
  formatTilePath,
  parseTilePath,
  partialTiles,
  splitTile,
  tileRoot,
  tileWidth,
} from "./tiles.ts";

const leaves = Array.from({ length: 66_000 }, (_, i) => leafHash(utf8(`leaf ${i}`)));

describe("paths of tiles", () => {
  it.each([
    ["tile/0/000", { level: 0, n: 0, width: 256 }],
    ["tile/0/x001/234.p/5", { level: 0, n: 1234, width: 5 }],
    ["tile/2/x001/x234/067", { level: 2, n: 1_234_067, width: 256 }],
    ["tile/entries/067.p/255", { level: "entries", n: 67, width: 255 }],
    ["tile/0/999", { level: 0, n: 999, width: 256 }],
    ["tile/0/x001/000", { level: 0, n: 1000, width: 256 }],
    ["tile/6/000.p/1", { level: 6, n: 0, width: 1 }],
  ] as const)("%s is read and written", (path, tile) => {
    expect(parseTilePath(path)).toEqual(tile);
    expect(formatTilePath(tile)).toBe(path);
  });

  it("round-trip", () => {
    const level = fc.oneof(fc.nat(5), fc.constant("entries" as const));
    fc.assert(
      fc.property(level, fc.maxSafeNat(), fc.integer({ min: 1, max: 256 }), (level, n, width) => {
        const span = 256 ** ((level === "entries" ? 0 : level) + 1);
        const tile = { level, n: Math.floor(n / span / 2), width } as Parameters<typeof formatTilePath>[0];
        expect(parseTilePath(formatTilePath(tile))).toEqual(tile);
      }),
    );
  });

  it.each([
    "",
    "tile",
    "tile/0",
    "tile/0/",
    "/tile/0/000",
    "tile/0/000/",
    "tile/0/0",
    "tile/0/0000",
    "tile/0/x000/000",
    "tile/0/001/234",
    "tile/0/x001/x234",
    "tile/00/000",
    "tile/7/000",
    "tile/10/000",
    "tile/-1/000",
    "tile/data/000",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/05",
    "tile/0/000.p/",
    "tile/0/000.p",
    "tile/0/000.p/5/",
    "tile/0/../000",
    "tile/0/%30%30%30",
    "tile/0/000\n",
    "tile/0/٠٠٠",
    "tile/6/032",
    "tile/0/x035/x184/x372/x088/832",
    "tile/entries/000.p/999",
    "TILE/0/000",
    "tile/0/000?x",
    "tile/0/000.p/1e1",
  ])("A-LOG-09 refuses %j", (path) => {
    expect(() => parseTilePath(path)).toThrow(expect.objectContaining({ code: "ERR_REQUEST_INVALID" }));
  });

  it("are not written for tiles that cannot exist", () => {
    for (const tile of [
      { level: 7, n: 0, width: 1 },
      { level: 0, n: -1, width: 1 },
      { level: 0, n: 0, width: 257 },
    ]) {
      expect(() => formatTilePath(tile)).toThrow(RangeError);
    }
  });
});

describe("tiles of a tree", () => {
  it("are those of the specification's example of 70,000 leaves", () => {
    expect(partialTiles(70_000)).toEqual([
      { level: 0, n: 273, width: 112 },
      { level: 1, n: 1, width: 17 },
      { level: 2, n: 0, width: 1 },
    ]);
    expect(partialTiles(256)).toEqual([{ level: 1, n: 0, width: 1 }]);
    expect(partialTiles(0)).toEqual([]);
    expect(completedTiles(0, 70_000)).toHaveLength(274);
    expect(completedTiles(255, 256)).toEqual([{ level: 0, n: 0, width: 256 }]);
    expect(completedTiles(256, 511)).toEqual([]);
    expect(completedTiles(65_535, 65_536)).toEqual([
      { level: 0, n: 255, width: 256 },
      { level: 1, n: 0, width: 256 },
    ]);
    expect(() => completedTiles(2, 1)).toThrow(RangeError);
    expect([tileWidth(0, 273, 70_000), tileWidth(0, 0, 70_000), tileWidth(0, 274, 70_000)]).toEqual([112, 256, 0]);
  });

  it("that a proof is built from are named before, and no others are read", async () => {
    const size = 66_000;
    const edge = TileEdge.empty();
    const tiles = new Map<string, Uint8Array>();
    for (const leaf of leaves) for (const tile of edge.append(leaf)) tiles.set(`${tile.level}/${tile.n}`, tile.hashes);
    for (const [index, older] of [
      [0, 65_000],
      [65_999, 65_536],
      [12_345, 777],
      [65_535, 256],
    ] as const) {
      const read: unknown[] = [];
      const builder = (): ProofBuilder =>
        new ProofBuilder((level, n, width) => {
          read.push({ level, n, width });
          return tiles.get(`${level}/${n}`) ?? edge.tile(level, n, width)!;
        });
      await builder().inclusion(index, size);
      expect(read).toEqual(inclusionTiles(index, size));
      read.length = 0;
      await builder().consistency(older, size);
      expect(read).toEqual(consistencyTiles(older, size));
    }
  });
});

describe("CompactRange and TileEdge", () => {
  it("agree on every root, hand out each full tile once, and are restored at any size", () => {
    const range = CompactRange.empty();
    const edge = TileEdge.empty();
    expect(range.root()).toEqual(emptyRoot);
    expect(edge.root()).toEqual(emptyRoot);
    const full = new Map<string, Uint8Array>();
    for (const [size, leaf] of leaves.entries()) {
      range.append(leaf);
      const completed = edge.append(leaf);
      if (completed.length > 0 || size % 251 === 0) {
        expect(completed.map(({ level, n }) => ({ level, n, width: 256 }))).toEqual(completedTiles(size, size + 1));
      }
      for (const { level, n, hashes } of completed) full.set(`${level}/${n}`, hashes);
      if (size > 1000 && size % 1009 !== 0 && size % 65_536 > 2) continue;
      const root = range.root();
      expect(edge.root()).toEqual(root);
      expect(CompactRange.restore(range.size, range.hashes).root()).toEqual(root);
      const tiles = partialTiles(size + 1).map(({ level, n, width }) => edge.tile(level, n, width)!);
      expect(TileEdge.restore(size + 1, tiles).root()).toEqual(root);
    }
    expect(full.size).toBe(completedTiles(0, leaves.length).length);
    expect(full.get("0/3")).toEqual(concat(...leaves.slice(768, 1024)));
    expect(splitTile(full.get("1/0")!)[3]).toEqual(tileRoot(full.get("0/3")!));
    expect(edge.tile(0, 257, 208)).toEqual(concat(...leaves.slice(65_792)));
    expect(edge.tile(0, 257, 209)).toBeUndefined();
    expect(edge.tile(0, 256, 1)).toBeUndefined();
    expect(edge.tile(5, 0, 1)).toBeUndefined();
  });

  it("leave the original alone when a copy grows", () => {
    const [range, edge] = [CompactRange.empty(), TileEdge.empty()];
    for (const leaf of leaves.slice(0, 300)) {
      range.append(leaf);
      edge.append(leaf);
    }
    const root = range.root();
    const [rangeCopy, edgeCopy] = [range.clone(), edge.clone()];
    for (const leaf of leaves.slice(0, 300)) {
      rangeCopy.append(leaf);
      edgeCopy.append(leaf);
    }
    expect([range.root(), edge.root(), range.size, edge.size]).toEqual([root, root, 300, 300]);
    expect(edgeCopy.root()).toEqual(rangeCopy.root());
    expect(rangeCopy.root()).not.toEqual(root);
  });

  it("refuse what does not fit their size", () => {
    expect(() => CompactRange.restore(3, [leaves[0]!])).toThrow(RangeError);
    expect(() => CompactRange.restore(1, [leaves[0]!.subarray(1)])).toThrow(RangeError);
    expect(() => CompactRange.restore(-1, [])).toThrow(RangeError);
    expect(() => CompactRange.empty().append(new Uint8Array(31))).toThrow(RangeError);
    expect(() => TileEdge.restore(3, [])).toThrow(RangeError);
    expect(() => TileEdge.restore(3, [new Uint8Array(64)])).toThrow(RangeError);
    expect(TileEdge.restore(3, [concat(...leaves.slice(0, 3))]).size).toBe(3);
  });
});

describe("entry bundles", () => {
  it("round-trip, and only with the right number of entries", () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 600 }), { minLength: 1, maxLength: 256 });
    fc.assert(
      fc.property(entries, (entries) => {
        const bundle = encodeEntryBundle(entries);
        expect(decodeEntryBundle(bundle, entries.length)).toEqual(entries);
        for (const width of [entries.length - 1, entries.length + 1]) {
          expect(() => decodeEntryBundle(bundle, width)).toThrow(
            expect.objectContaining({ code: "ERR_REGISTRY_RESPONSE" }),
          );
        }
      }),
      { numRuns: 50 },
    );
    expect(decodeEntryBundle(encodeEntryBundle([new Uint8Array(65_535)]), 1)[0]).toHaveLength(65_535);
  });

  it("A-LOG-10 refuse what is cut off, and anything that would be written otherwise", () => {
    const bundle = encodeEntryBundle([utf8("one"), utf8("two")]);
    for (let length = 0; length < bundle.length; length++) {
      expect(() => decodeEntryBundle(bundle.subarray(0, length), 2)).toThrow(
        expect.objectContaining({ code: "ERR_REGISTRY_RESPONSE" }),
      );
    }
    expect(() => encodeEntryBundle([])).toThrow(RangeError);
    expect(() => encodeEntryBundle([new Uint8Array(65_536)])).toThrow(RangeError);
    expect(() => encodeEntryBundle(Array.from({ length: 257 }, () => new Uint8Array()))).toThrow(RangeError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (bytes, width) => {
        try {
          expect(encodeEntryBundle(decodeEntryBundle(bytes, width))).toEqual(bytes);
        } catch (error) {
          if (!isPeerageError(error)) throw error;
        }
      }),
    );
  });

  it("A-LOG-10 a tile of no whole number of hashes is refused", () => {
    for (const length of [0, 31, 33, 8224]) {
      expect(() => splitTile(new Uint8Array(length))).toThrow(
        expect.objectContaining({ code: "ERR_REGISTRY_RESPONSE" }),
      );
    }
    expect(splitTile(new Uint8Array(8192))).toHaveLength(256);
  });
});
