// What is said about the connection: that it was lost and what happens to the work, that a session has ended, that people
// must log in.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";

export function createConnectionNotice(store, labels) {
  const { t } = store.texts;
  const text = createElement("p", { class: "connection-text" });
  const reload = labels.text(createElement("button", { type: "button", class: "button", onclick: () => location.reload() }), "connection_reload");
  const close = createElement("button", { type: "button", class: "plain close", onclick: () => { news = null; draw(); } }, "✕");
  labels.attribute(close, "aria-label", "header_close");
  const node = createElement("div", { class: "connection", role: "alert", hidden: true }, text, reload, close);
  let news = null;  // the key of a sentence about a new session

  function draw() {
    const key = { lost: store.session ? "connection_lost" : "connection_none", login: "connection_login" }[store.connection] ?? news;
    node.hidden = !key;
    node.classList.toggle("is-trouble", key !== news);
    setText(text, key ? t(key, { hours: store.session?.hours ?? 24 }) : "");
    reload.hidden = store.connection !== "login";
    close.hidden = key !== news;
  }

  return {
    node,
    // Say something about a session that is new. key: of a text.
    say(key) { news = key; draw(); },
    draw(topics) { if (topics.has("connection") || topics.has("language") || topics.has("session")) draw(); },
  };
}
