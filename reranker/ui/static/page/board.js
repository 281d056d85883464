// The pictures of one ranking as cards, in as many columns as people choose.

import { createElement } from "./elements.js";
import { createGrid } from "./grid.js";
import { createMarkButtons, mark, markOfKey } from "./marks.js";
import { scoreText } from "./ranking_rows.js";
import { createSelection } from "./selection.js";

const PHONE_PX = 640;
const DEFAULT_COLUMNS = 3;
const CAPTION_PX = 62;

// open: (row) shows a picture alone.
export function createBoard(store, { open, expand }) {
  const { t } = store.texts;
  const live = createElement("span", { class: "visually-hidden", role: "status" });
  const selection = createSelection(() => grid.refresh());
  const cards = new WeakMap();
  let rows = new Map();

  const grid = createGrid({
    className: "board", keyOf: (row) => row.key, make, update, onKey,
    columns: (width) => (width < PHONE_PX ? 2 : store.view.columns ?? DEFAULT_COLUMNS),
    rowHeight: (width) => width * 0.75 + CAPTION_PX,
  });

  function make(row) {
    const { key } = row;
    const picture = row.picture
      ? createElement("img", { src: store.thumbnailUrl(row.picture), alt: "", loading: "lazy", decoding: "async" })
      : createElement("span", { class: "no-picture" });
    const parts = {
      rank: createElement("span", { class: "rank" }), score: createElement("span", { class: "score" }),
      fill: createElement("i"), name: createElement("span", { class: "name" }),
      similar: createElement("button", { type: "button", class: "similar", tabindex: "-1", hidden: true, onclick: () => expand(rows.get(key).group) }),
      marks: createMarkButtons(store, (change) => setMark(key, change)),
    };
    parts.main = createElement("button", { type: "button", class: "card", onclick: (event) => choose(event, key) },
      createElement("span", { class: "frame" }, picture, parts.rank),
      createElement("span", { class: "score-bar" }, parts.fill),
      createElement("span", { class: "caption" }, parts.score, parts.name));
    const cell = createElement("li", {}, parts.main, parts.marks.node, parts.similar);
    cards.set(cell, parts);
    return cell;
  }

  function update(cell, row) {
    const parts = cards.get(cell), score = scoreText(row.score);
    parts.rank.textContent = `#${row.rank}`;
    parts.score.textContent = `#${row.rank} · ${score}`;
    parts.fill.style.width = `${10 * row.score}%`;
    parts.name.textContent = row.name;
    parts.main.title = row.name;
    parts.main.setAttribute("aria-label", t("card_label", { rank: row.rank, score, name: row.name }));
    parts.main.setAttribute("aria-pressed", String(selection.has(row.key)));
    const marked = store.marks.get(row.picture);
    parts.marks.node.hidden = !row.picture;
    parts.marks.show(marked);
    parts.similar.hidden = !row.others;
    if (row.others) parts.similar.textContent = t("card_similar", { count: row.others });
    cell.className = [row.rank === 1 && "first", selection.has(row.key) && "selected", marked?.pick === 1 && "picked", marked?.pick === -1 && "rejected"]
      .filter(Boolean).join(" ");
  }

  function choose(event, key) {
    if (event.shiftKey) selection.extend(key, [...rows.keys()]);
    else if (event.ctrlKey || event.metaKey) selection.toggle(key);
    else { selection.clear(); open(rows.get(key)); }
  }

  function onKey(event, row) {
    const change = markOfKey(event);
    if (change) setMark(row.key, change);
    else if (event.key === " ") selection.toggle(row.key);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) selection.all([...rows.keys()]);
    else if (event.key === "Escape" && selection.keys.size) selection.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Mark a picture, or all that are selected if it is one of them.
  function setMark(key, change) {
    const keys = selection.has(key) ? [...selection.keys] : [key];
    const ids = keys.map((each) => rows.get(each)?.picture).filter(Boolean);
    if (ids.length) live.textContent = mark(store, ids, change);
  }

  return {
    node: createElement("div", {}, live, grid.node),
    selection,
    show(shown) {
      rows = new Map(shown.map((row) => [row.key, row]));
      selection.keep(rows);
      grid.show(shown);
    },
    focus: grid.focus,
  };
}
