// Labels as chips: a button that filters by the label, and one that takes the label away.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { nameOf, percentOf } from "./tagging_labels.js";

const FONT = '13px system-ui, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif';
const CHIP_PX = 54, GAP_PX = 6, MORE_PX = 48;  // around the name of a label, with its percents; between chips; for “+3”
const MARKS = { added: "+", confirmed: "✓" };
const MAX_KNOWN = 5000;

const context = document.createElement("canvas").getContext("2d");
const widths = new Map();  // of texts

function widthOf(text) {
  if (widths.size > MAX_KNOWN) widths.clear();
  if (!widths.has(text)) {
    context.font = FONT;
    widths.set(text, context.measureText(text).width);
  }
  return widths.get(text);
}

// How many of the labels fit into some lines. Measured without a layout of the page, as this is asked for many pictures.
export function chipsThatFit(labels, language, width, lines) {
  const room = (line, isLast) => width - (line === lines && !isLast ? MORE_PX : 0);
  let line = 1, x = 0, count = 0;
  for (const label of labels) {
    const isLast = count === labels.length - 1;
    const chip = Math.min(width, widthOf(nameOf(label, language)) + CHIP_PX);
    if (x > 0 && x + chip > room(line, isLast)) [line, x] = [line + 1, 0];
    if (line > lines || (chip > room(line, isLast) && count > 0)) break;
    x += chip + GAP_PX;
    count += 1;
  }
  return count;
}

// actions: {filter: (key), remove: (label)}.
export function createChip(actions) {
  const mark = createElement("span", { class: "tag-mark", "aria-hidden": "true" }), name = createElement("span", { class: "tag-text" });
  const percent = createElement("small");
  const chip = createElement("span", { class: "tag-chip" });
  const open = createElement("button", { type: "button", class: "tag-name", onclick: () => actions.filter(chip.label.key) }, mark, name, percent);
  const remove = createElement("button", { type: "button", class: "tag-remove", onclick: () => actions.remove(chip.label) }, "✕");
  chip.append(open, remove);
  chip.parts = { mark, name, percent, open, remove };
  return chip;
}

// view: {language, filter, picture: its name}.
export function updateChip(chip, label, { language, filter, picture }, texts) {
  const { mark, name, percent, open, remove } = chip.parts;
  chip.label = label;
  const text = nameOf(label, language), share = label.by === "added" ? "" : percentOf(label.confidence);
  setText(mark, MARKS[label.by] ?? "");
  setText(name, text);
  setText(percent, share);
  mark.hidden = !label.by;
  percent.hidden = !share;
  chip.classList.toggle("is-by-hand", Boolean(label.by));
  open.setAttribute("aria-pressed", String(filter.has(label.key)));
  const state = label.by ? texts.t(`tagging_by_${label.by}`) : share;
  open.setAttribute("aria-label", texts.t("tagging_chip", { label: text, state }));
  open.title = texts.t("tagging_chip_title", { label: text, state });
  remove.setAttribute("aria-label", texts.t("tagging_chip_remove", { label: text, name: picture }));
  remove.title = texts.t("tagging_does_not_fit");
}
