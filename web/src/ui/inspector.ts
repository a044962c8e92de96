/** The card of a picked feature: every field, in both languages, with codes resolved. */

import {
  featureAddress,
  getCodes,
  type Bilingual,
  type CityFeature,
  type Code,
  type FieldInfo,
  type LayerInfo,
} from "../api";
import { primary, say, secondary } from "../i18n";
import type { Hit } from "../map/view";
import type { Language } from "../state";
import { formatInstant } from "../time";
import { drawIcon, h, iconButton } from "./dom";
import { swatch, type Sprite } from "./swatch";

export interface InspectorEvents {
  readonly onClose: () => void;
  readonly onChoose: (hit: Hit) => void;
  readonly onCopy: () => void;
  readonly onZoom: () => void;
}

/** How units (UCUM, or the usual symbol) are written for people. */
const UNITS: Readonly<Record<string, Bilingual>> = {
  m2: { zh: "m²", en: "m²" },
  m3: { zh: "m³", en: "m³" },
  km2: { zh: "km²", en: "km²" },
  deg: { zh: "°", en: "°" },
  Cel: { zh: "℃", en: "°C" },
  h: { zh: "小时", en: "h" },
  CNY: { zh: "元", en: "CNY" },
  "10000 CNY": { zh: "万元", en: "× 10,000 CNY" },
};

/** The name a feature bears in a language; empty when it has none. */
export function featureName(
  layer: LayerInfo,
  properties: Readonly<Record<string, unknown>>,
  lang: Language,
): string {
  const zh = layer.label ? properties[layer.label.zh] : null;
  const en = layer.label?.en ? properties[layer.label.en] : null;
  const texts = { zh: plain(zh ?? properties.name), en: plain(en ?? properties.name_en) };
  return primary(texts, lang);
}

/** The business key of a feature without a name, or its id where tiles do not carry the key. */
function keyOf(layer: LayerInfo, hit: Hit): string {
  const parts = layer.key.map((field) => plain(hit.properties[field]));
  return parts.length > 0 && parts.every((part) => part !== "") ? parts.join(" ") : `#${hit.id}`;
}

function plain(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** A field's value as people read it, without its code's name. */
export function formatValue(field: FieldInfo, value: unknown, lang: Language): string {
  if (typeof value === "boolean") {
    return say(value ? "yes" : "no", lang);
  }
  if (typeof value === "number" && !field.codes) {
    const grouped = field.type === "number" || Boolean(field.unit);
    const text = new Intl.NumberFormat("en", {
      maximumFractionDigits: 3,
      useGrouping: grouped && Math.abs(value) >= 10_000,
    }).format(value);
    const unit = field.unit ?? "";
    const written = UNITS[unit];
    return `${text} ${written ? primary(written, lang) : unit}`.trimEnd();
  }
  if (typeof value === "string") {
    return field.type === "datetime" ? formatInstant(value) : value;
  }
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

function coded(code: Code, lang: Language): HTMLElement {
  const chip = h("span", { class: "chip", "aria-hidden": "true" });
  if (code.color) {
    chip.style.background = code.color;
  }
  const second = secondary(code.name, lang);
  return h(
    "span",
    { class: "coded" },
    code.color ? chip : null,
    h("span", { class: "coded-name" }, primary(code.name, lang)),
    second && h("span", { class: "second" }, second),
    h("span", { class: "code" }, code.code),
  );
}

export class Inspector {
  readonly element = h("aside", { class: "inspector panel", hidden: true, tabindex: -1 });
  readonly #events: InspectorEvents;
  #returnTo: Element | null = null;

  constructor(events: InspectorEvents) {
    this.#events = events;
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  close(): void {
    if (this.isOpen) {
      this.element.hidden = true;
      this.element.replaceChildren();
      if (this.#returnTo instanceof HTMLElement) {
        this.#returnTo.focus({ preventScroll: true });
      }
    }
  }

  #open(label: string, ...children: readonly HTMLElement[]): void {
    if (!this.isOpen) {
      this.#returnTo = document.activeElement;
    }
    this.element.setAttribute("aria-label", label);
    this.element.hidden = false;
    this.element.replaceChildren(...children);
    this.element.scrollTop = 0;
    this.element.focus({ preventScroll: true });
  }

  #head(lang: Language, over: HTMLElement, title: string, hits: readonly Hit[]): HTMLElement {
    const close = iconButton("close", say("close", lang));
    close.addEventListener("click", this.#events.onClose);
    const back = hits.length > 1 ? iconButton("back", say("back", lang)) : null;
    back?.addEventListener("click", () => {
      this.element.dispatchEvent(new CustomEvent("back"));
    });
    return h(
      "header",
      { class: "inspector-head" },
      back,
      h("div", { class: "inspector-titles" }, over, h("h2", {}, title)),
      close,
    );
  }

  /** Lists the features under a click. */
  list(
    hits: readonly Hit[],
    layers: ReadonlyMap<string, LayerInfo>,
    lang: Language,
    sprite: Sprite,
  ): void {
    const list = h("ul", { class: "hit-list" });
    for (const hit of hits) {
      const layer = layers.get(hit.layer);
      const [entry] = layer?.legend ?? [];
      if (!layer) {
        continue;
      }
      const name = featureName(layer, hit.properties, lang);
      const button = h(
        "button",
        { type: "button", class: "hit", "data-layer": hit.layer, "data-id": hit.id },
        entry ? swatch(entry, sprite) : null,
        h(
          "span",
          { class: "hit-texts" },
          h("span", { class: "hit-name" }, name || primary(layer.title, lang)),
          h("span", { class: "second" }, name ? primary(layer.title, lang) : keyOf(layer, hit)),
        ),
        drawIcon("chevron"),
      );
      button.addEventListener("click", () => {
        this.#events.onChoose(hit);
      });
      list.append(h("li", {}, button));
    }
    const title = say("featuresHere", lang, list.children.length);
    this.#open(title, this.#head(lang, h("span"), title, []), list);
  }

  /** Says that a feature is being read. */
  wait(layer: LayerInfo, lang: Language, hits: readonly Hit[]): void {
    const over = h("p", { class: "over" }, primary(layer.title, lang));
    const body = h("div", { class: "skeleton", role: "status", "aria-label": say("loading", lang) });
    for (let line = 0; line < 6; line += 1) {
      body.append(h("span"));
    }
    this.#open(say("inspect", lang), this.#head(lang, over, say("loading", lang), hits), body);
  }

  /** Says why a feature cannot be shown. */
  fail(layer: LayerInfo, lang: Language, title: string, detail: string, hits: readonly Hit[]): void {
    const over = h("p", { class: "over" }, primary(layer.title, lang));
    const body = h("p", { class: "empty", role: "alert" }, detail);
    this.#open(title, this.#head(lang, over, title, hits), body);
  }

  /** Shows a feature with all its fields. */
  show(
    layer: LayerInfo,
    feature: CityFeature,
    lang: Language,
    sprite: Sprite,
    hits: readonly Hit[],
    date: string | null,
  ): void {
    const [entry] = layer.legend;
    const over = h(
      "p",
      { class: "over" },
      entry ? swatch(entry, sprite) : null,
      primary(layer.title, lang),
      h("span", { class: "second" }, secondary(layer.title, lang)),
    );
    const name = featureName(layer, feature.properties, lang);
    const title = name || `${primary(layer.title, lang)} #${feature.id}`;
    const fields = h("dl", { class: "fields" });
    for (const field of layer.fields) {
      if (field.name in feature.properties) {
        fields.append(fieldRow(field, feature.properties[field.name], lang));
      }
    }
    this.#open(
      title,
      this.#head(lang, over, title, hits),
      this.#actions(layer, feature, lang, date),
      fields,
      provenance(feature, lang),
    );
  }

  #actions(
    layer: LayerInfo,
    feature: CityFeature,
    lang: Language,
    date: string | null,
  ): HTMLElement {
    const zoom = h("button", { type: "button", class: "action" }, drawIcon("target"), say("zoomTo", lang));
    zoom.addEventListener("click", this.#events.onZoom);
    const copy = h("button", { type: "button", class: "action" }, drawIcon("link"), say("copyLink", lang));
    copy.addEventListener("click", this.#events.onCopy);
    const query = date === null ? "" : `?datetime=${date}`;
    const json = h(
      "a",
      {
        class: "action",
        href: featureAddress(layer.name, Number(feature.id)) + query,
        target: "_blank",
        rel: "noopener",
      },
      drawIcon("json"),
      "GeoJSON",
    );
    return h("div", { class: "actions" }, zoom, copy, json);
  }
}

function fieldRow(field: FieldInfo, value: unknown, lang: Language): HTMLElement {
  const second = secondary(field.title, lang);
  const answer = h("dd");
  if (value === null || value === undefined || value === "") {
    answer.append(h("span", { class: "missing" }, say("notRecorded", lang)));
  } else {
    answer.textContent = formatValue(field, value, lang);
    if (field.codes) {
      void getCodes(field.codes).then(
        (codes) => {
          const code = codes.get(plain(value));
          if (code) {
            answer.replaceChildren(coded(code, lang));
          }
        },
        // The bare code stands there already; the list is asked for again next time.
        () => undefined,
      );
    }
  }
  return h(
    "div",
    { class: "field", "data-field": field.name },
    h(
      "dt",
      {},
      primary(field.title, lang),
      second && h("span", { class: "second" }, second),
    ),
    answer,
  );
}

function provenance(feature: CityFeature, lang: Language): HTMLElement {
  const list = h("dl", { class: "fields provenance" });
  const add = (title: string, value: string): void => {
    list.append(h("div", { class: "field" }, h("dt", {}, title), h("dd", {}, value)));
  };
  const [start, end] = feature.time?.interval ?? [];
  const parts = [
    isBound(start) && say("since", lang, formatInstant(start)),
    isBound(end) && say("until", lang, formatInstant(end)),
  ].filter((part) => part !== false);
  if (parts.length > 0) {
    add(say("validity", lang), parts.join(lang === "en" ? ", " : ","));
  }
  if (feature.version !== undefined) {
    add(say("version", lang), String(feature.version));
  }
  for (const [key, value] of Object.entries(feature.lineage ?? {})) {
    if (plain(value) !== "") {
      add(`${say("lineage", lang)} · ${key}`, formatInstantLike(plain(value)));
    }
  }
  add(say("identity", lang), String(feature.id));
  return list;
}

const isBound = (bound: string | null | undefined): bound is string =>
  bound !== null && bound !== undefined && bound !== "..";

const formatInstantLike = (value: string): string =>
  /^\d{4}-\d{2}-\d{2}T/.test(value) ? formatInstant(value) : value;
