/** The date slider: from the first survey to now, with a tick at every epoch. */

import { say } from "../i18n";
import type { Language } from "../state";
import { beijingDay, dayAt, fractionOf, neighbour, ordinal, type Day, type Span } from "../time";
import { h, iconButton, setAttributes, drawIcon } from "./dom";

const STEP_MS = 1800;
/** How near, in pixels, the pointer must come for the slider to take an epoch. */
const REACH_PX = 8;
/** Least distance, in pixels, between two written ticks. */
const LABEL_GAP_PX = 52;

export class Timeline {
  readonly element = h("section", { class: "timeline panel" });
  readonly #play = iconButton("play", "", "icon-button play");
  readonly #date = h("output", { class: "timeline-date", "aria-live": "polite" });
  readonly #note = h("span", { class: "timeline-note" });
  readonly #slider = h("div", { class: "slider", role: "slider", tabindex: 0 });
  readonly #ticks = h("div", { class: "ticks", "aria-hidden": "true" });
  readonly #fill = h("div", { class: "slider-fill" });
  readonly #thumb = h("div", { class: "thumb" });
  readonly #now = h("button", { type: "button", class: "text-button now" });
  readonly #onChange: (date: Day | null) => void;
  #epochs: readonly Day[] = [];
  #span: Span = { start: 0, end: 1 };
  #shown: Day | null = null;
  #lang: Language = "zh";
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(onChange: (date: Day | null) => void) {
    this.#onChange = onChange;
    this.#slider.append(h("div", { class: "rail" }, this.#fill), this.#ticks, this.#thumb);
    this.element.append(
      this.#play,
      h("div", { class: "timeline-when" }, this.#date, this.#note),
      this.#slider,
      this.#now,
    );
    this.#play.addEventListener("click", () => {
      this.#togglePlay();
    });
    this.#now.addEventListener("click", () => {
      this.#choose(null);
    });
    this.#slider.addEventListener("keydown", (event) => {
      this.#key(event);
    });
    this.#slider.addEventListener("pointerdown", (event) => {
      this.#drag(event);
    });
    new ResizeObserver(() => {
      this.#drawTicks();
    }).observe(this.#slider);
  }

  /** Shows a map's history. */
  build(epochs: readonly Day[], date: Day | null, lang: Language): void {
    this.#stop();
    this.#epochs = [...epochs].sort();
    const end = ordinal(beijingDay(new Date()));
    const first = this.#epochs[0];
    this.#span = { start: Math.min(first ? ordinal(first) : end - 1, end - 1), end };
    this.#lang = lang;
    this.element.classList.toggle("without-history", this.#epochs.length === 0);
    setAttributes(this.element, { "aria-label": say("time", lang) });
    setAttributes(this.#slider, {
      "aria-label": say("time", lang),
      "aria-valuemin": this.#span.start,
      "aria-valuemax": this.#span.end,
    });
    this.#now.textContent = say("now", lang);
    this.#nameButton();
    this.#drawTicks();
    this.setDate(date);
  }

  /** Moves the thumb; does not tell of it. */
  setDate(date: Day | null): void {
    this.#shown = date;
    const days = date === null ? this.#span.end : ordinal(date);
    const at = `${(fractionOf(days, this.#span) * 100).toFixed(3)}%`;
    this.#thumb.style.left = at;
    this.#fill.style.width = at;
    const lang = this.#lang;
    this.#date.textContent = date ?? say("now", lang);
    this.#note.textContent =
      this.#epochs.length === 0
        ? say("noHistory", lang)
        : date === null
          ? say("epochs", lang, this.#epochs.length)
          : say("beijingTime", lang);
    this.element.classList.toggle("at-now", date === null);
    setAttributes(this.#slider, { "aria-valuenow": days, "aria-valuetext": date ?? say("now", lang) });
    for (const tick of this.#ticks.children) {
      const epoch = (tick as HTMLElement).dataset.epoch ?? "";
      tick.classList.toggle("reached", date === null || epoch <= date);
    }
  }

  #drawTicks(): void {
    const width = this.#slider.clientWidth;
    let free = width - LABEL_GAP_PX / 2;
    const ticks: HTMLElement[] = [];
    for (const epoch of [...this.#epochs].reverse()) {
      const fraction = fractionOf(ordinal(epoch), this.#span);
      const tick = h("div", { class: "tick", "data-epoch": epoch });
      tick.style.left = `${(fraction * 100).toFixed(3)}%`;
      if (fraction * width <= free - LABEL_GAP_PX / 2) {
        tick.append(h("span", { class: "tick-label" }, epoch.slice(0, 7).replace("-01", "")));
        free = fraction * width - LABEL_GAP_PX / 2;
      }
      ticks.unshift(tick);
    }
    this.#ticks.replaceChildren(...ticks);
    this.setDate(this.#shown);
  }

  #choose(date: Day | null): void {
    if (date !== this.#shown) {
      this.setDate(date);
      this.#onChange(date);
    }
  }

  #drag(event: PointerEvent): void {
    if (event.button !== 0 || this.#epochs.length === 0) {
      return;
    }
    this.#stop();
    const box = this.#slider.getBoundingClientRect();
    const follow = (at: PointerEvent): void => {
      const fraction = Math.min(1, Math.max(0, (at.clientX - box.left) / box.width));
      this.#choose(dayAt(fraction, this.#span, this.#epochs, REACH_PX / box.width));
    };
    const end = (): void => {
      this.#slider.removeEventListener("pointermove", follow);
      this.element.classList.remove("dragging");
    };
    this.#slider.setPointerCapture(event.pointerId);
    this.element.classList.add("dragging");
    this.#slider.addEventListener("pointermove", follow);
    this.#slider.addEventListener("pointerup", end, { once: true });
    this.#slider.addEventListener("pointercancel", end, { once: true });
    follow(event);
  }

  #key(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step === 1 || step === -1) {
      this.#choose(neighbour(this.#shown, this.#epochs, step));
    } else if (event.key === "Home") {
      this.#choose(this.#epochs[0] ?? null);
    } else if (event.key === "End") {
      this.#choose(null);
    } else {
      return;
    }
    this.#stop();
    event.preventDefault();
  }

  #togglePlay(): void {
    if (this.#timer !== null) {
      this.#stop();
      return;
    }
    if (this.#shown === null) {
      this.#choose(this.#epochs[0] ?? null);
    } else {
      this.#choose(neighbour(this.#shown, this.#epochs, 1));
    }
    this.#timer = setInterval(() => {
      this.#choose(neighbour(this.#shown, this.#epochs, 1));
      if (this.#shown === null) {
        this.#stop();
      }
    }, STEP_MS);
    this.#nameButton();
  }

  #stop(): void {
    if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
      this.#nameButton();
    }
  }

  #nameButton(): void {
    const playing = this.#timer !== null;
    const label = say(playing ? "pause" : "play", this.#lang);
    setAttributes(this.#play, { "aria-label": label, title: label, "aria-pressed": String(playing) });
    this.#play.replaceChildren(drawIcon(playing ? "pause" : "play"));
  }
}
