/** Buttons on the map: zoom, north, tilt, whole city. */

import { say } from "../i18n";
import type { Language } from "../state";
import { h, iconButton, setAttributes } from "./dom";

export interface ControlEvents {
  readonly onZoom: (step: 1 | -1) => void;
  readonly onNorth: () => void;
  readonly onTilt: () => void;
  readonly onHome: () => void;
}

export class Controls {
  readonly element = h("div", { class: "controls", role: "group" });
  readonly #in = iconButton("plus", "");
  readonly #out = iconButton("minus", "");
  readonly #north = iconButton("north", "");
  readonly #tilt = iconButton("cube", "", "icon-button tilt");
  readonly #home = iconButton("home", "");

  constructor(events: ControlEvents) {
    this.#in.addEventListener("click", () => {
      events.onZoom(1);
    });
    this.#out.addEventListener("click", () => {
      events.onZoom(-1);
    });
    this.#north.addEventListener("click", events.onNorth);
    this.#tilt.addEventListener("click", events.onTilt);
    this.#home.addEventListener("click", events.onHome);
    this.element.append(
      h("div", { class: "button-stack panel" }, this.#in, this.#out),
      h("div", { class: "button-stack panel" }, this.#tilt, this.#north, this.#home),
    );
  }

  setLanguage(lang: Language): void {
    for (const [button, key] of [
      [this.#in, "zoomIn"],
      [this.#out, "zoomOut"],
      [this.#north, "north"],
      [this.#tilt, "tilt"],
      [this.#home, "home"],
    ] as const) {
      setAttributes(button, { "aria-label": say(key, lang), title: say(key, lang) });
    }
  }

  /** Turns the needle and presses the tilt button as the camera stands. */
  setCamera(bearing: number, tilted: boolean): void {
    const needle = this.#north.firstElementChild;
    if (needle instanceof SVGElement) {
      needle.style.transform = `rotate(${-bearing}deg)`;
    }
    this.#tilt.setAttribute("aria-pressed", String(tilted));
  }
}
