// The header: title, switch of languages, menu, and what is to know about the model.

import { createElement } from "./elements.js";
import { createMenu } from "./menu.js";
import { createModelBanner } from "./model_banner.js";

const LANGUAGES = { zh: "中文", en: "English" };

// chooseLanguage: (code). forget: () ends the session and starts another one.
export function createHeader(store, labels, { chooseLanguage, forget }) {
  const title = labels.text(createElement("h1"), "header_title");
  const lead = labels.text(createElement("p", { class: "lead" }), "header_lead");
  const languages = createLanguageSwitch(store, labels, chooseLanguage);
  const menu = createMenu(store, labels, forget);
  const banner = createModelBanner(store, labels);
  const line = createElement("div", { class: "head-line" },
    createElement("div", { class: "head-text" }, title, lead),
    createElement("div", { class: "head-tools" }, languages.node, menu.node));
  return {
    node: createElement("header", { class: "head" }, line, banner.node),
    draw(topics) {
      languages.draw(topics);
      banner.draw(topics);
    },
  };
}

function createLanguageSwitch(store, labels, chooseLanguage) {
  const buttons = Object.entries(LANGUAGES).map(([code, name]) => createElement("button", {
    type: "button", lang: code === "zh" ? "zh-CN" : code, "data-code": code, onclick: () => chooseLanguage(code),
  }, name));
  const node = labels.attribute(createElement("div", { class: "languages", role: "group" }, ...buttons), "aria-label", "header_language");
  return {
    node,
    draw(topics) {
      if (!topics.has("language")) return;
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.code === store.texts.language));
    },
  };
}
