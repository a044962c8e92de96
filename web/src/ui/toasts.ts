/** Short messages over the map; errors stay until they are dismissed or mended. */

import { ProblemError, UnreachableError } from "../api";
import { say, type TextKey } from "../i18n";
import type { Language } from "../state";
import { h, iconButton } from "./dom";

const SHORT_MS = 2600;

export class Toasts {
  readonly element = h("div", { class: "toasts", role: "region", "aria-live": "polite" });
  #lang: Language = "zh";

  setLanguage(lang: Language): void {
    this.#lang = lang;
  }

  /** A passing note. */
  note(key: TextKey): void {
    const toast = h("div", { class: "toast", role: "status" }, say(key, this.#lang));
    this.element.append(toast);
    setTimeout(() => {
      toast.remove();
    }, SHORT_MS);
  }

  /** Tells an error in people's words; one of a kind at a time. */
  error(error: unknown, again?: () => void, title?: TextKey): void {
    const lang = this.#lang;
    const [head, detail] = words(error, lang);
    const shown = title ? say(title, lang) : head;
    for (const old of this.element.querySelectorAll<HTMLElement>(".toast-error")) {
      if (old.dataset.title === shown) {
        old.remove();
      }
    }
    const close = iconButton("close", say("dismiss", lang));
    const toast = h(
      "div",
      { class: "toast toast-error", role: "alert", "data-title": shown },
      h("div", { class: "toast-texts" }, h("strong", {}, shown), h("span", {}, detail)),
      close,
    );
    close.addEventListener("click", () => {
      toast.remove();
    });
    if (again) {
      const retry = h("button", { type: "button", class: "text-button" }, say("retry", lang));
      retry.addEventListener("click", () => {
        toast.remove();
        again();
      });
      toast.insertBefore(retry, close);
    }
    this.element.append(toast);
  }

  /** Takes away what an answer has mended. */
  clearErrors(): void {
    for (const toast of this.element.querySelectorAll(".toast-error")) {
      toast.remove();
    }
  }
}

function words(error: unknown, lang: Language): readonly [string, string] {
  if (error instanceof UnreachableError) {
    return [say("unreachable", lang), say("unreachableHint", lang)];
  }
  if (error instanceof ProblemError) {
    const request = error.requestId ? ` (${say("requestId", lang)} ${error.requestId})` : "";
    return [error.title, `${error.detail}${request}`];
  }
  return [error instanceof Error ? error.message : String(error), ""];
}
