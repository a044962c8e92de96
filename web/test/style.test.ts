import type { StyleSpecification } from "maplibre-gl";
import { describe, expect, it } from "vitest";

import { composeStyle, layerOf, PICK, SOURCE, tileAddress } from "../src/map/style";

const STYLE: StyleSpecification = {
  version: 8,
  sources: { onemap: { type: "vector", url: "/tiles/city.json" } },
  layers: [
    { id: "background", type: "background" },
    {
      id: "road.line",
      type: "line",
      source: "onemap",
      "source-layer": "road",
      metadata: { "onemap:layer": "road" },
      layout: { "line-cap": "round" },
    },
  ],
};
const TILES = { tiles: ["/tiles/city/{z}/{x}/{y}"], minzoom: 6, maxzoom: 15 };

describe("tile addresses", () => {
  it("carry the day and leave it out for now", () => {
    expect(tileAddress("/t/{z}", "2018-10-01")).toBe("/t/{z}?datetime=2018-10-01");
    expect(tileAddress("/t/{z}", null)).toBe("/t/{z}");
  });

  it("replace an earlier day and keep the rest of the query", () => {
    const address = tileAddress("/t/{z}?datetime=2012-05-01&v=3", "2018-10-01");
    expect(address).toBe("/t/{z}?v=3&datetime=2018-10-01");
    expect(tileAddress(address, null)).toBe("/t/{z}?v=3");
  });
});

describe("the drawn style", () => {
  const draw = (isOn: boolean) =>
    composeStyle(STYLE, TILES, { date: "2018-10-01", isOn: () => isOn, picked: null });

  it("asks for the tiles of the day", () => {
    expect(draw(true).sources[SOURCE]).toEqual({
      type: "vector", tiles: ["/tiles/city/{z}/{x}/{y}?datetime=2018-10-01"], minzoom: 6, maxzoom: 15,
    });
  });

  it("switches style layers and keeps their layout", () => {
    expect(draw(true).layers[1]?.layout).toEqual({ "line-cap": "round", visibility: "visible" });
    expect(draw(false).layers[1]?.layout).toEqual({ "line-cap": "round", visibility: "none" });
    expect(draw(false).layers[0]).toEqual({ id: "background", type: "background" });
  });

  it("draws the picked feature above everything", () => {
    const style = draw(true);
    expect(style.layers.at(-1)?.id.startsWith(PICK)).toBe(true);
    expect(style.sources[PICK]).toMatchObject({ type: "geojson", data: { features: [] } });
  });

  it("does not change the server's style", () => {
    draw(false);
    expect(STYLE.layers).toHaveLength(2);
    expect(STYLE.layers.map(layerOf)).toEqual([null, "road"]);
  });
});
