/** What the page shows, as its address tells it: everything a shared link must bring back. */

import { isDay, type Day } from "./time";

export type Language = "zh" | "en" | "both";

export interface Pick {
  readonly layer: string;
  readonly id: number;
}

export interface PageState {
  readonly map: string;
  readonly lang: Language;
  /** The day shown; null is now. */
  readonly date: Day | null;
  /** Layers switched against the map's own choice: on and off. */
  readonly on: ReadonlySet<string>;
  readonly off: ReadonlySet<string>;
  readonly pick: Pick | null;
  /** Whether the diagnostics of tiles are shown. */
  readonly debug: boolean;
}

const NAME = /^[a-z][a-z0-9_]*$/;

const isLanguage = (text: string | null): text is Language =>
  text === "zh" || text === "en" || text === "both";

function names(text: string | null): ReadonlySet<string> {
  return new Set((text ?? "").split(",").filter((name) => NAME.test(name)));
}

function pick(text: string | null): Pick | null {
  const [layer = "", id = ""] = (text ?? "").split("/");
  return NAME.test(layer) && /^\d+$/.test(id) ? { layer, id: Number(id) } : null;
}

/** The language for someone who chose none yet: their browser's, Chinese if it speaks neither. */
export function preferredLanguage(browser: readonly string[], stored: string | null): Language {
  if (isLanguage(stored)) {
    return stored;
  }
  const known = browser.map((tag) => tag.slice(0, 2)).find((tag) => tag === "zh" || tag === "en");
  return known === "en" ? "en" : "zh";
}

/** Reads the state from an address; what is missing or malformed falls back. */
export function readState(url: URL, language: Language): PageState {
  const query = url.searchParams;
  const path = /^\/([a-z][a-z0-9_]*)\/?$/.exec(url.pathname)?.[1];
  const map = query.get("map") ?? path ?? "city";
  const lang = query.get("lang");
  const date = query.get("date") ?? "";
  return {
    map: NAME.test(map) ? map : "city",
    lang: isLanguage(lang) ? lang : language,
    date: isDay(date) ? date : null,
    on: names(query.get("on")),
    off: names(query.get("off")),
    pick: pick(query.get("pick")),
    debug: query.get("debug") === "tiles",
  };
}

/** The query of the address that brings a state back, most telling first, without '?'. */
export function writeState(state: PageState): string {
  const parts = [`map=${state.map}`, `lang=${state.lang}`];
  if (state.date !== null) {
    parts.push(`date=${state.date}`);
  }
  for (const [key, layers] of [["on", state.on], ["off", state.off]] as const) {
    if (layers.size > 0) {
      parts.push(`${key}=${[...layers].sort().join(",")}`);
    }
  }
  if (state.pick) {
    parts.push(`pick=${state.pick.layer}/${state.pick.id}`);
  }
  if (state.debug) {
    parts.push("debug=tiles");
  }
  return parts.join("&");
}

/** Whether a layer is on, given the map's own choice. */
export function isOn(state: PageState, layer: string, byDefault: boolean): boolean {
  return state.on.has(layer) || (byDefault && !state.off.has(layer));
}

/** The state with layers switched; only what differs from the map's own choice is kept. */
export function switchLayers(
  state: PageState,
  layers: readonly { readonly name: string; readonly visible: boolean }[],
  on: boolean,
): PageState {
  const kept = { on: new Set(state.on), off: new Set(state.off) };
  for (const layer of layers) {
    kept.on.delete(layer.name);
    kept.off.delete(layer.name);
    if (on !== layer.visible) {
      (on ? kept.on : kept.off).add(layer.name);
    }
  }
  return { ...state, ...kept };
}
