/** What a visitor does on the page, and what must come of it. */

import assert from "node:assert/strict";

import { drawn, look, PHONE, placeIn, read } from "./browser.mjs";

/** The six themes of the city's plan. */
const THEMES = ["land", "mineral", "hazard", "pipeline", "building", "imagery"];
/** The layers whose surveys differ from epoch to epoch. */
const CHANGING = ["land_parcel", "building", "road"];

const layersOf = (map) => map.groups.flatMap((group) => group.layers);

async function readMap(browser, name) {
  return read(browser, `/api/maps/${name}`);
}

/** The city map opens in Chinese, with all themes drawn, its layer tree and its history. */
export async function opens(browser) {
  const page = await browser.open("/");
  await browser.settle(page);
  const map = await readMap(browser, "city");
  assert.equal(await page.title(), `${map.title.zh} · One Map`);
  assert.equal(await page.locator(".layer").count(), layersOf(map).length);
  assert.equal(await page.locator(".tick").count(), map.epochs.length);
  assert.equal(await page.locator(".toast-error").count(), 0);
  for (const theme of THEMES) {
    const layers = layersOf(map).filter((layer) => layer.theme === theme);
    const found = await drawn(page, layers.map((layer) => layer.name));
    assert.ok(found.size > 0, `the first view shows nothing of ${theme}`);
  }
  await browser.shoot(page, "city");
  await page.context().close();
}

/** Every theme has something drawn where its data lie. */
export async function drawsAllThemes(browser) {
  const page = await browser.open("/");
  await browser.settle(page);
  const map = await readMap(browser, "city");
  for (const theme of THEMES) {
    const layers = layersOf(map).filter((layer) => layer.theme === theme && layer.visible);
    assert.ok(layers.length > 0, `the city map shows no layer of ${theme}`);
    let found = 0;
    for (const layer of layers) {
      const place = found === 0 ? await placeIn(browser, layer.name) : null;
      if (place) {
        await look(page, place, Math.max(layer.minZoom + 1, 15));
        await browser.settle(page);
        found += (await drawn(page, [layer.name])).size;
      }
    }
    assert.ok(found > 0, `nothing of ${theme} is drawn where its features lie`);
    await browser.shoot(page, `theme-${theme}`);
  }
  await page.context().close();
}

/** Moving the date slider changes what is drawn, and back again. */
export async function showsHistory(browser) {
  const map = await readMap(browser, "city");
  assert.ok(map.epochs.length >= 2, "the city map has no history to show");
  const page = await browser.open("/");
  await browser.settle(page);
  await look(page, map.center, 15);
  await browser.settle(page);
  const slider = page.locator(".slider");
  const now = await drawn(page, CHANGING);
  await browser.shoot(page, "date-now");
  await moveSlider(browser, page, slider, "Home");
  assert.equal(await slider.getAttribute("aria-valuetext"), map.epochs[0]);
  assert.match(page.url(), new RegExp(`date=${map.epochs[0]}`));
  const first = await drawn(page, CHANGING);
  await browser.shoot(page, `date-${map.epochs[0]}`);
  assert.ok(now.size > 0 && first.size > 0, `drawn now ${now.size}, at first ${first.size}`);
  assert.notDeepEqual([...first].sort(), [...now].sort());
  await moveSlider(browser, page, slider, "End");
  assert.doesNotMatch(page.url(), /date=/);
  assert.deepEqual([...(await drawn(page, CHANGING))].sort(), [...now].sort());
  await page.context().close();
}

async function moveSlider(browser, page, slider, key) {
  const answered = page.waitForResponse((response) => /\/tiles\/\w+\/\d+\//.test(response.url()));
  await slider.press(key);
  await answered;
  await browser.settle(page);
}

/** The slider follows the pointer, and playing walks through the epochs to now. */
export async function playsHistory(browser) {
  const map = await readMap(browser, "city");
  const page = await browser.open(`/?date=${map.epochs.at(-1)}`);
  await browser.settle(page);
  const slider = page.locator(".slider");
  const box = await slider.boundingBox();
  await page.mouse.click(box.x + 1, box.y + box.height / 2);
  assert.equal(await slider.getAttribute("aria-valuetext"), map.epochs[0]);
  await page.locator(".play").click();
  assert.equal(await slider.getAttribute("aria-valuetext"), map.epochs[1]);
  await page.waitForFunction(() => document.querySelector(".timeline.at-now") !== null);
  assert.equal(await page.locator(".play").getAttribute("aria-pressed"), "false");
  await page.context().close();
}

/** A click shows all fields of what lies there; Esc closes the card. */
export async function inspects(browser) {
  const place = await placeIn(browser, "building");
  assert.ok(place, "there is no building to inspect");
  const page = await browser.open("/?lang=both");
  await browser.settle(page);
  await look(page, place, 17.5);
  await browser.settle(page);
  const spot = await page.evaluate(() => {
    const { map } = window.onemap.view;
    const canvas = map.getCanvas();
    const at = { x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 };
    const hit = map.queryRenderedFeatures([at.x, at.y]).find((feature) => feature.sourceLayer === "building");
    return hit ? { ...at, id: hit.id } : null;
  });
  assert.ok(spot, "the building is not drawn where the API says it lies");
  await page.mouse.click(spot.x, spot.y);
  const card = page.locator(".inspector");
  await card.locator(".hit, .field").first().waitFor();
  const entry = card.locator(`.hit[data-layer="building"][data-id="${spot.id}"]`);
  if ((await entry.count()) > 0) {
    await browser.shoot(page, "inspect-list");
    await entry.click();
  }
  await card.locator(".field").first().waitFor();
  const map = await readMap(browser, "city");
  const { fields } = layersOf(map).find((layer) => layer.name === "building");
  assert.equal(await card.locator(".field[data-field]").count(), fields.length);
  const text = await card.innerText();
  for (const field of fields) {
    assert.ok(text.includes(field.title.zh) && text.includes(field.title.en), field.name);
  }
  await card.locator(".coded").first().waitFor();
  assert.match(page.url(), new RegExp(`pick=building/${spot.id}`));
  await browser.settle(page);
  assert.ok((await pickedCount(page)) > 0, "the picked building is not outlined");
  await browser.shoot(page, "inspect");
  await linkBringsBack(browser, page);
  await page.keyboard.press("Escape");
  assert.equal(await card.isVisible(), false);
  assert.doesNotMatch(page.url(), /pick=/);
  await page.context().close();
}

const pickedCount = (page) =>
  page.evaluate(
    () => window.onemap.view.map.querySourceFeatures("onemap-pick").length,
  );

/** The page's address, opened elsewhere, shows the same. */
async function linkBringsBack(browser, page) {
  const address = page.url();
  const other = await browser.open(address.slice(browser.origin.length));
  await other.locator(".inspector .field").first().waitFor();
  assert.equal(
    await other.locator(".inspector h2").innerText(),
    await page.locator(".inspector h2").innerText(),
  );
  await browser.settle(other);
  const view = (shown) => shown.evaluate(() => window.onemap.view.map.getZoom().toFixed(2));
  assert.equal(await view(other), await view(page));
  await other.context().close();
}

/** The page and the map's labels change language, and remember it. */
export async function speaks(browser) {
  const page = await browser.open("/");
  await browser.settle(page);
  const labels = () =>
    page.evaluate(() => {
      const { layers } = window.onemap.view.map.getStyle();
      return JSON.stringify(layers.map((layer) => layer.layout?.["text-field"] ?? null));
    });
  const heading = page.locator(".section-title");
  assert.equal(await heading.innerText(), "图层");
  const chinese = await labels();
  await page.locator('[data-lang="en"]').click();
  await page.waitForFunction(() => document.documentElement.lang === "en");
  await browser.settle(page);
  assert.equal((await heading.innerText()).toLowerCase(), "layers");
  assert.notEqual(await labels(), chinese);
  assert.match(page.url(), /lang=en/);
  await browser.shoot(page, "english");
  await page.locator('[data-lang="both"]').click();
  await page.locator(".layer .second").first().waitFor();
  await browser.settle(page);
  await browser.shoot(page, "bilingual");
  await page.goto(`${browser.origin}/`);
  await page.locator('.segmented [data-lang="both"][aria-pressed="true"]').waitFor();
  await page.context().close();
}

/** Layers are found, switched off and on, singly and by group, and the link keeps it. */
export async function switchesLayers(browser) {
  const page = await browser.open("/");
  await browser.settle(page);
  const map = await readMap(browser, "city");
  await look(page, map.center, 14);
  await browser.settle(page);
  assert.ok((await drawn(page, ["land_parcel"])).size > 0);
  await page.locator(".search-input").fill("land_parcel");
  assert.equal(await page.locator(".layer:visible").count(), 1);
  await page.locator("#layer-land_parcel").click();
  await browser.settle(page);
  assert.equal((await drawn(page, ["land_parcel"])).size, 0);
  assert.match(page.url(), /off=land_parcel/);
  await page.locator(".search-input").fill("没有这样的图层");
  await page.locator(".layers .empty").waitFor();
  await page.locator(".search-clear").click();
  await page.locator(".section-head .text-button").click();
  await browser.settle(page);
  assert.ok((await drawn(page, ["land_parcel"])).size > 0);
  const group = page.locator('.group[data-group="land"] .group-head .check');
  await group.click();
  assert.equal(await page.locator('.group[data-group="land"] .layer .check:checked').count(), 6);
  await page.context().close();
}

/** Every map of the service opens by its tab and by its path. */
export async function changesMaps(browser) {
  const { maps } = await read(browser, "/api/maps");
  const page = await browser.open("/");
  await browser.settle(page);
  for (const map of maps) {
    await page.locator(`.map-tab[data-map="${map.name}"]`).click();
    await page.locator(`.map-tab[data-map="${map.name}"][aria-current]`).waitFor();
    await browser.settle(page);
    assert.match(page.url(), new RegExp(`map=${map.name}`));
    await browser.shoot(page, `map-${map.name}`);
  }
  await page.goto(`${browser.origin}/tourism`);
  await page.locator('.map-tab[data-map="tourism"][aria-current]').waitFor();
  await page.context().close();
}

/** The camera tilts and buildings stand up. */
export async function tilts(browser) {
  const place = await placeIn(browser, "building");
  const page = await browser.open("/?off=land_parcel");
  await browser.settle(page);
  await look(page, place, 16.3);
  await browser.settle(page);
  await page.locator(".tilt").click();
  await page.waitForFunction(() => window.onemap.view.map.getPitch() > 50);
  await browser.settle(page);
  assert.equal(await page.locator(".tilt").getAttribute("aria-pressed"), "true");
  assert.ok((await drawn(page, ["building"])).size > 0);
  await browser.shoot(page, "tilt");
  await page.context().close();
}

/** On a phone the map comes first, and the panel when called. */
export async function fitsPhones(browser) {
  const page = await browser.open("/", { viewport: PHONE });
  await browser.settle(page);
  assert.equal(await page.locator(".side").isVisible(), false);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= PHONE.width, `the page is ${wide} px wide on a phone`);
  await browser.shoot(page, "phone");
  await page.locator(".opener").click();
  await page.locator(".side").waitFor();
  await page.waitForFunction(
    () => document.querySelector(".side").getBoundingClientRect().left >= 0,
  );
  await browser.shoot(page, "phone-layers");
  await page.context().close();
}

/** The pointer's place is told in degrees and in metres of EPSG:4547. */
export async function tellsCoordinates(browser) {
  const page = await browser.open("/#15/29.84/114.32");
  await browser.settle(page);
  const texts = () => page.locator(".coordinates").innerText();
  assert.match(await texts(), /114\.320000°, 29\.840000°/);
  assert.match(await texts(), /N 3\u2009302\u2009420\.19\s+E 530\u2009925\.10/);
  await page.locator(".coordinates").click();
  assert.match(await texts(), /114°19′12\.00″E\s+29°50′24\.00″N/);
  await page.context().close();
}

/** A server that is away or refuses is told of, and trying again mends it. */
export async function tellsErrors(browser) {
  let broken = true;
  const page = await browser.open("/?lang=en", {
    expected: /Failed to load resource/,
    before: (opened) =>
      opened.route("**/api/maps/city", (route) =>
        broken
          ? route.fulfill({
              status: 503,
              contentType: "application/problem+json",
              body: JSON.stringify({
                title: "Busy",
                status: 503,
                detail: "Every connection is taken.",
                requestId: "e2e-1",
              }),
            })
          : route.continue(),
      ),
  });
  const toast = page.locator(".toast-error");
  await toast.waitFor();
  assert.match(await toast.innerText(), /Busy[\s\S]*Every connection is taken\.[\s\S]*e2e-1/);
  await browser.shoot(page, "error");
  broken = false;
  await toast.locator(".text-button").click();
  await page.locator(".layer").first().waitFor();
  await browser.settle(page);
  assert.equal(await toast.count(), 0);
  await page.context().close();
}

/** The diagnostics of tiles tell of every tile in view, in the page's language. */
export async function diagnosesTiles(browser) {
  const page = await browser.open("/?debug=tiles");
  await browser.settle(page);
  const map = await readMap(browser, "city");
  await look(page, map.center, 13.4);
  await browser.settle(page);
  const labels = page.locator(".tile-facts");
  await page.waitForFunction(
    () => [...document.querySelectorAll(".tile-facts")].every((label) => /ms · /.test(label.textContent)),
  );
  const texts = await labels.allTextContents();
  assert.ok(texts.length >= 4, `${texts.length} tiles in view`);
  assert.ok(texts.every((text) => /^13\/\d+\/\d+/.test(text)), texts.join("\n"));
  assert.ok(texts.some((text) => /[\d.]+ kB.* 个要素.*(现场绘制|内存缓存|与他人合并).*数据版本 \d+/.test(text)), texts[0]);
  await browser.shoot(page, "tile-diagnostics");
  await page.keyboard.press("t");
  await browser.settle(page);
  assert.equal(await labels.count(), 0);
  assert.doesNotMatch(page.url(), /debug=/);
  await page.locator('[data-lang="en"]').click();
  await page.locator(".tile-debug").click();
  await page.waitForFunction(() => /features/.test(document.querySelector(".tile-facts")?.textContent ?? ""));
  assert.match(page.url(), /debug=tiles/);
  await browser.settle(page);
  await browser.shoot(page, "tile-diagnostics-en");
  await page.context().close();
}
