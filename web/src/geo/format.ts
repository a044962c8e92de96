/** Texts of coordinates and scales. */

export type AngleFormat = "decimal" | "dms";

/** Degrees, minutes and seconds with two decimals (about 0.3 m), such as 114°19′12.00″E. */
function dms(degrees: number, positive: string, negative: string): string {
  const hundredths = Math.round(Math.abs(degrees) * 360_000);
  const whole = Math.floor(hundredths / 360_000);
  const minutes = Math.floor((hundredths % 360_000) / 6000);
  const seconds = (hundredths % 6000) / 100;
  const hemisphere = degrees < 0 ? negative : positive;
  const m = String(minutes).padStart(2, "0");
  const s = seconds.toFixed(2).padStart(5, "0");
  return `${whole}°${m}′${s}″${hemisphere}`;
}

/** Longitude and latitude in degrees as one text, longitude first. */
export function formatLonLat(longitude: number, latitude: number, format: AngleFormat): string {
  if (format === "dms") {
    return `${dms(longitude, "E", "W")}  ${dms(latitude, "N", "S")}`;
  }
  return `${longitude.toFixed(6)}°, ${latitude.toFixed(6)}°`;
}

/** A whole number of metres and centimetres with thin grouping: 3 302 420.19. */
export function formatMetres(metres: number): string {
  const [whole = "0", part = "00"] = metres.toFixed(2).split(".");
  return `${whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009")}.${part}`;
}

/** Ground metres a CSS pixel shows at a latitude, for MapLibre's 512-pixel zooms. */
export function metresPerPixel(latitude: number, zoom: number): number {
  return (40_075_016.686 * Math.cos((latitude * Math.PI) / 180)) / (512 * 2 ** zoom);
}

/** A scale bar: its length on the ground and on the screen. */
export interface ScaleBar {
  readonly metres: number;
  readonly pixels: number;
  readonly text: string;
}

/** The longest bar of a round length (1, 2 or 5 times a power of ten) within `widest` pixels. */
export function scaleBar(latitude: number, zoom: number, widest: number): ScaleBar {
  const resolution = metresPerPixel(latitude, zoom);
  const most = resolution * widest;
  const power = 10 ** Math.floor(Math.log10(most));
  const factor = [5, 2, 1].find((candidate) => candidate * power <= most) ?? 1;
  const metres = factor * power;
  const text =
    metres >= 1000
      ? `${metres / 1000} km`
      : metres >= 1
        ? `${metres} m`
        : `${Math.round(metres * 100)} cm`;
  return { metres, pixels: metres / resolution, text };
}

/** The scale's denominator on a screen of 0.28 mm pixels (OGC), to two figures. */
export function scaleDenominator(latitude: number, zoom: number): number {
  const exact = metresPerPixel(latitude, zoom) / 0.00028;
  const step = 10 ** (Math.floor(Math.log10(exact)) - 1);
  return Math.round(exact / step) * step;
}
