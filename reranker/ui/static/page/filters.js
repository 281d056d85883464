// The one filter of the results, in the sticky bar: scores, the best N, names, marks, order; and the menu of downloads.

import { createElement } from "./elements.js";
import { isNarrow, NO_FILTER } from "./filtering.js";
import { createHistogram } from "./histogram.js";
import { setText } from "./labels.js";

const MARK_CHOICES = ["all", "picked", "kept", "unmarked", "rated1", "rated2", "rated3", "rated4", "rated5"];
const SORT_CHOICES = ["score", "name", "taken"];

export function createFilters(store, shown, labels, exportMenu) {
  const { texts } = store;
  const id = `results-filter-${store.tab}`;
  const histogram = createHistogram(texts, labels, shown.setFilter);
  const top = createElement("input", {
    type: "number", class: "filter-top", min: 1, step: 1, inputmode: "numeric",
    oninput: () => shown.setFilter({ top: Math.floor(Number(top.value)) >= 1 ? Math.floor(Number(top.value)) : null }),
  });
  labels.attribute(top, "placeholder", "filter_top_all");
  const name = labels.attribute(createElement("input", { type: "search", class: "filter-name", oninput: () => shown.setFilter({ name: name.value }) }), "placeholder", "filter_name");
  labels.attribute(name, "aria-label", "filter_name");
  const marks = createChoice("filter_marks", MARK_CHOICES, (value) => shown.setFilter({ marks: value }));
  const sort = createChoice("filter_sort", SORT_CHOICES, (value) => shown.setFilter({ sort: value }));
  const group = createElement("input", { type: "checkbox", onchange: () => shown.setFilter({ isGrouped: group.checked }) });
  const groupLabel = createElement("label", { class: "filter-group" }, group, labels.text(createElement("span"), "filter_group"));
  const topLabel = createElement("label", { class: "filter-label" }, labels.text(createElement("span"), "filter_top"), top);
  const fields = createElement("div", { class: "filter-fields", id }, histogram.node, topLabel, name, marks, sort, groupLabel);
  const fold = createElement("button", { type: "button", class: "filter-fold button", "aria-controls": id, onclick: () => unfold(!node.classList.contains("is-open")) });
  const counts = createElement("output", { class: "filter-counts" });
  const reset = labels.text(createElement("button", { type: "button", class: "plain", onclick: clear }), "filter_reset");
  const node = createElement("div", { class: "filter", role: "group", hidden: true, onkeydown: foldByEscape },
    fields, createElement("div", { class: "filter-foot" }, fold, counts, reset, exportMenu.node));
  labels.attribute(node, "aria-label", "filter_title");
  unfold(false);

  function createChoice(label, choices, onChoose) {
    const options = choices.map((value) => labels.text(createElement("option", { value }), `${label}_${value}`));
    const select = createElement("select", { onchange: () => onChoose(select.value) }, ...options);
    return labels.attribute(select, "aria-label", label);
  }

  // On phones, the fields are folded below a button.
  function unfold(isOpen) {
    node.classList.toggle("is-open", isOpen);
    fold.setAttribute("aria-expanded", String(isOpen));
  }

  function foldByEscape(event) {
    if (event.key !== "Escape" || !node.classList.contains("is-open")) return;
    unfold(false);
    fold.focus();
  }

  function clear() {
    const { sort: order, isGrouped } = shown.filter;
    shown.setFilter({ ...NO_FILTER, sort: order, isGrouped });
    (node.classList.contains("is-open") ? fold : name).focus();
  }

  function setValue(input, value) {
    if (input.value !== value) input.value = value;
  }

  // Each statement stays on one line.
  function drawCounts(statements) {
    if (counts.textContent === statements.join(" · ")) return;
    counts.replaceChildren(...statements.flatMap((statement, index) =>
      index < statements.length - 1 ? [createElement("span", {}, `${statement} ·`), " "] : [createElement("span", {}, statement)]));
  }

  return {
    node,
    draw() {
      const { filter, rows } = shown;
      node.hidden = shown.id === null;
      node.inert = shown.compared !== null;
      histogram.draw(rows, filter, shown.summary?.threshold);
      if (document.activeElement !== top) setValue(top, filter.top === null ? "" : String(filter.top));
      setValue(name, filter.name);
      setValue(marks, filter.marks);
      setValue(sort, filter.sort);
      group.checked = filter.isGrouped;
      reset.hidden = !isNarrow(filter);
      setText(fold, texts.t("filter_title"));
      fold.classList.toggle("is-used", isNarrow(filter));
      drawCounts([texts.t("filter_shown", { shown: shown.entries.length, count: rows.length }), ...filterTexts(filter, texts)]);
    },
  };
}

// What the filter lets through, in words: "Score >= 2.5", "Top 10".
export function filterTexts({ min, max, top, name, marks }, texts) {
  const [low, high] = [min.toFixed(1), max.toFixed(1)];
  return [
    min > 0 && max < 10 && texts.t("filter_between", { low, high }),
    min > 0 && max === 10 && texts.t("filter_at_least", { low }),
    min === 0 && max < 10 && texts.t("filter_at_most", { high }),
    top !== null && texts.t("filter_top_n", { count: top }),
    name.trim() && texts.t("filter_named", { name: name.trim() }),
    marks !== "all" && texts.t(`filter_marks_${marks}`),
  ].filter(Boolean);
}
