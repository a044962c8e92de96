/** The layer tree with its legend: groups from top to bottom as they are drawn. */

import type { GroupInfo, LayerInfo, LegendEntry, MapInfo } from "../api";
import { primary, say, secondary } from "../i18n";
import { isOn, type PageState } from "../state";
import { drawIcon, h, iconButton, setAttributes } from "./dom";
import { swatch, type Sprite } from "./swatch";

export interface LayerPanelEvents {
  readonly onSwitch: (layers: readonly LayerInfo[], on: boolean) => void;
  readonly onReset: () => void;
}

interface LayerRow {
  readonly layer: LayerInfo;
  readonly element: HTMLElement;
  readonly box: HTMLInputElement;
  readonly hint: HTMLElement;
  readonly firstZoom: number;
}

interface GroupRow {
  readonly group: GroupInfo;
  readonly element: HTMLElement;
  readonly box: HTMLInputElement;
  readonly count: HTMLElement;
  readonly rows: readonly LayerRow[];
}

export class LayerPanel {
  readonly element = h("section", { class: "layers" });
  readonly #tree = h("div", { class: "tree" });
  readonly #empty = h("p", { class: "empty", role: "status", hidden: true });
  readonly #search = h("input", { type: "search", class: "search-input", autocomplete: "off" });
  readonly #clear = iconButton("close", "", "search-clear");
  readonly #reset = h("button", { type: "button", class: "text-button" });
  readonly #heading = h("h2", { class: "section-title" });
  readonly #events: LayerPanelEvents;
  readonly #folded = new Set<string>();
  readonly #opened = new Set<string>();
  #groups: readonly GroupRow[] = [];
  #state: PageState | null = null;
  #zoom = 0;

  constructor(events: LayerPanelEvents) {
    this.#events = events;
    this.element.append(
      h("div", { class: "search" }, drawIcon("search"), this.#search, this.#clear),
      h("div", { class: "section-head" }, this.#heading, this.#reset),
      this.#tree,
      this.#empty,
    );
    this.#search.addEventListener("input", () => {
      this.#filter();
    });
    this.#clear.addEventListener("click", () => {
      this.#search.value = "";
      this.#filter();
      this.#search.focus();
    });
    this.#reset.addEventListener("click", events.onReset);
  }

  /** Builds the tree of a map. */
  build(
    info: MapInfo,
    state: PageState,
    sprite: Sprite,
    firstZoom: (layer: string) => number,
  ): void {
    const { lang } = state;
    this.#heading.textContent = say("layers", lang);
    this.#reset.textContent = say("resetLayers", lang);
    setAttributes(this.#search, {
      placeholder: say("searchLayers", lang),
      "aria-label": say("searchLayers", lang),
    });
    setAttributes(this.#clear, {
      "aria-label": say("clearSearch", lang),
      title: say("clearSearch", lang),
    });
    this.#groups = [...info.groups].reverse().map((group) => {
      const rows = [...group.layers].reverse().map((layer) =>
        this.#layerRow(layer, state, sprite, Math.max(layer.minZoom, firstZoom(layer.name))),
      );
      return this.#groupRow(group, rows, state);
    });
    this.#tree.replaceChildren(...this.#groups.map((row) => row.element));
    this.update(state);
    this.setZoom(this.#zoom);
    this.#filter();
  }

  #groupRow(group: GroupInfo, rows: readonly LayerRow[], state: PageState): GroupRow {
    const title = primary(group.title, state.lang);
    const box = h("input", { type: "checkbox", class: "check", "aria-label": title });
    box.addEventListener("change", () => {
      this.#events.onSwitch(group.layers, box.checked);
    });
    const count = h("span", { class: "group-count" });
    const list = h("ul", { class: "group-layers", id: `group-${group.id}` });
    rows.forEach((row) => {
      list.append(row.element);
    });
    const fold = h(
      "button",
      { type: "button", class: "group-fold", "aria-controls": `group-${group.id}` },
      drawIcon("chevron"),
      h("span", { class: "group-title" }, title),
      state.lang === "both" && h("span", { class: "second" }, secondary(group.title, state.lang)),
      count,
    );
    const element = h(
      "div",
      { class: "group", "data-group": group.id },
      h("div", { class: "group-head" }, box, fold),
      list,
    );
    const show = (): void => {
      const open = !this.#folded.has(group.id);
      element.classList.toggle("folded", !open);
      fold.setAttribute("aria-expanded", String(open));
    };
    fold.addEventListener("click", () => {
      toggle(this.#folded, group.id);
      show();
    });
    show();
    return { group, element, box, count, rows };
  }

  #layerRow(layer: LayerInfo, state: PageState, sprite: Sprite, firstZoom: number): LayerRow {
    const { lang } = state;
    const title = primary(layer.title, lang);
    const box = h("input", {
      type: "checkbox",
      class: "check",
      id: `layer-${layer.name}`,
      "data-layer": layer.name,
    });
    box.addEventListener("change", () => {
      this.#events.onSwitch([layer], box.checked);
    });
    const hint = h("span", { class: "layer-hint" }, say("fromZoom", lang, firstZoom));
    const element = h(
      "li",
      { class: "layer", "data-layer": layer.name },
      h(
        "div",
        { class: "layer-head" },
        box,
        h(
          "label",
          { class: "layer-name", for: `layer-${layer.name}`, title: primary(layer.abstract, lang) },
          layerSwatch(layer.legend, sprite),
          h(
            "span",
            { class: "layer-texts" },
            h("span", { class: "layer-title" }, title),
            lang === "both" && h("span", { class: "second" }, secondary(layer.title, lang)),
            hint,
          ),
        ),
        layer.legend.length > 1 && this.#legendButton(layer, title, state),
      ),
    );
    if (layer.legend.length > 1) {
      element.append(
        h(
          "ul",
          { class: "legend", id: `legend-${layer.name}` },
          ...layer.legend.map((entry) =>
            h(
              "li",
              {},
              swatch(entry, sprite),
              h("span", {}, primary(entry.title, lang)),
              lang === "both" && h("span", { class: "second" }, secondary(entry.title, lang)),
            ),
          ),
        ),
      );
      element.classList.toggle("opened", this.#opened.has(layer.name));
    }
    return { layer, element, box, hint, firstZoom };
  }

  #legendButton(layer: LayerInfo, title: string, state: PageState): HTMLButtonElement {
    const button = iconButton("chevron", say("legendOf", state.lang, title), "legend-fold");
    setAttributes(button, {
      "aria-expanded": String(this.#opened.has(layer.name)),
      "aria-controls": `legend-${layer.name}`,
    });
    button.addEventListener("click", () => {
      const open = toggle(this.#opened, layer.name);
      button.setAttribute("aria-expanded", String(open));
      button.closest(".layer")?.classList.toggle("opened", open);
    });
    return button;
  }

  /** Ticks what is on. */
  update(state: PageState): void {
    this.#state = state;
    for (const group of this.#groups) {
      let on = 0;
      for (const row of group.rows) {
        row.box.checked = isOn(state, row.layer.name, row.layer.visible);
        row.element.classList.toggle("off", !row.box.checked);
        on += row.box.checked ? 1 : 0;
      }
      group.box.checked = on > 0 && on === group.rows.length;
      group.box.indeterminate = on > 0 && on < group.rows.length;
      group.count.textContent = say("layersOn", state.lang, on, group.rows.length);
    }
    this.#reset.hidden = state.on.size === 0 && state.off.size === 0;
  }

  /** Greys the layers that are not drawn at a zoom. */
  setZoom(zoom: number): void {
    this.#zoom = zoom;
    for (const group of this.#groups) {
      for (const row of group.rows) {
        const hidden = zoom < row.firstZoom;
        row.element.classList.toggle("beyond", hidden);
        row.hint.hidden = !hidden;
      }
    }
  }

  #filter(): void {
    const wanted = this.#search.value.trim().toLocaleLowerCase();
    let found = 0;
    for (const group of this.#groups) {
      const whole = matches(wanted, group.group.title.zh, group.group.title.en);
      let here = 0;
      for (const row of group.rows) {
        const { title, name } = row.layer;
        const fits = whole || matches(wanted, title.zh, title.en, name);
        row.element.hidden = !fits;
        here += fits ? 1 : 0;
      }
      group.element.hidden = here === 0;
      group.element.classList.toggle("searched", wanted !== "");
      found += here;
    }
    this.#clear.hidden = wanted === "";
    this.#empty.hidden = found > 0;
    if (found === 0 && this.#state) {
      this.#empty.textContent = say(wanted ? "noLayerFound" : "noLayers", this.#state.lang);
    }
  }
}

function matches(wanted: string, ...texts: readonly string[]): boolean {
  return texts.some((text) => text.toLocaleLowerCase().includes(wanted));
}

/** Adds a name to a set or takes it out; whether it is in now. */
function toggle(names: Set<string>, name: string): boolean {
  if (names.delete(name)) {
    return false;
  }
  names.add(name);
  return true;
}

/** One swatch for a layer: its only entry's, or up to four of its colours side by side. */
function layerSwatch(legend: readonly LegendEntry[], sprite: Sprite): HTMLElement {
  const [first] = legend;
  if (!first) {
    return h("span", { class: "swatch" });
  }
  const colors = [...new Set(legend.map((entry) => entry.color))].slice(0, 4);
  if (legend.length === 1 || first.kind !== "fill" || colors.length < 3) {
    return swatch(first, sprite);
  }
  const box = h("span", { class: "swatch swatch-many", "aria-hidden": "true" });
  for (const color of colors) {
    const part = h("span");
    part.style.background = color ?? "transparent";
    box.append(part);
  }
  return box;
}
