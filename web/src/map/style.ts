/** Turns the server's style into the one drawn now: date, switched layers, picked feature. */

import type {
  FilterSpecification,
  LayerSpecification,
  StyleSpecification,
  VectorSourceSpecification,
} from "maplibre-gl";

/** The vector source all layers of a map share. */
export const SOURCE = "onemap";
/** The source and layer prefix of the picked feature's outline. */
export const PICK = "onemap-pick";

const PICK_COLOR = "#e4572e";
const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

/** What of TileJSON 3 the page uses. */
export interface TileJson {
  readonly tiles: readonly string[];
  readonly minzoom?: number;
  readonly maxzoom?: number;
  readonly bounds?: [number, number, number, number];
}

/** A tile address with the day shown; null is now. */
export function tileAddress(template: string, date: string | null): string {
  const [address = "", query = ""] = template.split("?");
  const kept = query.split("&").filter((part) => part !== "" && !part.startsWith("datetime="));
  const parts = date === null ? kept : [...kept, `datetime=${date}`];
  return parts.length > 0 ? `${address}?${parts.join("&")}` : address;
}

/** The One Map layer a style layer draws. */
export function layerOf(style: LayerSpecification): string | null {
  const metadata = style.metadata as Readonly<Record<string, unknown>> | undefined;
  const name = metadata?.["onemap:layer"];
  return typeof name === "string" ? name : null;
}

function pickLayers(): LayerSpecification[] {
  const areas: FilterSpecification = ["==", ["geometry-type"], "Polygon"];
  const points: FilterSpecification = ["==", ["geometry-type"], "Point"];
  const edges: FilterSpecification = ["!=", ["geometry-type"], "Point"];
  const round = { "line-cap": "round", "line-join": "round" } as const;
  return [
    {
      id: `${PICK}.fill`,
      type: "fill",
      source: PICK,
      filter: areas,
      paint: { "fill-color": PICK_COLOR, "fill-opacity": 0.14 },
    },
    {
      id: `${PICK}.casing`,
      type: "line",
      source: PICK,
      filter: edges,
      layout: round,
      paint: { "line-color": "#ffffff", "line-width": 6, "line-opacity": 0.9 },
    },
    {
      id: `${PICK}.line`,
      type: "line",
      source: PICK,
      filter: edges,
      layout: round,
      paint: { "line-color": PICK_COLOR, "line-width": 2.5 },
    },
    {
      id: `${PICK}.point`,
      type: "circle",
      source: PICK,
      filter: points,
      paint: {
        "circle-radius": 13,
        "circle-color": PICK_COLOR,
        "circle-opacity": 0.16,
        "circle-stroke-color": PICK_COLOR,
        "circle-stroke-width": 2.5,
      },
    },
  ];
}

/** What of the page's state a style depends on. */
export interface Drawn {
  readonly date: string | null;
  readonly isOn: (layer: string) => boolean;
  readonly picked: GeoJSON.Feature | null;
}

/** The style to draw: tiles of the day, layers switched, the picked feature on top. */
export function composeStyle(
  style: StyleSpecification,
  tiles: TileJson,
  drawn: Drawn,
): StyleSpecification {
  const source: VectorSourceSpecification = {
    type: "vector",
    tiles: tiles.tiles.map((template) => tileAddress(template, drawn.date)),
    minzoom: tiles.minzoom ?? 0,
    maxzoom: tiles.maxzoom ?? 16,
    ...(tiles.bounds ? { bounds: tiles.bounds } : {}),
  };
  const layers = style.layers.map((layer): LayerSpecification => {
    const name = layerOf(layer);
    if (name === null) {
      return layer;
    }
    const visibility = drawn.isOn(name) ? "visible" : "none";
    return { ...layer, layout: { ...layer.layout, visibility } };
  });
  return {
    ...style,
    sources: {
      ...style.sources,
      [SOURCE]: source,
      [PICK]: { type: "geojson", data: drawn.picked ?? EMPTY },
    },
    layers: [...layers, ...pickLayers()],
  };
}
