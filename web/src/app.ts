/** The page: keeps its state, its address and its parts in step. */

import {
  getFeature,
  getMap,
  listMaps,
  ProblemError,
  type CityFeature,
  type LayerInfo,
  type MapInfo,
  type MapSummary,
} from "./api";
import { primary, say } from "./i18n";
import type { Drawn } from "./map/style";
import { MapView, type Hit } from "./map/view";
import {
  isOn,
  preferredLanguage,
  readState,
  switchLayers,
  writeState,
  type Language,
  type PageState,
} from "./state";
import { Controls } from "./ui/controls";
import { Header } from "./ui/header";
import { Inspector } from "./ui/inspector";
import { LayerPanel } from "./ui/layer_panel";
import { Shell } from "./ui/shell";
import { StatusBar } from "./ui/status_bar";
import { Sprite } from "./ui/swatch";
import { Timeline } from "./ui/timeline";
import { Toasts } from "./ui/toasts";

const STORED_LANGUAGE = "onemap.lang";
/** How long the slider must rest before tiles of its day are asked for. */
const DATE_REST_MS = 160;

/** Whether a key was pressed by itself, and not while writing. */
function isShortcut(event: KeyboardEvent, key: string): boolean {
  const writing = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
  const alone = !(event.ctrlKey || event.metaKey || event.altKey || event.repeat);
  return alone && !writing && event.key.toLowerCase() === key;
}

export class App {
  state: PageState;
  view: MapView | null = null;
  readonly #toasts = new Toasts();
  readonly #status = new StatusBar();
  readonly #timeline = new Timeline((date) => {
    this.#setDate(date);
  });
  readonly #panel = new LayerPanel({
    onSwitch: (layers, on) => {
      this.#apply(switchLayers(this.state, layers, on));
    },
    onReset: () => {
      this.#apply({ ...this.state, on: new Set(), off: new Set() });
    },
  });
  readonly #header = new Header(
    (map) => void this.#open({ ...this.state, map, on: new Set(), off: new Set(), pick: null }),
    (lang) => void this.#setLanguage(lang),
    () => {
      this.#switchDebug();
    },
  );
  readonly #inspector = new Inspector({
    onClose: () => {
      this.#closeInspector();
    },
    onChoose: (hit) => void this.#inspect(hit),
    onCopy: () => void this.#copyLink(),
    onZoom: () => {
      if (this.#picked?.geometry) {
        this.view?.zoomTo(this.#picked.geometry);
      }
    },
  });
  readonly #controls = new Controls({
    onZoom: (step) => {
      this.view?.map.easeTo({ zoom: this.view.map.getZoom() + step, duration: 250 });
    },
    onNorth: () => {
      this.view?.map.easeTo({ bearing: 0, duration: 400 });
    },
    onTilt: () => {
      this.view?.tilt(!this.view.tilted);
    },
    onHome: () => {
      if (this.#info) {
        this.view?.fit(this.#info.bounds);
      }
    },
  });
  readonly #shell: Shell;
  #maps: readonly MapSummary[] = [];
  #info: MapInfo | null = null;
  #layers: ReadonlyMap<string, LayerInfo> = new Map();
  #sprite: Sprite | null = null;
  #hits: readonly Hit[] = [];
  #picked: CityFeature | null = null;
  #reading = new AbortController();
  #dateTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(root: HTMLElement) {
    const language = preferredLanguage(navigator.languages, localStorage.getItem(STORED_LANGUAGE));
    this.state = readState(new URL(location.href), language);
    this.#shell = new Shell(root, {
      header: this.#header,
      layers: this.#panel.element,
      timeline: this.#timeline.element,
      inspector: this.#inspector.element,
      controls: this.#controls.element,
      status: this.#status.element,
      toasts: this.#toasts.element,
    });
    this.#inspector.element.addEventListener("back", () => {
      this.#listHits();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#inspector.isOpen) {
        this.#closeInspector();
      }
      if (isShortcut(event, "t")) {
        this.#switchDebug();
      }
    });
    addEventListener("popstate", () => void this.#open(readState(new URL(location.href), this.state.lang)));
    this.#speak();
  }

  /** Reads the maps and draws the one the address names. */
  async start(): Promise<void> {
    await this.#open(this.state);
    const { pick } = this.state;
    if (pick) {
      await this.#inspect({ ...pick, properties: {} });
    }
  }

  /** Whether a layer is switched on. */
  isOn(layer: string): boolean {
    return isOn(this.state, layer, this.#layers.get(layer)?.visible ?? true);
  }

  #drawn(): Drawn {
    const geometry = this.#picked?.geometry;
    return {
      date: this.state.date,
      isOn: (layer) => this.isOn(layer),
      picked: geometry ? { type: "Feature", geometry, properties: {} } : null,
    };
  }

  async #open(state: PageState): Promise<void> {
    this.#shell.busy(true);
    try {
      const [maps, info] = await Promise.all([
        this.#maps.length > 0 ? this.#maps : listMaps(),
        getMap(state.map),
      ]);
      this.#maps = maps;
      this.#info = info;
      this.#layers = new Map(
        info.groups.flatMap((group) => group.layers).map((layer) => [layer.name, layer]),
      );
      if (state.map !== this.state.map) {
        this.#closeInspector();
      }
      const before = this.view === null ? state.debug : this.state.debug;
      this.state = state;
      await this.#draw(info);
      if (state.debug !== before) {
        this.view?.setDebug(state.debug);
      }
      this.#toasts.clearErrors();
      this.#rebuild();
    } catch (error) {
      this.#speak();
      this.#toasts.error(error, () => void this.#open(state));
    } finally {
      this.#shell.busy(false);
    }
  }

  async #draw(info: MapInfo): Promise<void> {
    const { lang } = this.state;
    if (this.view) {
      await this.view.change(info.name, lang, this.#drawn());
    } else {
      this.view = await MapView.open(this.#shell.map, info, lang, this.#drawn(), this.state.debug, {
        onPick: (hits) => {
          this.#pick(hits);
        },
        onPointer: (longitude, latitude) => {
          this.#status.setPoint(longitude, latitude);
        },
        onMove: () => {
          this.#moved();
        },
        onBusy: (busy) => {
          this.#shell.busy(busy);
        },
        onDrawn: (truncated) => {
          const { lang: now } = this.state;
          const shown = truncated.filter((layer) => this.isOn(layer));
          this.#status.setSimplified(shown.map((layer) => this.#titleOf(layer, now)), now);
        },
        onTileError: (message) => {
          this.#toasts.error(new Error(message), undefined, "tilesFailed");
        },
      });
      const { lng, lat } = this.view.map.getCenter();
      this.#status.setPoint(lng, lat);
    }
    this.#sprite = await Sprite.read(this.view.sprite);
  }

  /** Brings every part to the state: after another map or language. */
  #rebuild(): void {
    this.#speak();
    const { view } = this;
    if (this.#info && this.#sprite && view) {
      this.#panel.build(this.#info, this.state, this.#sprite, (layer) => view.firstZoom(layer));
      this.#timeline.build(this.#info.epochs, this.state.date, this.state.lang);
      this.#moved();
      this.#shell.started();
    }
    this.#remember();
  }

  #speak(): void {
    const { lang } = this.state;
    document.documentElement.lang = lang === "en" ? "en" : "zh-CN";
    const title = this.#info ? primary(this.#info.title, lang) : say("appName", lang);
    document.title = `${title} · ${say("appName", "en")}`;
    this.#header.build(this.#maps, this.state);
    this.#shell.setLanguage(lang);
    this.#controls.setLanguage(lang);
    this.#status.setLanguage(lang);
    this.#toasts.setLanguage(lang);
  }

  #titleOf(layer: string, lang: Language): string {
    const found = this.#layers.get(layer);
    return found ? primary(found.title, lang) : layer;
  }

  /** Shows what is known of each tile, or no longer. */
  #switchDebug(): void {
    this.state = { ...this.state, debug: !this.state.debug };
    this.view?.setDebug(this.state.debug);
    this.#header.build(this.#maps, this.state);
    this.#remember();
  }

  #moved(): void {
    if (this.view) {
      const { map } = this.view;
      this.#panel.setZoom(map.getZoom());
      this.#status.setScale(map.getCenter().lat, map.getZoom());
      this.#controls.setCamera(map.getBearing(), this.view.tilted);
    }
  }

  /** Writes the state into the address; the map keeps its view behind the '#'. */
  #remember(): void {
    const own = `/${this.state.map}`;
    const path = location.pathname === own ? own : "/";
    history.replaceState(history.state, "", `${path}?${writeState(this.state)}${location.hash}`);
  }

  #apply(state: PageState): void {
    this.state = state;
    this.#panel.update(state);
    this.view?.setLayers((layer) => this.isOn(layer));
    this.#remember();
  }

  #setDate(date: string | null): void {
    this.state = { ...this.state, date };
    clearTimeout(this.#dateTimer);
    this.#dateTimer = setTimeout(() => {
      this.view?.setDate(date);
      this.#remember();
      const { pick } = this.state;
      if (pick) {
        void this.#inspect({ ...pick, properties: {} });
      }
    }, DATE_REST_MS);
  }

  async #setLanguage(lang: Language): Promise<void> {
    localStorage.setItem(STORED_LANGUAGE, lang);
    await this.#open({ ...this.state, lang });
    const { pick } = this.state;
    if (pick) {
      await this.#inspect({ ...pick, properties: {} });
    } else if (this.#inspector.isOpen) {
      this.#listHits();
    }
  }

  #pick(hits: readonly Hit[]): void {
    this.#hits = hits.filter((hit) => this.#layers.has(hit.layer));
    const [only] = this.#hits;
    if (!only) {
      this.#closeInspector();
    } else if (this.#hits.length === 1) {
      void this.#inspect(only);
    } else {
      this.#listHits();
    }
  }

  #listHits(): void {
    this.#forget();
    if (this.#sprite) {
      this.#inspector.list(this.#hits, this.#layers, this.state.lang, this.#sprite);
      this.#shell.inspecting(true);
    }
  }

  async #inspect(hit: Hit): Promise<void> {
    const layer = this.#layers.get(hit.layer);
    if (!layer || !this.#sprite) {
      return;
    }
    this.#reading.abort();
    const reading = new AbortController();
    this.#reading = reading;
    const { lang, date } = this.state;
    this.state = { ...this.state, pick: { layer: hit.layer, id: hit.id } };
    this.#remember();
    this.#shell.inspecting(true);
    this.#inspector.wait(layer, lang, this.#hits);
    try {
      const feature = await getFeature(hit.layer, hit.id, date, reading.signal);
      if (!reading.signal.aborted) {
        this.#picked = feature;
        this.view?.setPicked(feature.geometry);
        this.#inspector.show(layer, feature, lang, this.#sprite, this.#hits, date);
      }
    } catch (error) {
      if (!reading.signal.aborted) {
        this.#cannotShow(layer, error, hit);
      }
    }
  }

  #cannotShow(layer: LayerInfo, error: unknown, hit: Hit): void {
    const { lang } = this.state;
    this.#picked = null;
    this.view?.setPicked(null);
    if (error instanceof ProblemError && error.status === 404) {
      this.#inspector.fail(layer, lang, say("gone", lang), say("goneHint", lang), this.#hits);
      return;
    }
    this.#closeInspector();
    this.#toasts.error(error, () => void this.#inspect(hit));
  }

  /** Lets go of the picked feature, leaving the card. */
  #forget(): void {
    this.#reading.abort();
    this.#picked = null;
    this.view?.setPicked(null);
    this.state = { ...this.state, pick: null };
    this.#remember();
  }

  #closeInspector(): void {
    this.#forget();
    this.#inspector.close();
    this.#shell.inspecting(false);
  }

  async #copyLink(): Promise<void> {
    try {
      await navigator.clipboard.writeText(location.href);
      this.#toasts.note("linkCopied");
    } catch {
      this.#toasts.note("copyFailed");
    }
  }
}
