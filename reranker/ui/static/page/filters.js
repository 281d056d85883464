// The one filter: a histogram with two handles, how many of the best, a name, marks; and the order and size of the cards.

import { createElement } from "./elements.js";
import { histogram, isFiltered, MARK_FILTERS, NO_FILTER, SORT_ORDERS } from "./ranking_rows.js";

const BINS = 40;
const STEP = 0.1;

export function createFilters(store) {
  const { t } = store.texts;
  const bars = createElement("div", { class: "histogram", "aria-hidden": "true" }, ...Array.from({ length: BINS }, () => createElement("i")));
  const handle = (name) => createElement("input", { type: "range", min: 0, max: 10, step: STEP, value: NO_FILTER[name], class: `handle ${name}`, oninput: (event) => slide(name, event.target) });
  const min = handle("min"), max = handle("max");
  const top = createElement("input", { type: "number", min: 1, step: 1, class: "top", oninput: () => change({ top: Math.max(0, Math.floor(Number(top.value))) }) });
  const name = createElement("input", { type: "search", class: "find", oninput: () => change({ name: name.value }) });
  const marks = choice(MARK_FILTERS, (value) => change({ marks: value }));
  const sort = choice(SORT_ORDERS, (value) => change({ sort: value }));
  const group = createElement("input", { type: "checkbox", onchange: () => change({ group: group.checked }) });
  const size = createElement("input", { type: "range", min: 2, max: 8, step: 1, class: "size", oninput: () => store.setView({ columns: 10 - Number(size.value) }) });
  const reset = createElement("button", { type: "button", class: "plain", onclick: () => change({ ...NO_FILTER, sort: filter().sort, group: filter().group }) });
  const shown = createElement("output", { class: "shown" });
  const labels = Object.fromEntries(["top", "marks", "sort", "group", "size"].map((key) => [key, createElement("span")]));
  const fold = createElement("button", { type: "button", class: "fold", "aria-expanded": "false", onclick: () => {
    const isOpen = node.classList.toggle("open");
    fold.setAttribute("aria-expanded", String(isOpen));
  } });
  const node = createElement("div", { class: "filters" },
    createElement("div", { class: "range" }, bars, min, max),
    createElement("div", { class: "filter-line" }, fold, shown, reset,
      createElement("label", {}, labels.top, top), name, createElement("label", {}, labels.marks, marks.node),
      createElement("label", {}, labels.sort, sort.node), createElement("label", { class: "group" }, group, labels.group),
      createElement("label", {}, labels.size, size)));
  store.view.filter = { ...NO_FILTER };

  const filter = () => store.view.filter;
  const change = (values) => store.setView({ filter: { ...filter(), ...values } });

  // The handles do not pass each other.
  function slide(which, input) {
    const value = which === "min" ? Math.min(Number(input.value), filter().max) : Math.max(Number(input.value), filter().min);
    input.value = value;
    change({ [which]: value });
  }

  function choice(values, onChoose) {
    const select = createElement("select", { onchange: () => onChoose(select.value) }, ...values.map((value) => createElement("option", { value })));
    return { node: select, values };
  }

  function translate() {
    for (const [key, label] of Object.entries(labels)) label.textContent = t(`filter_${key}`);
    for (const [prefix, { node: select, values }] of [["filter_marks", marks], ["filter_sort", sort]]) {
      values.forEach((value, index) => { select.options[index].textContent = t(`${prefix}_${value}`); });
    }
    top.placeholder = t("filter_all");
    name.placeholder = t("filter_name");
    name.setAttribute("aria-label", t("filter_name"));
    reset.textContent = t("filter_reset");
    fold.textContent = t("filter_open");
  }

  return {
    node,
    // rows: all of the ranking. visible: those that pass the filter.
    show(rows, visible) {
      translate();
      const chosen = filter(), counts = histogram(rows, BINS), highest = Math.max(1, ...counts);
      [...bars.children].forEach((bar, index) => {
        bar.style.height = counts[index] ? `${10 + 90 * counts[index] / highest}%` : "0";
        const middle = (index + 0.5) * 10 / BINS;
        bar.classList.toggle("out", middle < chosen.min || middle > chosen.max);
      });
      for (const [input, value, key] of [[min, chosen.min, "filter_min"], [max, chosen.max, "filter_max"]]) {
        if (document.activeElement !== input) input.value = value;
        input.setAttribute("aria-label", t(key));
        input.setAttribute("aria-valuetext", value.toFixed(1));
      }
      if (document.activeElement !== top) top.value = chosen.top || "";
      if (document.activeElement !== name) name.value = chosen.name;
      [marks.node.value, sort.node.value, group.checked, size.value] = [chosen.marks, chosen.sort, chosen.group, 10 - (store.view.columns ?? 3)];
      reset.hidden = !isFiltered(chosen);
      shown.textContent = rows.length ? [t("filter_shown", { shown: visible.length, count: rows.length }), ...description(chosen)].join(" · ") : "";
      node.classList.toggle("unused", !rows.length);
    },
  };

  function description(chosen) {
    const parts = [];
    if (chosen.min > 0) parts.push(t("filter_said_min", { score: chosen.min.toFixed(1) }));
    if (chosen.max < 10) parts.push(t("filter_said_max", { score: chosen.max.toFixed(1) }));
    if (chosen.top) parts.push(t("filter_said_top", { count: chosen.top }));
    return parts;
  }
}
