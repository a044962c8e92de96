/**
 * End-to-end journeys against a running server:
 *
 *   npm run e2e -- --url http://127.0.0.1:8000 [--screenshots DIR] [--chromium PATH] [--only NAME]
 *
 * Ends with status 1 when a journey fails or a page logged an error or left the origin.
 */

import { parseArgs } from "node:util";

import { Browser } from "./browser.mjs";
import * as journeys from "./journeys.mjs";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:8000" },
    screenshots: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    only: { type: "string" },
  },
});

const browser = await Browser.launch({
  url: values.url,
  screenshots: values.screenshots,
  executable: values.chromium,
});
let failed = 0;
for (const [name, journey] of Object.entries(journeys)) {
  if (values.only && values.only !== name) {
    continue;
  }
  const started = performance.now();
  browser.faults.length = 0;
  try {
    await journey(browser);
    if (browser.faults.length > 0) {
      throw new Error(browser.faults.join("\n"));
    }
    console.log(`ok    ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.error(`FAIL  ${name}\n${error.stack ?? error}`);
    for (const fault of browser.faults) {
      console.error(`      ${fault}`);
    }
  }
}
await browser.close();
console.log(failed === 0 ? "all journeys passed" : `${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
