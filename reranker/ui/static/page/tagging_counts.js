// How many pictures have each label: a table that can be sorted, and whose labels filter the pictures.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";
import { nameOf } from "./tagging_labels.js";

const FEW = 30;  // more are behind a button
const WIDE = "(min-width: 1080px)";

export function createTaggingCounts(store, shown, labels) {
  const { texts } = store;
  const summary = createElement("summary");
  const heads = ["name", "count"].map(createHead);
  const body = createElement("tbody");
  const table = createElement("table", {}, createElement("thead", {}, createElement("tr", {}, ...heads.map(({ node }) => node))), body);
  const more = createElement("button", { type: "button", class: "plain", onclick: () => { isUnfolded = !isUnfolded; draw(); } });
  const node = createElement("details", { class: "tagging-counts", open: matchMedia(WIDE).matches }, summary, table, more);
  let sort = { by: "count", isDescending: true }, isUnfolded = false;

  function createHead(by) {
    const button = labels.text(createElement("button", { type: "button", class: "plain", onclick: () => sortBy(by) }), `tagging_column_${by}`);
    return { by, node: createElement("th", { scope: "col" }, button) };
  }

  function sortBy(by) {
    sort = { by, isDescending: sort.by === by ? !sort.isDescending : by === "count" };
    draw();
  }

  function sorted() {
    const collator = new Intl.Collator(texts.locale, { numeric: true });
    const byName = (one, other) => collator.compare(one.name, other.name);
    const rows = shown.counts.map((each) => ({ ...each, name: nameOf(each, shown.language) }));
    const sign = sort.isDescending ? -1 : 1;
    return rows.sort((one, other) => sort.by === "name" ? sign * byName(one, other) : sign * (one.count - other.count) || byName(one, other));
  }

  function makeRow({ key }) {
    const button = createElement("button", { type: "button", class: "plain", onclick: () => shown.toggle(key) });
    const count = createElement("td");
    return Object.assign(createElement("tr", {}, createElement("th", { scope: "row" }, button), count), { parts: { button, count } });
  }

  function updateRow(row, { key, name, count }) {
    setText(row.parts.button, name);
    row.parts.button.setAttribute("aria-pressed", String(shown.filter.has(key)));
    setText(row.parts.count, count.toLocaleString(texts.locale));
  }

  function draw() {
    node.hidden = !shown.counts.length;
    if (node.hidden) return;
    const rows = sorted();
    setText(summary, texts.t("tagging_counts", { count: rows.length }));
    for (const { by, node: head } of heads) head.setAttribute("aria-sort", sort.by !== by ? "none" : sort.isDescending ? "descending" : "ascending");
    updateByKey(body, isUnfolded ? rows : rows.slice(0, FEW), ({ key }) => key, makeRow, updateRow);
    more.hidden = rows.length <= FEW;
    setText(more, isUnfolded ? texts.t("tagging_counts_fewer") : texts.t("tagging_counts_all", { count: rows.length }));
  }

  return { node, draw };
}
