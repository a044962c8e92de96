/** Where the parts of the page stand. */

import { say } from "../i18n";
import type { Language } from "../state";
import { h, iconButton, setAttributes } from "./dom";

export interface Parts {
  readonly header: { readonly brand: HTMLElement; readonly maps: HTMLElement; readonly tools: HTMLElement };
  readonly layers: HTMLElement;
  readonly timeline: HTMLElement;
  readonly inspector: HTMLElement;
  readonly controls: HTMLElement;
  readonly status: HTMLElement;
  readonly toasts: HTMLElement;
}

const NARROW = "(max-width: 720px)";

export class Shell {
  readonly map = h("div", { class: "map", role: "application" });
  readonly #root: HTMLElement;
  readonly #progress = h("div", { class: "progress", role: "progressbar", hidden: true });
  readonly #opener = iconButton("layers", "", "icon-button opener panel");
  readonly #closer = iconButton("close", "", "icon-button closer");

  constructor(root: HTMLElement, parts: Parts) {
    this.#root = root;
    const side = h(
      "div",
      { class: "side panel", id: "side" },
      h("div", { class: "side-head" }, parts.header.brand, this.#closer),
      parts.header.maps,
      parts.layers,
      parts.header.tools,
    );
    root.replaceChildren(
      this.map,
      this.#progress,
      this.#opener,
      side,
      parts.controls,
      parts.inspector,
      parts.timeline,
      parts.status,
      parts.toasts,
    );
    this.#opener.setAttribute("aria-controls", "side");
    this.#opener.addEventListener("click", () => {
      this.#fold(false);
      this.#closer.focus();
    });
    this.#closer.addEventListener("click", () => {
      this.#fold(true);
      this.#opener.focus();
    });
    this.#fold(matchMedia(NARROW).matches);
    root.classList.add("starting");
  }

  /** Shows the parts that need a map, once there is one. */
  started(): void {
    this.#root.classList.remove("starting");
  }

  #fold(folded: boolean): void {
    this.#root.classList.toggle("side-folded", folded);
    this.#opener.setAttribute("aria-expanded", String(!folded));
  }

  setLanguage(lang: Language): void {
    this.#root.dataset.lang = lang;
    setAttributes(this.map, { "aria-label": say("mapLabel", lang) });
    for (const [button, key] of [
      [this.#opener, "showLayers"],
      [this.#closer, "hideLayers"],
    ] as const) {
      setAttributes(button, { "aria-label": say(key, lang), title: say(key, lang) });
    }
    this.#progress.setAttribute("aria-label", say("loading", lang));
  }

  busy(busy: boolean): void {
    this.#progress.hidden = !busy;
    this.map.setAttribute("aria-busy", String(busy));
  }

  inspecting(open: boolean): void {
    this.#root.classList.toggle("inspecting", open);
  }
}
