/** What is known of single tiles: read from their bytes and from how they were answered. */

/** A tile as the server answered it. */
export interface TileFacts {
  readonly z: number;
  readonly x: number;
  readonly y: number;
  readonly status: number;
  /** Bytes as sent, and as unpacked. */
  readonly sent: number;
  readonly size: number;
  readonly features: number;
  readonly milliseconds: number;
  /** Where it came from: memory, disk, shared, rendered; null where nobody says. */
  readonly cache: string | null;
  /** The layers that the tile could not hold whole. */
  readonly truncated: readonly string[];
  readonly version: string | null;
}

export interface TilePlace {
  readonly z: number;
  readonly x: number;
  readonly y: number;
}

const ADDRESS = /\/tiles\/[a-z][a-z0-9_]*\/(?:v\d+\/)?(\d+)\/(\d+)\/(\d+)(?:\.\w+)?(?:\?|$)/;
/** The layer that tells of the tile itself. */
export const META = "onemap:meta";

/** The tile that an address is of; null if it is of none. */
export function tileOf(address: string): TilePlace | null {
  const found = ADDRESS.exec(address);
  return found ? { z: Number(found[1]), x: Number(found[2]), y: Number(found[3]) } : null;
}

export const keyOf = (place: TilePlace): string => `${place.z}/${place.x}/${place.y}`;

class Reader {
  #at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  get ended(): boolean {
    return this.#at >= this.bytes.length;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        return value;
      }
    }
  }

  piece(): Uint8Array {
    const length = this.number();
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  /** Passes over the content of a field. */
  skip(wire: number): void {
    if (wire === 0) {
      this.number();
    } else if (wire === 2) {
      this.piece();
    } else {
      this.#at += wire === 1 ? 8 : 4;
    }
  }
}

/** How many features a vector tile has, but for the layer that tells of the tile itself. */
export function countFeatures(tile: Uint8Array): number {
  let count = 0;
  const reader = new Reader(tile);
  while (!reader.ended) {
    const tag = reader.number();
    if (tag === ((3 << 3) | 2)) {
      count += featuresOf(new Reader(reader.piece()));
    } else {
      reader.skip(tag & 7);
    }
  }
  return count;
}

function featuresOf(layer: Reader): number {
  let count = 0;
  while (!layer.ended) {
    const tag = layer.number();
    if (tag === ((1 << 3) | 2)) {
      if (new TextDecoder().decode(layer.piece()) === META) {
        return 0;
      }
    } else {
      count += tag === ((2 << 3) | 2) ? 1 : 0;
      layer.skip(tag & 7);
    }
  }
  return count;
}

/**
 * The server's own time in a Server-Timing header for a tile that came from `cache`; null if it
 * says none. A browser that hears "not modified" keeps the header of an earlier answer.
 */
export function serverTime(header: string | null, cache: string | null): number | null {
  const [name, time] = (header ?? "").split(";dur=");
  return time !== undefined && name === cache ? Number(time) : null;
}

/** What an answer tells of a tile. */
export function factsOf(
  place: TilePlace,
  response: Pick<Response, "status" | "headers">,
  body: ArrayBuffer,
  waited: number,
): TileFacts {
  const { headers } = response;
  const length = Number(headers.get("content-length"));
  return {
    ...place,
    status: response.status,
    sent: length > 0 ? length : body.byteLength,
    size: body.byteLength,
    features: countFeatures(new Uint8Array(body)),
    milliseconds: serverTime(headers.get("server-timing"), headers.get("x-cache")) ?? waited,
    cache: headers.get("x-cache"),
    truncated: (headers.get("x-truncated") ?? "").split(",").filter((name) => name !== ""),
    version: headers.get("x-data-version"),
  };
}

/** The tiles of a zoom that a box of degrees touches: at most `most`, row by row. */
export function tilesOver(
  box: readonly [number, number, number, number],
  z: number,
  most = 120,
): TilePlace[] {
  const [west, south, east, north] = box;
  const side = 2 ** z;
  const column = (lon: number): number => ((lon + 180) / 360) * side;
  const row = (lat: number): number => {
    const bounded = Math.min(Math.max(lat, -85.0511), 85.0511);
    return ((1 - Math.asinh(Math.tan((bounded * Math.PI) / 180)) / Math.PI) / 2) * side;
  };
  const within = (value: number): number => Math.min(Math.max(Math.floor(value), 0), side - 1);
  const found: TilePlace[] = [];
  for (let y = within(row(north)); y <= within(row(south)); y += 1) {
    for (let x = within(column(west)); x <= within(column(east)); x += 1) {
      if (found.length < most) {
        found.push({ z, x, y });
      }
    }
  }
  return found;
}

/** The corners of a tile in degrees: west, south, east, north. */
export function boxOf({ z, x, y }: TilePlace): [number, number, number, number] {
  const side = 2 ** z;
  const lon = (column: number): number => (column / side) * 360 - 180;
  const lat = (row: number): number =>
    (Math.atan(Math.sinh(Math.PI * (1 - (2 * row) / side))) * 180) / Math.PI;
  return [lon(x), lat(y + 1), lon(x + 1), lat(y)];
}
