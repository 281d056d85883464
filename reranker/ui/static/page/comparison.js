// Two rankings side by side, with the change of each picture's rank.

import { titleOf } from "./example.js";
import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { orderRows } from "./order.js";
import { createWindowing } from "./windowing.js";

const ROW_PX = 64;

export function createComparison(store, shown, labels) {
  const { texts } = store;
  const headings = [createElement("h3"), createElement("h3")];
  const rows = createElement("div", { class: "compared-rows" });
  const windowing = createWindowing(rows, () => drawRows());
  const close = labels.text(createElement("button", { type: "button", class: "button", onclick: () => store.setView({ compare: null }) }), "results_close_comparison");
  const lead = labels.text(createElement("p", { class: "compared-lead" }), "results_comparison_lead");
  const node = createElement("section", { class: "compared", hidden: true },
    createElement("div", { class: "compared-top" }, lead, close),
    createElement("div", { class: "compared-row compared-heads" }, ...headings), rows);
  labels.attribute(node, "aria-label", "results_comparison");
  let sides = [[], []], ranksBefore = new Map();
  const lines = new Map();

  function read(id) {
    const results = store.results.get(id);
    return results ? orderRows(results, store.rankings.get(id).temperature, store.pictures) : [];
  }

  function drawRows() {
    const count = Math.max(...sides.map((side) => side.length));
    rows.style.height = `${count * ROW_PX}px`;
    windowing.layout(count, ROW_PX);
    const [first, last] = windowing.range();
    for (const [index, line] of lines) if (index < first || index >= last) { line.remove(); lines.delete(index); }
    for (let index = first; index < last; index++) drawLine(index);
  }

  function drawLine(index) {
    if (!lines.has(index)) {
      const line = createElement("div", { class: "compared-row", style: `transform: translateY(${index * ROW_PX}px)` }, createCell(), createCell());
      lines.set(index, line);
      rows.append(line);
    }
    const [before, after] = lines.get(index).children;
    updateCell(before, sides[0][index], null);
    updateCell(after, sides[1][index], changeOf(sides[1][index]));
  }

  function createCell() {
    const cell = createElement("div", { class: "compared-cell" });
    cell.parts = {
      rank: createElement("span", { class: "compared-rank" }), image: createElement("img", { alt: "", decoding: "async" }),
      name: createElement("span", { class: "compared-name" }), score: createElement("b"), change: createElement("span", { class: "rank-change", role: "img" }),
    };
    cell.append(...Object.values(cell.parts));
    return cell;
  }

  function updateCell(cell, row, change) {
    cell.classList.toggle("is-blank", !row);
    if (!row) return;
    const { rank, image, name, score } = cell.parts;
    setText(rank, `#${row.rank}`);
    setText(name, row.name);
    setText(score, row.text);
    name.title = row.name;
    image.style.visibility = row.id === null ? "hidden" : "";
    const url = row.id === null ? null : store.thumbnailUrl(row.id);
    if (url && image.getAttribute("src") !== url) image.setAttribute("src", url);
    showChange(cell.parts.change, change);
  }

  // "new" if the picture was not ranked before, null on the left side.
  function changeOf(row) {
    if (!row) return null;
    return ranksBefore.has(row.key) ? ranksBefore.get(row.key) - row.rank : "new";
  }

  function showChange(node, change) {
    const direction = change === "new" ? "new" : change > 0 ? "up" : change < 0 ? "down" : "same";
    node.hidden = change === null;
    node.dataset.direction = direction;
    const glyph = { new: texts.t("results_change_new"), up: `▲${change}`, down: `▼${-change}`, same: "=" }[direction];
    setText(node, node.hidden ? "" : glyph);
    node.setAttribute("aria-label", texts.t(`results_change_${direction}`, { count: Math.abs(change) }));
  }

  return {
    node,
    draw(topics) {
      const other = shown.compared;
      node.hidden = other === null;
      if (node.hidden) return;
      if (["connection", "view"].some((topic) => topics.has(topic))) store.loadResults(other);
      sides = [read(other), shown.rows];
      ranksBefore = new Map(sides[0].map((row) => [row.key, row.rank]));
      setText(headings[0], titleOf(store.rankings.get(other), texts));
      setText(headings[1], titleOf(shown.summary, texts));
      drawRows();
    },
  };
}
