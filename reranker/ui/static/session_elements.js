// Functions of the scripts of the tab “Evaluate”. Their values have every text as {en, zh}.

const language = () => (document.documentElement.lang.startsWith("zh") ? "zh" : "en");

// Call a function whenever another language is chosen.
function onLanguage(redraw) {
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["lang"] });
}

// The address of something of a session.
function sessionUrl(session, path) {
  const root = (window.gradio_config?.root ?? "").replace(/\/$/, "");
  return `${root}/sessions/${session}/${path}`;
}

// Create the thumbnail of a picture of a session, or a grey field if the picture is null.
function createThumbnail(session, picture, attributes = {}) {
  if (!picture) return createElement("span", { class: "no-picture" });
  const src = sessionUrl(session, `pictures/${picture}/thumbnail`);
  return createElement("img", { src, alt: "", loading: "lazy", decoding: "async", ...attributes });
}

// Let the browser save a file of a session.
function download(session, name) {
  createElement("a", { href: sessionUrl(session, name), download: name }).click();
}

// Redraw a part of the page, and give the focus back to the element that has the same place there.
function keepingFocus(part, selector, redraw) {
  const index = [...part.querySelectorAll(selector)].indexOf(document.activeElement);
  redraw();
  if (index < 0) return;
  const all = [...part.querySelectorAll(selector)];
  (all[Math.min(index, all.length - 1)] ?? part.querySelector("button:not(:disabled)"))?.focus();
}
