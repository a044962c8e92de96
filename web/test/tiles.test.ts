import { describe, expect, it } from "vitest";

import { boxOf, countFeatures, factsOf, serverTime, tileOf, tilesOver } from "../src/map/tile_facts";
import { readState } from "../src/state";

const bytes = (...parts: readonly (number | string | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [part] : [...(typeof part === "string" ? new TextEncoder().encode(part) : part)],
    ),
  );
const field = (number: number, content: Uint8Array): Uint8Array =>
  bytes((number << 3) | 2, content.length, content);
const FEATURE = field(2, bytes(8, 1, 24, 1));
const layer = (name: string, features: number): Uint8Array =>
  field(3, bytes(field(1, bytes(name)), ...Array<Uint8Array>(features).fill(FEATURE), 40, 0x80, 0x20, 120, 2));

describe("a tile's address", () => {
  it("names the tile, with version, ending and query or without", () => {
    const place = { z: 14, x: 13393, y: 6775 };
    for (const rest of ["14/13393/6775", "v7/14/13393/6775", "14/13393/6775.mvt", "14/13393/6775?datetime=2018-10-01"]) {
      expect(tileOf(`http://city.example/tiles/city/${rest}`)).toEqual(place);
    }
    expect(tileOf("/tiles/city.json")).toBeNull();
    expect(tileOf("/sprites/city@2x.png")).toBeNull();
  });
});

describe("a tile's bytes", () => {
  it("are counted by features, but for what tells of the tile", () => {
    const tile = bytes(layer("road", 3), layer("onemap:meta", 2), layer("楼", 2));
    expect(countFeatures(tile)).toBe(5);
    expect(countFeatures(new Uint8Array())).toBe(0);
  });
});

describe("an answer", () => {
  const place = { z: 10, x: 1, y: 2 };

  it("tells size, time, source, version and what is missing", () => {
    const headers = new Headers({
      "content-length": "120",
      "server-timing": "rendered;dur=12.5",
      "x-cache": "rendered",
      "x-data-version": "42",
      "x-truncated": "road,poi",
    });
    const tile = layer("road", 2);
    const body = new ArrayBuffer(tile.length);
    new Uint8Array(body).set(tile);
    expect(factsOf(place, { status: 200, headers }, body, 99)).toEqual({
      ...place,
      status: 200,
      sent: 120,
      size: tile.length,
      features: 2,
      milliseconds: 12.5,
      cache: "rendered",
      truncated: ["road", "poi"],
      version: "42",
    });
  });

  it("without headers tells what can be seen", () => {
    const facts = factsOf(place, { status: 204, headers: new Headers() }, new ArrayBuffer(0), 3);
    expect(facts).toMatchObject({ sent: 0, milliseconds: 3, cache: null, truncated: [], version: null });
    expect(serverTime("disk;dur=4", "disk")).toBe(4);
    // Left over from an earlier answer.
    expect(serverTime("rendered;dur=1133.3", "memory")).toBeNull();
    expect(serverTime(null, null)).toBeNull();
  });
});

describe("the tiles in view", () => {
  it("cover the box, and are themselves within theirs", () => {
    const box: [number, number, number, number] = [114.2, 29.75, 114.5, 29.95];
    const places = tilesOver(box, 12);
    expect(places).toContainEqual({ z: 12, x: 3348, y: 1692 });
    const boxes = places.map(boxOf);
    expect(Math.min(...boxes.map((b) => b[0]))).toBeLessThanOrEqual(box[0]);
    expect(Math.max(...boxes.map((b) => b[3]))).toBeGreaterThanOrEqual(box[3]);
    expect(tilesOver([-180, -90, 180, 90], 12)).toHaveLength(120);
    expect(tilesOver([-180, -90, 180, 90], 0)).toEqual([{ z: 0, x: 0, y: 0 }]);
  });

  it("are diagnosed where the address says so", () => {
    expect(readState(new URL("http://city.example/?debug=tiles"), "en").debug).toBe(true);
    expect(readState(new URL("http://city.example/?debug=all"), "en").debug).toBe(false);
  });
});
