// Messages at the top of the page: the state of the connection, and what has happened. Screen readers read them.

import { createElement } from "./elements.js";

const LASTING_MS = 8000;

export function createNotices(store) {
  const connection = createElement("p", { class: "notice lost", role: "alert", hidden: true });
  const list = createElement("div", { class: "notice-list", role: "status" });
  const node = createElement("div", { class: "notices" }, connection, list);
  const { t } = store.texts;

  function add(text, { tone = "", action = null, lasting = false } = {}) {
    const close = createElement("button", { type: "button", class: "plain", "aria-label": t("close"), onclick: () => notice.remove() }, "✕");
    const notice = createElement("p", { class: `notice ${tone}` }, createElement("span", {}, text),
      action && createElement("button", { type: "button", onclick: () => { notice.remove(); action.run(); } }, action.text), close);
    for (const other of list.children) if (other.querySelector("span").textContent === text) other.remove();
    list.append(notice);
    if (!lasting) setTimeout(() => notice.remove(), LASTING_MS);
    return notice;
  }

  store.subscribe((topics) => {
    if (!topics.has("connection") && !topics.has("language")) return;
    const text = { lost: "connection_lost", login: "connection_login" }[store.connection];
    connection.hidden = !text;
    connection.textContent = text ? t(text) : "";
  });

  return {
    node,
    // Say a text of the page by its key.
    say: (key, values, options) => add(t(key, values), options),
    // Say what went wrong, in a sentence of the server.
    trouble: (text) => add(text, { tone: "trouble", lasting: true }),
    // Run an action; an error becomes a notice.
    async attempt(action) {
      try {
        return await action();
      } catch (error) {
        if (error.name !== "AbortError") add(error.message, { tone: "trouble", lasting: true });
        return undefined;
      }
    },
  };
}
