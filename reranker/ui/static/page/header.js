// The header: title, language, menu, and one line about the model.

import { createElement } from "./elements.js";

const LANGUAGES = { zh: "中文", en: "English" };
const KEYS = [["Enter", "key_rank"], ["Esc", "key_stop"], ["← → ↑ ↓", "key_move"], ["P / X / U", "key_pick"], ["1–5 / 0", "key_rate"],
  ["Ctrl / Shift", "key_select"], ["?", "key_help"]];

export function createHeader(store, chooseLanguage) {
  const { t, text } = store.texts;
  const title = createElement("h1"), lead = createElement("p", { class: "lead" });
  const banner = createBanner(store);
  const languages = createElement("div", { class: "languages", role: "group" }, ...Object.entries(LANGUAGES).map(([code, name]) =>
    createElement("button", { type: "button", lang: code === "zh" ? "zh-CN" : "en", "data-code": code, onclick: () => chooseLanguage(code) }, name)));
  const menu = createMenu(store);
  const node = createElement("header", { class: "head" },
    createElement("div", { class: "head-line" }, createElement("div", {}, title, lead), createElement("div", { class: "head-tools" }, languages, menu.node)),
    banner);

  store.subscribe((topics) => {
    if (!topics.has("language")) return;
    title.textContent = t("title");
    lead.textContent = t("lead");
    languages.setAttribute("aria-label", t("language"));
    for (const button of languages.children) button.setAttribute("aria-pressed", button.dataset.code === store.texts.language);
    menu.translate();
  });
  return { node };

  // What people must know of the model, until they close it; loading, and a button that downloads a better one.
  function createBanner() {
    const line = createElement("p"), details = createElement("span", { class: "muted" });
    const download = createElement("button", { type: "button", onclick: () => store.notices.attempt(() => store.api.post(store.path("download"))) });
    const close = createElement("button", { type: "button", class: "plain", onclick: () => { closed = banner.dataset.kind; show(); } }, "✕");
    const banner = createElement("div", { class: "banner", hidden: true }, line, download, close);
    let closed = null;
    const show = () => {
      const { model } = store;
      if (!model) return;
      const kind = model.state === "ready" ? (model.demo ? "demo" : text(model.text) ? "text" : "") : model.state;
      banner.dataset.kind = kind;
      banner.hidden = !kind || kind === closed;
      const heads = { demo: t("model_demo"), loading: t("model_loading"), downloading: t("model_downloading", { percent: Math.round(100 * model.share) }) };
      details.textContent = text(model.text);
      line.replaceChildren(createElement("b", {}, heads[kind] ?? ""), " ", details);
      download.hidden = !model.download || model.state === "downloading";
      if (model.download) download.textContent = t(model.download.gigabytes ? "model_download_sized" : "model_download", { name: model.download.name, size: model.download.gigabytes });
      close.setAttribute("aria-label", t("close"));
      close.hidden = kind === "failed";
    };
    store.subscribe((topics) => { if (topics.has("model") || topics.has("language")) show(); });
    return banner;
  }
}

// The menu of the session, with a list of keys and a question before everything is deleted.
function createMenu(store) {
  const { t } = store.texts;
  const items = { copy: copyAddress, keys: () => openDialog("keys_title", keyTable()), forget: askToForget };
  const buttons = Object.fromEntries(Object.entries(items).map(([name, run]) =>
    [name, createElement("button", { type: "button", onclick: () => { popup.hidden = true; run(); } })]));
  const opener = createElement("button", { type: "button", class: "plain", "aria-haspopup": "true", "aria-expanded": "false", onclick: toggle }, "⋯");
  const popup = createElement("div", { class: "popup", hidden: true }, ...Object.values(buttons));
  const node = createElement("div", { class: "menu", onkeydown: (event) => { if (event.key === "Escape" && !popup.hidden) { event.stopPropagation(); toggle(); opener.focus(); } } }, opener, popup);
  document.addEventListener("click", (event) => { if (!node.contains(event.target)) close(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "?" && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) items.keys();
  });

  function toggle() {
    popup.hidden = !popup.hidden;
    opener.setAttribute("aria-expanded", String(!popup.hidden));
    if (!popup.hidden) buttons.copy.focus();
  }

  function close() {
    popup.hidden = true;
    opener.setAttribute("aria-expanded", "false");
  }

  async function copyAddress() {
    try {
      await navigator.clipboard.writeText(location.href);
      store.notices.say("menu_copied", { hours: store.session.hours });
    } catch {
      openDialog("menu_copy", createElement("p", { class: "address" }, location.href));
    }
  }

  function askToForget() {
    const sure = createElement("button", { type: "button", class: "danger", onclick: async () => {
      await store.notices.attempt(() => store.api.delete(`sessions/${store.session.id}`));
      dialog.close();
      history.replaceState(history.state, "", location.pathname + location.search);
      location.reload();
    } }, t("menu_forget"));
    const dialog = openDialog("menu_forget", createElement("p", {}, t("menu_forget_question")), sure);
  }

  function openDialog(title, ...content) {
    const dismiss = createElement("button", { type: "button", onclick: () => dialog.close() }, t("close"));
    const heading = createElement("h2", { id: "dialog-title" }, t(title));
    const dialog = createElement("dialog", { class: "small-dialog", "aria-labelledby": "dialog-title", onclose: () => { dialog.remove(); opener.focus(); } },
      heading, content[0], createElement("div", { class: "dialog-buttons" }, ...content.slice(1), dismiss));
    node.append(dialog);
    dialog.showModal();
    return dialog;
  }

  const keyTable = () => createElement("dl", { class: "keys" }, ...KEYS.flatMap(([key, text]) =>
    [createElement("dt", {}, createElement("kbd", {}, key)), createElement("dd", {}, t(text))]));

  return {
    node,
    translate() {
      opener.setAttribute("aria-label", t("menu"));
      buttons.copy.textContent = t("menu_copy");
      buttons.keys.textContent = t("keys_title");
      buttons.forget.textContent = t("menu_forget");
    },
  };
}
