import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds the map server; the page itself only knows its own origin. */
const server = process.env.ONEMAP_SERVER ?? "http://127.0.0.1:8000";
const proxied = ["/api", "/tiles", "/styles", "/sprites", "/healthz", "/readyz"];

export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    // MapLibre is a megabyte that changes seldom: in a chunk of its own it stays in the cache
    // of a browser while our code changes.
    chunkSizeWarningLimit: 1300,
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: "maplibre", test: /node_modules/ }] },
      },
    },
  },
  server: { proxy: Object.fromEntries(proxied.map((path) => [path, server])) },
  test: { include: ["test/**/*.test.ts"] },
});
