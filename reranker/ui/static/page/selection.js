// The pictures of the board that are selected, and the bar that marks them together.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { createMarkButtons, updateMarkButtons } from "./marks.js";

const NO_MARK = Object.freeze({ pick: 0, rating: 0 });

export function createSelection() {
  const keys = new Set();
  let anchor = null;  // where a range begins
  return {
    has: (key) => keys.has(key),
    get size() { return keys.size; },
    toggle(key) {
      if (!keys.delete(key)) keys.add(key);
      anchor = key;
    },
    // Select all from the anchor, or from this index if there is none, to another index.
    extend(entries, from, to) {
      const found = entries.findIndex(({ row }) => row.key === anchor);
      const start = found >= 0 ? found : from;
      anchor = entries[start].row.key;
      entries.slice(Math.min(start, to), Math.max(start, to) + 1).forEach(({ row }) => keys.add(row.key));
    },
    selectAll(entries) { entries.forEach(({ row }) => keys.add(row.key)); },
    clear() {
      keys.clear();
      anchor = null;
    },
    // Forget what is not shown any more: marks must not change pictures that nobody sees.
    keepOnly(entries) {
      if (!keys.size) return;
      const shown = new Set(entries.map(({ row }) => row.key));
      for (const key of keys) if (!shown.has(key)) keys.delete(key);
    },
  };
}

// onMark: (change). onClear: ().
export function createSelectionBar(texts, labels, onMark, onClear) {
  const count = createElement("b");
  const marks = createMarkButtons(onMark, null);
  const clear = labels.text(createElement("button", { type: "button", class: "plain", onclick: onClear }), "card_clear_selection");
  const node = createElement("div", { class: "selection-bar", role: "group", hidden: true }, count, marks, clear);
  labels.attribute(node, "aria-label", "card_selection");
  return {
    node,
    draw(size) {
      node.hidden = size === 0;
      setText(count, texts.t("card_selected_count", { count: size }));
      updateMarkButtons(marks, NO_MARK, texts);
    },
  };
}
