// Load what a tab needs before it is drawn.

import { createElement } from "./elements.js";

const STYLES = ["app.css", "results.css"];
const RETRY_MS = 2000;

// Returns the texts; see texts.js. root: the address of the page, without a slash at the end.
export async function loadTextsAndStyles(root) {
  const [texts] = await Promise.all([loadTexts(root), ...STYLES.map((name) => loadStyle(`${root}/page/${name}`))]);
  return texts;
}

async function loadTexts(root) {
  for (;;) {
    try {
      const response = await fetch(`${root}/page/texts.json`);
      if (response.ok) return response.json();
    } catch { /* the server is away */ }
    await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
  }
}

// Load a style sheet, so that nothing is seen without it.
function loadStyle(href) {
  const known = [...document.querySelectorAll("link[rel=stylesheet]")].some((link) => link.getAttribute("href") === href);
  if (known) return null;
  return new Promise((resolve) => {
    document.head.append(createElement("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
  });
}
