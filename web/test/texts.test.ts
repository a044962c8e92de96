import { describe, expect, it } from "vitest";

import type { FieldInfo, LayerInfo } from "../src/api";
import { primary, say, secondary } from "../src/i18n";
import { featureName, formatValue } from "../src/ui/inspector";

const TITLE = { zh: "高程", en: "Elevation" };
const field = (more: Partial<FieldInfo>): FieldInfo => ({ name: "h", title: TITLE, type: "number", ...more });

describe("texts", () => {
  it("put Chinese first in the bilingual page", () => {
    expect(primary(TITLE, "both")).toBe("高程");
    expect(secondary(TITLE, "both")).toBe("Elevation");
    expect(primary(TITLE, "en")).toBe("Elevation");
  });

  it("fall back to the language there is", () => {
    expect(primary({ zh: "", en: "POI" }, "zh")).toBe("POI");
    expect(secondary({ zh: "POI", en: "POI" }, "zh")).toBe("");
  });

  it("fill in their values", () => {
    expect(say("fromZoom", "zh", 14)).toBe("放大至 14 级显示");
    expect(say("layersOn", "en", 2, 5)).toBe("2 of 5");
  });
});

describe("values", () => {
  it("bear their unit", () => {
    expect(formatValue(field({ unit: "m2" }), 123456.5, "zh")).toBe("123,456.5 m²");
  });

  it("leave years ungrouped and codes alone", () => {
    expect(formatValue(field({ type: "integer" }), 20190, "zh")).toBe("20190");
    expect(formatValue(field({ codes: "x" }), 12345, "en")).toBe("12345");
  });

  it("say yes and no, and times in Beijing", () => {
    expect(formatValue(field({ type: "boolean" }), true, "zh")).toBe("是");
    expect(formatValue(field({ type: "datetime" }), "2020-01-01T00:30:00Z", "en")).toBe("2020-01-01 08:30");
  });
});

describe("a feature's name", () => {
  const layer: LayerInfo = {
    name: "road", title: TITLE, abstract: TITLE, theme: "framework", geometryType: "linestring",
    visible: true, minZoom: 0, key: ["dlbh"], fields: [], label: { zh: "dlmc", en: null }, styleLayers: [], legend: [],
  };

  it("comes from the label fields, else from name", () => {
    expect(featureName(layer, { dlmc: "温泉路" }, "zh")).toBe("温泉路");
    expect(featureName(layer, { dlmc: "温泉路", name_en: "Wenquan Road" }, "en")).toBe("Wenquan Road");
    expect(featureName({ ...layer, label: null }, {}, "en")).toBe("");
  });
});
