// The pictures of the tab “Labels” as a grid of cards. Only cards near the viewport exist. The grid has one tab stop; arrows
// move in it.

import { indexAfterKey } from "./board_keys.js";
import { placeOf, shapeFor } from "./board_layout.js";
import { createElement, updateByKey } from "./elements.js";
import { chipsThatFit } from "./tagging_chips.js";
import { createTaggingCard, updateTaggingCard } from "./tagging_cards.js";
import { createWindowing } from "./windowing.js";

const CARD_PX = 250, GAP_PX = 16, PHONE_PX = 640, PHONE_GAP_PX = 10, MIN_COLUMNS = 2;
const LINE_PX = 34, CHIP_LINES = 3, CHIP_LINE_PX = 32;

// shown: see tagging_shown.js. open: (id, whether a label is to be added). barBottom: () -> where the sticky bar ends.
export function createTaggingBoard(store, shown, labels, corrections, { open, barBottom }) {
  const { texts } = store;
  const list = labels.attribute(createElement("ol", { class: "cards", role: "list" }), "aria-label", "pictures_list");
  const empty = labels.text(createElement("p", { class: "board-empty", hidden: true }), "tagging_none_with");
  const grid = createElement("div", { class: "board-grid" }, list);
  const node = createElement("div", { class: "board" }, empty, grid);
  const windowing = createWindowing(grid, () => draw());
  const unfolded = new Set();  // ids of pictures whose labels are all shown
  let width = 0, layout = null, shape = 4 / 3, focusedId = null;

  new ResizeObserver(([{ contentRect }]) => requestAnimationFrame(() => {
    width = contentRect.width || width;
    relayout();
  })).observe(node);
  list.addEventListener("focusin", ({ target }) => {
    focusedId = target.closest(".card").dataset.key;
    updateTabStop();
  });
  list.addEventListener("keydown", handleKey);

  const entryOf = (id) => shown.entries.find(({ picture }) => picture.id === id);
  const indexOf = (id) => shown.entries.findIndex(({ picture }) => picture.id === id);
  const cardOf = (id) => [...list.children].find((card) => card.dataset.key === id);
  const actions = {
    open: (id) => open(id, false),
    add: (id) => open(id, true),
    filter: (key) => shown.toggle(key),
    check: (id) => corrections.check(entryOf(id)),
    remove: (id, label) => corrections.remove(entryOf(id), label),
    fold(id) {
      if (!unfolded.delete(id)) unfolded.add(id);
      draw();
    },
  };

  function handleKey(event) {
    if (!event.target.classList.contains("card-open") || event.ctrlKey || event.metaKey || event.altKey) return;
    const id = event.target.closest(".card").dataset.key;
    const target = indexAfterKey(event.key, indexOf(id), shown.entries.length, layout.columns);
    if (target !== null) focus(target);
    else if (event.key.toLowerCase() === "c") actions.check(id);
    else if (event.key === "+") actions.add(id);
    else return;
    event.preventDefault();
  }

  // Focus the card at an index, which is made if it is far away.
  function focus(index) {
    if (index < 0 || index >= shown.entries.length) return;
    focusedId = shown.entries[index].picture.id;
    draw();
    const card = cardOf(focusedId);
    list.style.setProperty("--bar-bottom", `${Math.round(barBottom())}px`);
    card.parts.open.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  function updateTabStop() {
    const stop = cardOf(focusedId) ?? list.firstElementChild;
    for (const card of list.children) card.setStop(card === stop);
  }

  function relayout() {
    if (!width) return;
    const gap = width < PHONE_PX ? PHONE_GAP_PX : GAP_PX;
    const columns = Math.max(MIN_COLUMNS, Math.floor((width + gap) / (CARD_PX + gap)));
    const cardWidth = Math.floor((width - gap * (columns - 1)) / columns);
    const pictureHeight = Math.round(cardWidth / shape);
    const cardHeight = pictureHeight + LINE_PX + CHIP_LINES * CHIP_LINE_PX;
    layout = { columns, gap, cardWidth, pictureHeight, cardHeight, rowHeight: cardHeight + gap };
    draw();
  }

  function draw() {
    if (!layout) return;
    const { entries } = shown;
    empty.hidden = entries.length > 0;
    const rows = Math.ceil(entries.length / layout.columns);
    windowing.layout(rows, layout.rowHeight);
    grid.style.height = `${rows * layout.rowHeight}px`;
    updateByKey(list, shownIndexes(), (index) => entries[index].picture.id, makeCard, updateCard);
    updateTabStop();
  }

  // The indexes near the viewport, and that of the card with the focus.
  function shownIndexes() {
    const [first, last] = windowing.range();
    const indexes = [], focused = indexOf(focusedId);
    for (let index = first * layout.columns; index < Math.min(shown.entries.length, last * layout.columns); index += 1) indexes.push(index);
    if (focused >= 0 && !indexes.includes(focused)) indexes.push(focused);
    return indexes.sort((one, other) => one - other);
  }

  const makeCard = (index) => createTaggingCard(store, shown.entries[index].picture.id, actions);

  function updateCard(card, index) {
    const entry = shown.entries[index], { id } = entry.picture;
    const isUnfolded = unfolded.has(id);
    const fitting = chipsThatFit(entry.labels, shown.language, layout.cardWidth, CHIP_LINES);
    updateTaggingCard(card, entry, { index, count: shown.entries.length, filter: shown.filter, language: shown.language, fitting, isUnfolded }, texts);
    const { x, y } = placeOf(index, layout);
    const style = `width:${layout.cardWidth}px;height:${layout.cardHeight}px;transform:translate(${x}px,${y}px);--picture-height:${layout.pictureHeight}px`;
    if (card.styleText !== style) card.style.cssText = card.styleText = style;
  }

  return {
    node,
    focusKey: (id) => focus(indexOf(id)),
    draw(topics) {
      if (topics.has("pictures") || topics.has("session")) {
        shape = shapeFor(store.pictures.values());
        relayout();
      } else draw();
    },
  };
}
