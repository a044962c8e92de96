/** The server's answers that the page reads, and how they fail. */

export interface Bilingual {
  readonly zh: string;
  readonly en: string;
}

export interface MapSummary {
  readonly name: string;
  readonly title: Bilingual;
  readonly abstract: Bilingual;
}

export interface FieldInfo {
  readonly name: string;
  readonly title: Bilingual;
  readonly type: string;
  readonly unit?: string | null;
  readonly codes?: string | null;
}

export type SwatchKind = "fill" | "line" | "circle" | "icon" | "extrusion" | "text" | "heatmap";

export interface LegendEntry {
  readonly title: Bilingual;
  readonly kind: SwatchKind;
  readonly color?: string | null;
  readonly outline?: string | null;
  readonly width?: number | null;
  readonly dash?: readonly number[] | null;
  readonly opacity?: number | null;
  readonly icon?: string | null;
  readonly code?: string | null;
}

export interface LayerInfo {
  readonly name: string;
  readonly title: Bilingual;
  readonly abstract: Bilingual;
  readonly theme: string;
  readonly geometryType: string;
  readonly visible: boolean;
  readonly minZoom: number;
  /** The fields that together tell one feature from another. */
  readonly key: readonly string[];
  readonly fields: readonly FieldInfo[];
  readonly label: { readonly zh: string; readonly en?: string | null } | null;
  readonly styleLayers: readonly string[];
  readonly legend: readonly LegendEntry[];
}

export interface GroupInfo {
  readonly id: string;
  readonly title: Bilingual;
  readonly layers: readonly LayerInfo[];
}

export interface MapInfo extends MapSummary {
  readonly center: readonly [number, number];
  readonly zoom: number;
  readonly bounds: readonly [number, number, number, number];
  readonly minZoom: number;
  readonly maxZoom: number;
  readonly epochs: readonly string[];
  readonly groups: readonly GroupInfo[];
}

export interface Code {
  readonly code: string;
  readonly parent?: string | null;
  readonly name: Bilingual;
  readonly color?: string | null;
}

export interface CodeList {
  readonly name: string;
  readonly scheme: string;
  readonly edition: string;
  readonly codes: readonly Code[];
}

export interface CityFeature {
  readonly id: number | string;
  readonly geometry: GeoJSON.Geometry | null;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly time?: { readonly interval?: readonly (string | null)[] } | null;
  readonly version?: number;
  readonly lineage?: Readonly<Record<string, unknown>>;
}

/** The server answered that it cannot: an RFC 9457 problem, or a bare HTTP error. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly requestId: string | null,
  ) {
    super(detail || title);
  }
}

/** No answer came: the network or the server is away. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

const PATIENCE_MS = 20_000;

const text = (value: unknown): string => (typeof value === "string" ? value : "");

async function problem(response: Response): Promise<ProblemError> {
  const body: unknown = await response.json().catch(() => null);
  const fields = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  return new ProblemError(
    response.status,
    text(fields.title) || `HTTP ${response.status}`,
    text(fields.detail),
    text(fields.requestId) || response.headers.get("x-request-id"),
  );
}

/**
 * Reads JSON from the server.
 *
 * Throws ProblemError when the server refuses, UnreachableError when no answer comes within
 * 20 s, and the signal's own reason when the caller no longer wants it.
 */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let response: Response;
  try {
    response = await fetch(path, {
      headers: { accept: "application/geo+json, application/json" },
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    throw new UnreachableError(path);
  }
  if (!response.ok) {
    throw await problem(response);
  }
  return (await response.json()) as T;
}

export async function listMaps(): Promise<readonly MapSummary[]> {
  return (await getJson<{ maps: readonly MapSummary[] }>("/api/maps")).maps;
}

export function getMap(name: string): Promise<MapInfo> {
  return getJson<MapInfo>(`/api/maps/${encodeURIComponent(name)}`);
}

/** One feature with all its fields, as it was at a time (null: now). */
export function getFeature(
  layer: string,
  id: number,
  date: string | null,
  signal?: AbortSignal,
): Promise<CityFeature> {
  const query = date === null ? "" : `?datetime=${encodeURIComponent(date)}`;
  return getJson<CityFeature>(featureAddress(layer, id) + query, signal);
}

export function featureAddress(layer: string, id: number): string {
  return `/api/collections/${encodeURIComponent(layer)}/items/${id}`;
}

const codeLists = new Map<string, Promise<ReadonlyMap<string, Code>>>();

/** The codes of a scheme by code; read once, and again after a failure. */
export function getCodes(scheme: string): Promise<ReadonlyMap<string, Code>> {
  let list = codeLists.get(scheme);
  if (!list) {
    list = getJson<CodeList>(`/api/codes/${encodeURIComponent(scheme)}`).then(
      (answer) => new Map(answer.codes.map((code) => [code.code, code])),
    );
    list.catch(() => codeLists.delete(scheme));
    codeLists.set(scheme, list);
  }
  return list;
}
