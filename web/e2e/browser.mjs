/** A headless Chromium that notes what a page must not do. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** WebGL in software, and no traffic of the browser's own. */
const FLAGS = [
  "--headless=new",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--ignore-gpu-blocklist",
  "--no-sandbox",
  "--disable-background-networking",
];
const PATIENCE_MS = 60_000;
export const DESK = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

export class Browser {
  constructor(browser, origin, screenshots) {
    this.browser = browser;
    this.origin = origin;
    this.screenshots = screenshots;
    this.faults = [];
  }

  static async launch({ url, screenshots, executable }) {
    if (screenshots) {
      await mkdir(screenshots, { recursive: true });
    }
    const browser = await chromium.launch({ executablePath: executable, args: FLAGS });
    return new Browser(browser, new URL(url).origin, screenshots);
  }

  /** Opens a page; `expected` tells console errors a test brings about itself. */
  async open(address, { viewport = DESK, locale = "zh-CN", expected = null, before = null } = {}) {
    const context = await this.browser.newContext({ viewport, locale });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("console", (message) => {
      if (message.type() === "error" && !expected?.test(message.text())) {
        this.faults.push(`console: ${message.text()}`);
      }
    });
    page.on("pageerror", (error) => this.faults.push(`uncaught: ${error.message}`));
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith("http") && origin !== this.origin) {
        this.faults.push(`request outside the origin: ${request.url()}`);
      }
    });
    await before?.(page);
    await page.goto(this.origin + address);
    return page;
  }

  /** Waits until the map has drawn all it was asked for. */
  async settle(page) {
    await page.waitForFunction(() => window.onemap?.view?.map.loaded() === true);
    await page.evaluate(
      () =>
        new Promise((resolve) => {
          const { map } = window.onemap.view;
          map.once("idle", resolve);
          map.triggerRepaint();
        }),
    );
  }

  async shoot(page, name) {
    if (this.screenshots) {
      await page.screenshot({ path: join(this.screenshots, `${name}.png`) });
    }
  }

  async close() {
    await this.browser.close();
  }
}

/** Ids of what is drawn of some layers, as `layer/id`, each once. */
export async function drawn(page, layers) {
  const ids = await page.evaluate((wanted) => {
    const found = window.onemap.view.map.queryRenderedFeatures();
    return found
      .filter((feature) => wanted.includes(feature.layer.metadata?.["onemap:layer"]))
      .map((feature) => `${feature.layer.metadata["onemap:layer"]}/${feature.id}`);
  }, layers);
  return new Set(ids);
}

/** Moves the camera at once. */
export async function look(page, [longitude, latitude], zoom, { pitch = 0, bearing = 0 } = {}) {
  await page.evaluate(
    (camera) => {
      window.onemap.view.map.jumpTo(camera);
    },
    { center: [longitude, latitude], zoom, pitch, bearing },
  );
}

/** Reads JSON from the server under test. */
export async function read(browser, path) {
  const response = await fetch(browser.origin + path, { headers: { accept: "application/json" } });
  if (!response.ok) {
    throw new Error(`${path} answered ${response.status}`);
  }
  return response.json();
}

/** A place inside a layer's first feature, or null when the layer is empty. */
export async function placeIn(browser, layer) {
  const page = await read(browser, `/api/collections/${layer}/items?limit=1`);
  const [feature] = page.features;
  if (!feature?.geometry) {
    return null;
  }
  const positions = feature.geometry.coordinates.flat(Infinity);
  const step = Array.isArray(feature.geometry.coordinates)
    ? depthStep(feature.geometry.coordinates)
    : 2;
  const xs = positions.filter((_, index) => index % step === 0);
  const ys = positions.filter((_, index) => index % step === 1);
  const middle = (values) => (Math.min(...values) + Math.max(...values)) / 2;
  return [middle(xs), middle(ys)];
}

/** How many numbers a position has: 2, or 3 with height. */
function depthStep(coordinates) {
  return Array.isArray(coordinates[0]) ? depthStep(coordinates[0]) : coordinates.length;
}
