import { chromium } from "playwright-core";
const [url, out, w = 1440, h = 900, wait = 25000] = process.argv.slice(2);
const b = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--use-angle=swiftshader","--enable-unsafe-swiftshader","--ignore-gpu-blocklist","--no-sandbox","--disable-background-networking"] });
const p = await b.newPage({ viewport: { width: +w, height: +h } });
p.on("console", m => m.type() === "error" && console.log("console:", m.text()));
p.on("requestfailed", r => console.log("failed:", r.url()));
const t = Date.now(); await p.goto(url);
try { await p.waitForFunction(() => { const m = window.onemap?.map ?? window.onemap; return m && m.loaded && m.loaded() && m.areTilesLoaded(); }, { timeout: +wait, polling: 500 }); } catch (e) { console.log("not idle"); }
await p.waitForTimeout(1500); console.log("ms", Date.now() - t);
await p.screenshot({ path: out }); await b.close();
