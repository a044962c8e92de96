import { describe, expect, it } from "vitest";

import { isOn, preferredLanguage, readState, switchLayers, writeState } from "../src/state";

const read = (address: string) => readState(new URL(address, "http://city.example"), "zh");

describe("the page's address", () => {
  it("opens the city map of now without any query", () => {
    expect(read("/")).toEqual({
      map: "city", lang: "zh", date: null, on: new Set(), off: new Set(), pick: null, debug: false,
    });
  });

  it("brings a state back", () => {
    const state = read("/?map=urban&lang=both&date=2018-10-01&on=corridor&off=road,poi&pick=building/42&debug=tiles");
    expect(read(`/?${writeState(state)}`)).toEqual(state);
    expect(state.pick).toEqual({ layer: "building", id: 42 });
    expect(state.debug).toBe(true);
  });

  it("takes the map from the path, and the query before the path", () => {
    expect(read("/tourism").map).toBe("tourism");
    expect(read("/tourism?map=urban").map).toBe("urban");
  });

  it("falls back where the address is malformed", () => {
    const state = read("/?map=../etc&lang=fr&date=2023-02-30&on=a%20b&pick=building/x");
    expect(state).toEqual(read("/"));
  });

  it("keeps commas readable", () => {
    expect(writeState(read("/?off=road,poi"))).toContain("off=poi,road");
  });
});

describe("switching layers", () => {
  const road = { name: "road", visible: true };
  const zone = { name: "plan_zone", visible: false };

  it("follows the map's own choice first", () => {
    expect(isOn(read("/"), "road", true)).toBe(true);
    expect(isOn(read("/"), "plan_zone", false)).toBe(false);
  });

  it("keeps only what differs from the map's own choice", () => {
    const off = switchLayers(read("/"), [road, zone], false);
    expect([...off.off]).toEqual(["road"]);
    expect([...off.on]).toEqual([]);
    const on = switchLayers(off, [road, zone], true);
    expect([...on.on]).toEqual(["plan_zone"]);
    expect([...on.off]).toEqual([]);
  });
});

describe("the first language", () => {
  it("is the one chosen before", () => {
    expect(preferredLanguage(["zh-CN"], "both")).toBe("both");
  });

  it("is the browser's first that the page speaks, else Chinese", () => {
    expect(preferredLanguage(["fr", "en-GB", "zh"], null)).toBe("en");
    expect(preferredLanguage(["zh-Hans-CN", "en"], "nonsense")).toBe("zh");
    expect(preferredLanguage(["fr"], null)).toBe("zh");
  });
});
