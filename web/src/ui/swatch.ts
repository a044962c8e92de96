/** Legend swatches: small drawings of how a layer looks on the map. */

import type { LegendEntry } from "../api";
import { h, s } from "./dom";

const FALLBACK = "#8a948f";

interface SpriteImage {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly pixelRatio?: number;
}

/** The icons of a map's style, cut from its sprite for the legend. */
export class Sprite {
  private constructor(
    private readonly address: string,
    private readonly images: Readonly<Record<string, SpriteImage>>,
  ) {}

  /** Reads a sprite's index; a sprite that cannot be read is one without icons. */
  static async read(address: string | null): Promise<Sprite> {
    if (address === null) {
      return new Sprite("", {});
    }
    try {
      const response = await fetch(`${address}@2x.json`);
      const images = response.ok ? ((await response.json()) as Record<string, SpriteImage>) : {};
      return new Sprite(`${address}@2x.png`, images);
    } catch {
      return new Sprite("", {});
    }
  }

  /** An icon fitted into a square of `side` pixels, or null when the sprite has none so named. */
  draw(name: string, side: number): HTMLElement | null {
    const image = this.images[name];
    if (!image) {
      return null;
    }
    const ratio = image.pixelRatio ?? 1;
    const fit = Math.min(1 / ratio, side / Math.max(image.width, image.height));
    const inner = h("span", { class: "swatch-icon" });
    inner.style.width = `${image.width}px`;
    inner.style.height = `${image.height}px`;
    inner.style.backgroundImage = `url("${this.address}")`;
    inner.style.backgroundPosition = `-${image.x}px -${image.y}px`;
    inner.style.transform = `translate(-50%, -50%) scale(${fit})`;
    return inner;
  }
}

function drawn(entry: LegendEntry): SVGElement[] {
  const color = entry.color ?? FALLBACK;
  const outline = entry.outline ?? "rgba(20,40,30,.28)";
  switch (entry.kind) {
    case "line": {
      const width = Math.min(5, Math.max(1.5, entry.width ?? 2));
      const dash = entry.dash?.map((part) => part * width).join(" ");
      return [
        s("path", {
          d: "M2 13C8 13 8 5 12 5s5 6 10 2",
          fill: "none",
          stroke: color,
          "stroke-width": width,
          "stroke-dasharray": dash,
          "stroke-linecap": dash ? "butt" : "round",
        }),
      ];
    }
    case "circle":
      return [s("circle", { cx: 12, cy: 9, r: 5, fill: color, stroke: entry.outline ?? "#fff", "stroke-width": 1.5 })];
    case "extrusion":
      return [
        s("path", { d: "M5 7l7-3 7 3-7 3z", fill: color }),
        s("path", { d: "M5 7l7 3v6l-7-3z", fill: color, style: "filter:brightness(.86)" }),
        s("path", { d: "M19 7l-7 3v6l7-3z", fill: color, style: "filter:brightness(.72)" }),
      ];
    case "heatmap":
      return [
        s("circle", { cx: 12, cy: 9, r: 7, fill: color, opacity: 0.3 }),
        s("circle", { cx: 12, cy: 9, r: 4, fill: color, opacity: 0.7 }),
      ];
    case "text":
      return [
        s("text", { x: 12, y: 13.5, "text-anchor": "middle", "font-size": 12, fill: color }, "文"),
      ];
    default:
      return [
        s("rect", { x: 3, y: 3, width: 18, height: 12, rx: 2, fill: color, stroke: outline }),
      ];
  }
}

/** The swatch of a legend entry, 24 by 18 pixels. */
export function swatch(entry: LegendEntry, sprite: Sprite): HTMLElement {
  const box = h("span", { class: "swatch", "aria-hidden": "true" });
  const icon = entry.icon ? sprite.draw(entry.icon, 18) : null;
  if (icon) {
    box.append(icon);
  } else {
    const kind = entry.kind === "icon" ? "circle" : entry.kind;
    const opacity = entry.kind === "line" ? 1 : (entry.opacity ?? 1);
    box.append(
      // Faint areas are shown a little stronger than on the map: a swatch has no map under it.
      s("svg", { viewBox: "0 0 24 18", opacity: Math.max(0.45, opacity) }, ...drawn({ ...entry, kind })),
    );
  }
  return box;
}
