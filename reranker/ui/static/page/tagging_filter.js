// The labels that the shown pictures must have, and the downloads, in the sticky bar.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";
import { createTaggingExport } from "./tagging_export.js";
import { nameOf } from "./tagging_labels.js";

export function createTaggingFilter(store, shown, labels) {
  const { texts } = store;
  const list = labels.attribute(createElement("div", { class: "tagging-chosen", role: "group" }), "aria-label", "tagging_filter");
  const count = createElement("span", { class: "tagging-count", role: "status" });
  const clear = labels.text(createElement("button", { type: "button", class: "plain", onclick: clearAll }), "tagging_filter_clear");
  const menu = createTaggingExport(store, shown, labels);
  const node = createElement("div", { class: "filter tagging-filter" }, count, list, clear, menu.node);

  function clearAll() {
    shown.clear();
    menu.button.focus();  // the button goes away
  }

  function makeChip({ key }) {
    return createElement("button", { type: "button", class: "tag-chip is-chosen", onclick: () => shown.toggle(key) });
  }

  function draw() {
    const chosen = shown.counts.filter(({ key }) => shown.filter.has(key));
    node.hidden = !store.pictures.size;
    setText(count, texts.t(chosen.length ? "tagging_with" : "tagging_all", { count: shown.entries.length }));
    updateByKey(list, chosen, ({ key }) => key, makeChip, (chip, each) => {
      const name = nameOf(each, shown.language);
      setText(chip, `${name} ✕`);
      chip.setAttribute("aria-label", texts.t("tagging_filter_remove", { label: name }));
    });
    clear.hidden = !chosen.length;
    menu.draw();
  }

  return { node, draw };
}
