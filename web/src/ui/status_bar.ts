/** The strip at the foot: coordinates in CGCS2000, scale, attribution. */

import { formatLonLat, formatMetres, scaleBar, scaleDenominator, type AngleFormat } from "../geo/format";
import { toCityGrid } from "../geo/gauss_kruger";
import { say } from "../i18n";
import type { Language } from "../state";
import { h, setAttributes } from "./dom";

const SCALE_PX = 110;
const STORED = "onemap.angle";

export class StatusBar {
  readonly element = h("footer", { class: "status" });
  readonly #geographic = h("span", { class: "lonlat" });
  readonly #grid = h("span", { class: "grid" });
  readonly #coordinates = h("button", { type: "button", class: "coordinates" });
  readonly #bar = h("span", { class: "scale-bar" });
  readonly #ratio = h("span", { class: "ratio" });
  readonly #zoom = h("span", { class: "zoom" });
  readonly #attribution = h("span", { class: "attribution" });
  readonly #simplified = h("span", { class: "simplified", role: "status", hidden: true });
  #format: AngleFormat = localStorage.getItem(STORED) === "dms" ? "dms" : "decimal";
  #at: readonly [number, number] = [0, 0];

  constructor() {
    this.#coordinates.append(h("span", { class: "datum" }, "CGCS2000"), this.#geographic, this.#grid);
    this.#coordinates.addEventListener("click", () => {
      this.#format = this.#format === "dms" ? "decimal" : "dms";
      localStorage.setItem(STORED, this.#format);
      this.setPoint(...this.#at);
    });
    this.element.append(
      this.#attribution,
      this.#simplified,
      this.#coordinates,
      h("span", { class: "scale" }, this.#zoom, this.#ratio, this.#bar),
    );
  }

  setLanguage(lang: Language): void {
    this.#attribution.textContent = say("attribution", lang);
    const label = say("switchAngle", lang);
    setAttributes(this.#coordinates, { title: label });
    setAttributes(this.#bar, { title: say("scale", lang) });
    setAttributes(this.#zoom, { title: say("zoom", lang) });
  }

  /** Tells of the layers that the map cannot show whole at this scale; none takes it back. */
  setSimplified(titles: readonly string[], lang: Language): void {
    this.#simplified.hidden = titles.length === 0;
    this.#simplified.textContent = say("simplified", lang);
    const listed = titles.join(lang === "en" ? ", " : "、");
    setAttributes(this.#simplified, { title: say("simplifiedLayers", lang, listed) });
  }

  /** Shows a place: longitude and latitude in degrees and EPSG:4547 in metres. */
  setPoint(longitude: number, latitude: number): void {
    this.#at = [longitude, latitude];
    const { east, north } = toCityGrid(longitude, latitude);
    this.#coordinates.dataset.angle = this.#format;
    this.#geographic.textContent = formatLonLat(longitude, latitude, this.#format);
    this.#grid.textContent = `N ${formatMetres(north)}  E ${formatMetres(east)}`;
    setAttributes(this.#grid, { title: "EPSG:4547" });
  }

  setScale(latitude: number, zoom: number): void {
    const bar = scaleBar(latitude, zoom, SCALE_PX);
    this.#bar.style.width = `${bar.pixels.toFixed(1)}px`;
    this.#bar.textContent = bar.text;
    this.#ratio.textContent = `1:${formatMetres(scaleDenominator(latitude, zoom)).replace(/\.\d+$/, "")}`;
    this.#zoom.textContent = `Z${zoom.toFixed(1)}`;
  }
}
