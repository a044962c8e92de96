import { describe, expect, it } from "vitest";

import { beijingDay, dayAt, dayOf, formatInstant, fractionOf, isDay, neighbour, ordinal } from "../src/time";

const EPOCHS = ["2012-05-01", "2018-10-01", "2023-06-01"];
const SPAN = { start: ordinal("2012-05-01"), end: ordinal("2026-05-01") };

describe("days", () => {
  it("refuses days that are not in the calendar", () => {
    expect(isDay("2024-02-29")).toBe(true);
    expect(isDay("2023-02-29")).toBe(false);
    expect(isDay("2023-13-01")).toBe(false);
    expect(isDay("yesterday")).toBe(false);
    expect(isDay("")).toBe(false);
  });

  it("turns days to numbers and back", () => {
    expect(dayOf(ordinal("2018-10-01"))).toBe("2018-10-01");
    expect(ordinal("1970-01-02")).toBe(1);
  });

  it("begins the day at midnight in Beijing", () => {
    expect(beijingDay(new Date("2026-01-31T15:59:59Z"))).toBe("2026-01-31");
    expect(beijingDay(new Date("2026-01-31T16:00:00Z"))).toBe("2026-02-01");
  });

  it("reads instants in Beijing time, midnight as a plain day", () => {
    expect(formatInstant("2018-09-30T16:00:00Z")).toBe("2018-10-01");
    expect(formatInstant("2018-10-01T08:30:00+08:00")).toBe("2018-10-01 08:30");
    expect(formatInstant("..")).toBe("..");
  });
});

describe("the slider", () => {
  it("takes an epoch within reach", () => {
    const near = fractionOf(ordinal("2018-10-01"), SPAN) + 0.005;
    expect(dayAt(near, SPAN, EPOCHS, 0.01)).toBe("2018-10-01");
    expect(dayAt(near + 0.1, SPAN, EPOCHS, 0.01)).not.toBe("2018-10-01");
  });

  it("is now at the right end and the first survey at the left", () => {
    expect(dayAt(1, SPAN, EPOCHS, 0.01)).toBeNull();
    expect(dayAt(0.995, SPAN, EPOCHS, 0.01)).toBeNull();
    expect(dayAt(0, SPAN, EPOCHS, 0.01)).toBe("2012-05-01");
  });

  it("takes the nearer of two epochs", () => {
    const close = ["2018-10-01", "2018-11-01"];
    const at = fractionOf(ordinal("2018-10-25"), SPAN);
    expect(dayAt(at, SPAN, close, 0.05)).toBe("2018-11-01");
  });

  it("steps from epoch to epoch, and to now", () => {
    expect(neighbour("2012-05-01", EPOCHS, 1)).toBe("2018-10-01");
    expect(neighbour("2015-01-01", EPOCHS, -1)).toBe("2012-05-01");
    expect(neighbour("2023-06-01", EPOCHS, 1)).toBeNull();
    expect(neighbour(null, EPOCHS, -1)).toBe("2023-06-01");
    expect(neighbour("2012-05-01", EPOCHS, -1)).toBe("2012-05-01");
    expect(neighbour(null, EPOCHS, 1)).toBeNull();
  });
});
