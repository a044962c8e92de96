/** The head of the side panel: the page's name, the choice of map, of language, and links. */

import type { MapSummary } from "../api";
import { primary, say, secondary } from "../i18n";
import type { Language, PageState } from "../state";
import { h, s } from "./dom";

const LANGUAGES: readonly (readonly [Language, string, string])[] = [
  ["zh", "中文", "zh-CN"],
  ["en", "EN", "en"],
  ["both", "双语", "zh-CN"],
];

function mark(): SVGElement {
  return s(
    "svg",
    { viewBox: "0 0 32 32", class: "mark", "aria-hidden": "true" },
    s("rect", { width: 32, height: 32, rx: 8, fill: "#1f6b57" }),
    s("path", { d: "M5 22l7-9 5 6 4-5 6 8z", fill: "#cfe6d8" }),
    s("path", { d: "M5 25c5-3 8 2 12 0s6-2 10 0", fill: "none", stroke: "#8fd0e6", "stroke-width": 2, "stroke-linecap": "round" }),
    s("circle", { cx: 22, cy: 9, r: 2.6, fill: "#f2b65a" }),
  );
}

export class Header {
  readonly brand = h("header", { class: "brand" });
  readonly maps = h("nav", { class: "maps" });
  readonly tools = h("div", { class: "tools" });

  constructor(
    private readonly onMap: (name: string) => void,
    private readonly onLanguage: (lang: Language) => void,
    private readonly onDebug: () => void,
  ) {}

  build(maps: readonly MapSummary[], state: PageState): void {
    const { lang } = state;
    const current = maps.find((map) => map.name === state.map);
    this.brand.replaceChildren(
      mark(),
      h(
        "div",
        { class: "brand-texts" },
        h("h1", {}, current ? primary(current.title, lang) : say("appName", lang)),
        h("p", {}, current ? secondary(current.title, lang) : say("appSubtitle", lang)),
      ),
    );
    this.maps.setAttribute("aria-label", say("maps", lang));
    this.maps.replaceChildren(
      ...maps.map((map) => {
        const here = map.name === state.map;
        const button = h(
          "button",
          {
            type: "button",
            class: "map-tab",
            "data-map": map.name,
            "aria-current": here ? "page" : null,
            title: primary(map.abstract, lang),
          },
          shorten(primary(map.title, lang)),
        );
        button.addEventListener("click", () => {
          this.onMap(map.name);
        });
        return button;
      }),
    );
    const tools = links(lang);
    tools.append(this.#debug(state));
    this.tools.replaceChildren(this.#languages(lang), tools);
  }

  #debug({ lang, debug }: PageState): HTMLElement {
    const button = h(
      "button",
      {
        type: "button",
        class: "link-button tile-debug",
        "aria-pressed": String(debug),
        title: say("tileDiagnosticsKey", lang),
      },
      say("tileDiagnostics", lang),
    );
    button.addEventListener("click", this.onDebug);
    return button;
  }

  #languages(lang: Language): HTMLElement {
    const group = h("div", { class: "segmented", role: "group", "aria-label": say("language", lang) });
    for (const [value, name, tag] of LANGUAGES) {
      const button = h(
        "button",
        { type: "button", "data-lang": value, lang: tag, "aria-pressed": String(value === lang) },
        name,
      );
      button.addEventListener("click", () => {
        this.onLanguage(value);
      });
      group.append(button);
    }
    return group;
  }
}

function links(lang: Language): HTMLElement {
  const link = (href: string, text: string): HTMLElement =>
    h("a", { href, target: "_blank", rel: "noopener" }, text);
  return h(
    "div",
    { class: "links" },
    link("/api/docs", say("apiDocs", lang)),
    link("/api/collections", say("catalogue", lang)),
  );
}

/** A map's title without what all of them share, so that four fit in a row. */
function shorten(title: string): string {
  return title
    .replace(/^咸宁市?/, "")
    .replace(/^Xianning /i, "")
    .replace(/(?<=..)(?:一张图|专题图|地图)$/, "")
    .replace(/ (?:one )?map$/i, "");
}
