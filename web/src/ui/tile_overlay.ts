/** The diagnostics over the map: each tile's border and what is known of it. */

import {
  addProtocol,
  Marker,
  type GeoJSONSource,
  type Map as MapLibreMap,
  type RequestTransformFunction,
} from "maplibre-gl";

import { say, type TextKey } from "../i18n";
import { boxOf, factsOf, keyOf, tileOf, tilesOver, type TileFacts, type TilePlace } from "../map/tile_facts";
import type { Language } from "../state";
import { h } from "./dom";

const PROTOCOL = "onemap-tile";
const BORDERS = "onemap-tile-borders";
const COLOR = "#7a1fa2";
/** Facts of so many tiles are remembered. */
const MOST_FACTS = 2000;
const CACHES: Readonly<Record<string, TextKey>> = {
  memory: "fromMemory",
  disk: "fromDisk",
  shared: "fromShared",
  rendered: "fromRendered",
  archive: "fromArchive",
};

const size = (bytes: number): string =>
  bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(bytes < 100_000 ? 1 : 0)} kB`;

/** What the page says of a tile, line by line. */
export function describeTile(place: TilePlace, facts: TileFacts | undefined, lang: Language): string[] {
  const lines = [keyOf(place)];
  if (!facts) {
    return [...lines, say("tileWaiting", lang)];
  }
  if (facts.status === 204) {
    lines.push(say("tileEmpty", lang));
  } else {
    lines.push(say("tileHolds", lang, size(facts.sent), size(facts.size), facts.features));
  }
  const cache = CACHES[facts.cache ?? ""];
  const from = cache ? say(cache, lang) : (facts.cache ?? "?");
  lines.push(`${facts.milliseconds.toFixed(1)} ms · ${from}`);
  lines.push(say("tileVersion", lang, facts.version ?? "?"));
  if (facts.truncated.length > 0) {
    lines.push(say("tileTruncated", lang, facts.truncated.join(", ")));
  }
  return lines;
}

export class TileOverlay {
  readonly #map: MapLibreMap;
  readonly #facts = new Map<string, TileFacts>();
  readonly #labels = new Map<string, Marker>();
  #on = false;
  /** The tiles whose borders are drawn. */
  #drawn = "";
  #lang: Language;
  #zooms: readonly [number, number] = [0, 22];

  constructor(map: MapLibreMap, lang: Language) {
    this.#map = map;
    this.#lang = lang;
    addProtocol(PROTOCOL, async (request, abort) => {
      const address = request.url.slice(`${PROTOCOL}://`.length);
      const begun = performance.now();
      const response = await fetch(address, { signal: abort.signal });
      if (!response.ok) {
        throw new Error(`HTTP ${response.status}`);
      }
      const data = await response.arrayBuffer();
      const place = tileOf(address);
      if (place) {
        this.#note(factsOf(place, response, data, performance.now() - begun));
      }
      return { data };
    });
    for (const event of ["moveend", "idle"] as const) {
      map.on(event, () => {
        this.#draw();
      });
    }
  }

  /** Switches the diagnostics; tiles must be asked for again for them to be known. */
  show(on: boolean): void {
    this.#on = on;
    const watched: RequestTransformFunction = (url, kind) =>
      String(kind) === "Tile" && tileOf(url) ? { url: `${PROTOCOL}://${new URL(url, location.href).href}` } : { url };
    this.#map.setTransformRequest(on ? watched : (url) => ({ url }));
    this.#draw();
  }

  setLanguage(lang: Language): void {
    this.#lang = lang;
    this.#draw();
  }

  /** The least and the greatest zoom of the map's tiles. */
  setZooms(least: number, greatest: number): void {
    this.#zooms = [least, greatest];
  }

  #note(facts: TileFacts): void {
    if (this.#facts.size >= MOST_FACTS) {
      this.#facts.clear();
    }
    this.#facts.set(keyOf(facts), facts);
    this.#label(facts);
  }

  #inView(): TilePlace[] {
    const bounds = this.#map.getBounds();
    const [least, greatest] = this.#zooms;
    const z = Math.min(Math.max(Math.floor(this.#map.getZoom()), least), greatest);
    return tilesOver([bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()], z);
  }

  /** Where a tile's label stands: in its upper left corner, as far as that is on screen. */
  #corner(place: TilePlace): [number, number] {
    const [west, , , north] = boxOf(place);
    const bounds = this.#map.getBounds();
    return [Math.max(west, bounds.getWest()), Math.min(north, bounds.getNorth())];
  }

  #draw(): void {
    const places = this.#on ? this.#inView() : [];
    const wanted = new Set(places.map(keyOf));
    for (const [key, label] of this.#labels) {
      if (!wanted.has(key)) {
        label.remove();
        this.#labels.delete(key);
      }
    }
    places.forEach((place) => {
      const at = this.#corner(place);
      const label =
        this.#labels.get(keyOf(place)) ??
        new Marker({ element: h("div", { class: "tile-facts" }), anchor: "top-left" }).setLngLat(at).addTo(this.#map);
      this.#labels.set(keyOf(place), label.setLngLat(at));
      this.#label(place);
    });
    this.#borders(places);
  }

  #label(place: TilePlace): void {
    const key = keyOf(place);
    const element = this.#labels.get(key)?.getElement();
    const facts = this.#facts.get(key);
    element?.replaceChildren(...describeTile(place, facts, this.#lang).map((line) => h("div", {}, line)));
    element?.classList.toggle("truncated", (facts?.truncated.length ?? 0) > 0);
  }

  #borders(places: readonly TilePlace[]): void {
    const map = this.#map;
    if (!map.getSource(BORDERS)) {
      if (!this.#on || !map.isStyleLoaded()) {
        return;
      }
      map.addSource(BORDERS, { type: "geojson", data: { type: "FeatureCollection", features: [] } });
      map.addLayer({
        id: BORDERS,
        type: "line",
        source: BORDERS,
        paint: { "line-color": COLOR, "line-width": 1.5, "line-opacity": 0.8, "line-dasharray": [3, 2] },
      });
    }
    const features = places.map((place): GeoJSON.Feature => {
      const [west, south, east, north] = boxOf(place);
      const ring = [[west, north], [west, south], [east, south], [east, north], [west, north]];
      return { type: "Feature", geometry: { type: "LineString", coordinates: ring }, properties: {} };
    });
    const key = places.map(keyOf).join(" ");
    if (key !== this.#drawn) {
      this.#drawn = key;
      void map.getSource<GeoJSONSource>(BORDERS)?.setData({ type: "FeatureCollection", features });
    }
  }
}
