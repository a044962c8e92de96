import "./styles/base.css";
import "./styles/shell.css";
import "./styles/layers.css";
import "./styles/inspector.css";
import "./styles/tiles.css";
import "./styles/timeline.css";

import { App } from "./app";

declare global {
  interface Window {
    /** The page's own handle, for its end-to-end tests and for the curious. */
    onemap?: App;
  }
}

const root = document.getElementById("app");
if (root) {
  const app = new App(root);
  window.onemap = app;
  void app.start();
}
