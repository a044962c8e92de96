import { describe, expect, it } from "vitest";

import { formatLonLat, formatMetres, metresPerPixel, scaleBar, scaleDenominator } from "../src/geo/format";
import { toCityGrid } from "../src/geo/gauss_kruger";

describe("EPSG:4547", () => {
  it("agrees with the city's golden point to the millimetre", () => {
    const { east, north } = toCityGrid(114.32, 29.84);
    expect(east).toBeCloseTo(530925.1, 3);
    expect(north).toBeCloseTo(3302420.193, 3);
  });

  it("puts the central meridian at 500 km east and the equator at 0 north", () => {
    expect(toCityGrid(114, 29).east).toBe(500_000);
    expect(toCityGrid(114.5, 0).north).toBeCloseTo(0, 9);
  });

  it("mirrors east and west of the central meridian", () => {
    const east = toCityGrid(114.7, 29.5);
    const west = toCityGrid(113.3, 29.5);
    expect(east.east - 500_000).toBeCloseTo(500_000 - west.east, 6);
    expect(east.north).toBeCloseTo(west.north, 6);
  });

  it("keeps the city inside the eastings and northings the datum tables give", () => {
    for (const [longitude, latitude] of [[113.533, 29.033], [114.964, 30.3]] as const) {
      const { east, north } = toCityGrid(longitude, latitude);
      expect(east).toBeGreaterThan(454_000);
      expect(east).toBeLessThan(594_000);
      expect(north).toBeGreaterThan(3_212_000);
      expect(north).toBeLessThan(3_354_000);
    }
  });
});

describe("coordinate texts", () => {
  it("writes degrees, minutes and seconds", () => {
    expect(formatLonLat(114.32, 29.84, "dms")).toBe("114°19′12.00″E  29°50′24.00″N");
  });

  it("carries rounded seconds into minutes and degrees", () => {
    expect(formatLonLat(113.9999999, 29.9999999, "dms")).toBe("114°00′00.00″E  30°00′00.00″N");
  });

  it("names the other hemispheres", () => {
    expect(formatLonLat(-0.5, -0.25, "dms")).toBe("0°30′00.00″W  0°15′00.00″S");
  });

  it("writes decimal degrees to a decimetre", () => {
    expect(formatLonLat(114.3, 29.8400004, "decimal")).toBe("114.300000°, 29.840000°");
  });

  it("groups metres by thousands", () => {
    expect(formatMetres(3302420.193)).toBe("3\u2009302\u2009420.19");
  });
});

describe("scale", () => {
  it("knows the equator's resolution at zoom 0", () => {
    expect(metresPerPixel(0, 0)).toBeCloseTo(78271.517, 2);
  });

  it("draws the longest round bar that fits", () => {
    for (const zoom of [6, 9.3, 12, 15.7, 21]) {
      const bar = scaleBar(29.84, zoom, 110);
      expect(bar.pixels).toBeLessThanOrEqual(110);
      expect(bar.pixels).toBeGreaterThan(110 / 2.5 - 1);
      expect(String(bar.metres)).toMatch(/^(0\.0*)?[125]0*$/);
    }
  });

  it("writes kilometres from a thousand metres", () => {
    expect(scaleBar(29.84, 10, 110).text).toMatch(/ km$/);
    expect(scaleBar(29.84, 16, 110).text).toMatch(/\d m$/);
  });

  it("rounds the denominator to two figures", () => {
    expect(String(scaleDenominator(29.84, 14))).toMatch(/^\d{2}0+$/);
  });
});
