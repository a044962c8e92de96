/** The drawn map: a thin, typed face over MapLibre. */

import {
  Map as MapLibreMap,
  setWorkerUrl,
  type GeoJSONSource,
  type MapGeoJSONFeature,
  type MapMouseEvent,
  type PointLike,
  type StyleSpecification,
  type VectorTileSource,
} from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";

import { getJson, type MapInfo } from "../api";
import type { Language } from "../state";
import { TileOverlay } from "../ui/tile_overlay";
import { META } from "./tile_facts";
import { composeStyle, layerOf, PICK, SOURCE, tileAddress, type Drawn, type TileJson } from "./style";

setWorkerUrl(workerUrl);

const TILT_DEG = 58;
/** Half the side, in pixels, of the square around a click that is searched. */
const REACH_PX = 5;

/** A feature under the pointer. */
export interface Hit {
  readonly layer: string;
  readonly id: number;
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface ViewEvents {
  readonly onPick: (hits: readonly Hit[]) => void;
  readonly onPointer: (longitude: number, latitude: number) => void;
  readonly onMove: () => void;
  readonly onBusy: (busy: boolean) => void;
  readonly onTileError: (message: string) => void;
  /** Called when all is drawn, with the layers of which tiles could not hold everything. */
  readonly onDrawn: (truncated: readonly string[]) => void;
}

interface Loaded {
  readonly style: StyleSpecification;
  readonly tiles: TileJson;
}

async function load(map: string, lang: Language): Promise<Loaded> {
  const [style, tiles] = await Promise.all([
    getJson<StyleSpecification>(`/styles/${map}.json?lang=${lang}`),
    getJson<TileJson>(`/tiles/${map}.json`),
  ]);
  return { style, tiles };
}

function extent(geometry: GeoJSON.Geometry): [number, number, number, number] | null {
  const box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
  const visit = (part: unknown): void => {
    if (!Array.isArray(part)) {
      return;
    }
    const [x, y] = part as unknown[];
    if (typeof x === "number" && typeof y === "number") {
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
      return;
    }
    part.forEach(visit);
  };
  const parts = geometry.type === "GeometryCollection" ? geometry.geometries : [geometry];
  parts.forEach((part) => {
    visit("coordinates" in part ? part.coordinates : null);
  });
  return Number.isFinite(box[0]) ? box : null;
}

export class MapView {
  readonly map: MapLibreMap;
  #loaded: Loaded;
  #drawn: Drawn;
  readonly #overlay: TileOverlay;

  private constructor(map: MapLibreMap, loaded: Loaded, drawn: Drawn, lang: Language) {
    this.map = map;
    this.#loaded = loaded;
    this.#drawn = drawn;
    this.#overlay = new TileOverlay(map, lang);
    this.#tellZooms();
  }

  #tellZooms(): void {
    const { minzoom, maxzoom } = this.#loaded.tiles;
    this.#overlay.setZooms(minzoom ?? 0, maxzoom ?? 16);
  }

  /** Loads a map's style and draws it; the address's hash overrides the first view. */
  static async open(
    container: HTMLElement,
    info: MapInfo,
    lang: Language,
    drawn: Drawn,
    debug: boolean,
    events: ViewEvents,
  ): Promise<MapView> {
    const loaded = await load(info.name, lang);
    const map = new MapLibreMap({
      container,
      style: composeStyle(loaded.style, loaded.tiles, drawn),
      center: [...info.center],
      zoom: info.zoom,
      hash: true,
      minZoom: 6,
      maxZoom: 21,
      maxPitch: 75,
      attributionControl: false,
      localIdeographFontFamily: '"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif',
      fadeDuration: 150,
    });
    const view = new MapView(map, loaded, drawn, lang);
    // Before the first tile is asked for.
    view.#overlay.show(debug);
    view.#listen(events);
    return view;
  }

  #listen(events: ViewEvents): void {
    const { map } = this;
    map.on("click", (event) => {
      events.onPick(this.#hits(event.point));
    });
    map.on("mousemove", (event: MapMouseEvent) => {
      events.onPointer(event.lngLat.lng, event.lngLat.lat);
    });
    map.on("move", events.onMove);
    map.on("dataloading", () => {
      events.onBusy(true);
    });
    map.on("idle", () => {
      events.onBusy(false);
      events.onDrawn(this.#truncated());
    });
    map.on("error", (event) => {
      events.onTileError(event.error.message);
    });
  }

  /** The layers that tiles on screen could not hold whole, as those tiles say. */
  #truncated(): string[] {
    const told = this.map.querySourceFeatures(SOURCE, { sourceLayer: META });
    return [...new Set(told.map((feature) => String(feature.properties.layer)))].sort();
  }

  /** Shows what is known of each tile, or no longer. */
  setDebug(on: boolean): void {
    this.#overlay.show(on);
    // Only tiles that are asked for from now on are known.
    this.map.refreshTiles(SOURCE);
  }

  #askAgain(): void {
    const source = this.map.getSource<VectorTileSource>(SOURCE);
    source?.setTiles(
      this.#loaded.tiles.tiles.map((template) => tileAddress(template, this.#drawn.date)),
    );
  }

  #hits(point: { readonly x: number; readonly y: number }): Hit[] {
    const box: [PointLike, PointLike] = [
      [point.x - REACH_PX, point.y - REACH_PX],
      [point.x + REACH_PX, point.y + REACH_PX],
    ];
    const seen = new Set<string>();
    const exact = this.map.queryRenderedFeatures([point.x, point.y]);
    const near = this.map.queryRenderedFeatures(box).filter((hit) => hit.layer.type !== "fill");
    // Points and lines are thin: those near the pointer go before the areas under it.
    const thin = (hit: MapGeoJSONFeature): boolean => !hit.layer.type.startsWith("fill");
    const ordered = [...exact.filter(thin), ...near, ...exact];
    const hits: Hit[] = [];
    for (const hit of ordered) {
      const layer = layerOf(hit.layer);
      const id = Number(hit.id);
      const key = `${layer ?? ""}/${id}`;
      if (layer !== null && Number.isFinite(id) && !seen.has(key)) {
        seen.add(key);
        hits.push({ layer, id, properties: hit.properties });
      }
    }
    return hits;
  }

  /** Draws another map, or the same one in another language. */
  async change(map: string, lang: Language, drawn: Drawn): Promise<void> {
    const loaded = await load(map, lang);
    this.#loaded = loaded;
    this.#drawn = drawn;
    this.#tellZooms();
    this.#overlay.setLanguage(lang);
    this.map.setStyle(composeStyle(loaded.style, loaded.tiles, drawn), { diff: true });
  }

  /** Asks for the tiles of another day; the old ones stay on screen until the new arrive. */
  setDate(date: string | null): void {
    this.#drawn = { ...this.#drawn, date };
    this.#askAgain();
  }

  /** Shows and hides style layers by the layers they draw. */
  setLayers(isOn: (layer: string) => boolean): void {
    this.#drawn = { ...this.#drawn, isOn };
    for (const style of this.#loaded.style.layers) {
      const name = layerOf(style);
      if (name !== null && this.map.getLayer(style.id)) {
        this.map.setLayoutProperty(style.id, "visibility", isOn(name) ? "visible" : "none");
      }
    }
  }

  /** Outlines a feature, or none. */
  setPicked(geometry: GeoJSON.Geometry | null): void {
    const picked: GeoJSON.Feature | null = geometry
      ? { type: "Feature", geometry, properties: {} }
      : null;
    this.#drawn = { ...this.#drawn, picked };
    const source = this.map.getSource<GeoJSONSource>(PICK);
    void source?.setData(picked ?? { type: "FeatureCollection", features: [] });
  }

  zoomTo(geometry: GeoJSON.Geometry): void {
    const box = extent(geometry);
    if (box) {
      this.map.fitBounds(box, { padding: 120, maxZoom: 18, duration: 700 });
    }
  }

  fit(bounds: readonly [number, number, number, number]): void {
    this.map.fitBounds([...bounds], { padding: 40, pitch: 0, bearing: 0, duration: 700 });
  }

  get tilted(): boolean {
    return this.map.getPitch() > 5;
  }

  tilt(on: boolean): void {
    const zoom = on ? Math.max(this.map.getZoom(), 14.5) : this.map.getZoom();
    this.map.easeTo({
      pitch: on ? TILT_DEG : 0,
      bearing: on ? -20 : 0,
      zoom,
      duration: 800,
    });
  }

  /** The lowest zoom at which anything of a layer is drawn. */
  firstZoom(layer: string): number {
    const zooms = this.#loaded.style.layers
      .filter((style) => layerOf(style) === layer)
      .map((style) => style.minzoom ?? 0);
    return zooms.length > 0 ? Math.min(...zooms) : 0;
  }

  /** The address of the style's icons, without suffix. */
  get sprite(): string | null {
    return typeof this.#loaded.style.sprite === "string" ? this.#loaded.style.sprite : null;
  }
}
