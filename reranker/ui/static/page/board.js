// The ranked pictures as a grid of cards. Only cards near the viewport exist; they keep their elements while they move.

import { listenToKeys } from "./board_keys.js";
import { layoutFor, placeOf, shapeFor } from "./board_layout.js";
import { createCard, createWaitingCard, updateCard } from "./cards.js";
import { createElement } from "./elements.js";
import { isNarrow } from "./filtering.js";
import { changeText, markOf, setMarks } from "./marks.js";
import { createSelection, createSelectionBar } from "./selection.js";
import { createWindowing } from "./windowing.js";

// shown: see shown.js. notices: see notices.js. partScores: see part_scores.js. open: (key), opens the lightbox.
// barBottom: () -> where the sticky bar ends.
export function createBoard(store, shown, labels, notices, partScores, { open, barBottom }) {
  const { texts } = store;
  const list = labels.attribute(createElement("ol", { class: "cards", role: "list" }), "aria-label", "card_list");
  const empty = createElement("p", { class: "board-empty", hidden: true });
  const grid = createElement("div", { class: "board-grid" }, list);
  const node = createElement("div", { class: "board" }, empty, grid);
  const selection = createSelection();
  const selectionBar = createSelectionBar(texts, labels, (change) => mark(0, change), clear);
  const windowing = createWindowing(grid, () => draw());
  let width = 0, layout = null, shape = 4 / 3, focusedKey = null, focusedIndex = 0;

  // Sizes are observed, because to ask for them would lay out the page once more in every frame.
  new ResizeObserver(([{ contentRect }]) => requestAnimationFrame(() => {
    width = contentRect.width || width;
    relayout();
  })).observe(node);
  list.addEventListener("click", handleClick);
  list.addEventListener("focusin", ({ target }) => { remember(indexOf(target.closest(".card"))); });
  listenToKeys(list, {
    indexOf: (target) => target.classList.contains("card-open") ? indexOf(target.closest(".card")) : -1,
    count: () => shown.entries.length, columns: () => layout.columns, focus, mark,
    toggle(index) { selection.toggle(keyAt(index)); saySelection(); },
    extend(index) { selection.extend(shown.entries, focusedIndex, index); saySelection(); },
    selectAll() { selection.selectAll(shown.entries); saySelection(); },
    clear,
  });

  const keyAt = (index) => shown.entries[index]?.row.key ?? null;
  const indexOf = (card) => card ? shown.entries.findIndex(({ row }) => row.key === card.dataset.key) : -1;
  const cardOf = (key) => [...list.children].find((card) => card.dataset.key === key);

  function remember(index) {
    if (index < 0) return;
    [focusedIndex, focusedKey] = [index, keyAt(index)];
    updateTabStop();
  }

  // The grid has one tab stop: the card that had the focus last.
  function updateTabStop() {
    const stop = cardOf(focusedKey) ?? list.querySelector(".card:not(.is-waiting)");
    for (const { parts } of list.children) if (parts) parts.open.tabIndex = parts === stop?.parts ? 0 : -1;
  }

  function handleClick(event) {
    const card = event.target.closest(".card-open")?.closest(".card");
    const index = indexOf(card);
    if (index < 0) return;
    if (event.shiftKey) selection.extend(shown.entries, focusedIndex, index);
    else if (event.ctrlKey || event.metaKey) selection.toggle(keyAt(index));
    else return open(keyAt(index));
    saySelection();
  }

  function saySelection() {
    notices.say(texts.t("card_selected_count", { count: selection.size }));
    draw();
  }

  // Returns whether anything was selected.
  function clear() {
    const had = selection.size > 0;
    selection.clear();
    if (had) saySelection();
    return had;
  }

  // Mark the selection, or the card at an index if nothing is selected.
  function mark(index, change) {
    const chosen = selection.size ? shown.entries.filter(({ row }) => selection.has(row.key)) : [shown.entries[index]];
    const rows = chosen.map(({ row }) => row).filter((row) => row.id !== null);
    if (!rows.length) return;
    notices.say(changeText(texts, change, rows.length === 1 ? rows[0].name : texts.t("mark_pictures", { count: rows.length })));
    setMarks(store, rows.map((row) => row.id), change, notices);
  }

  function markByButton(key, change) {
    const row = shown.entries.find((entry) => entry.row.key === key)?.row;
    if (!row) return;
    if (selection.has(key)) return mark(0, change);
    notices.say(changeText(texts, change, row.name));
    setMarks(store, [row.id], change, notices);
  }

  function toggleGroup(key) {
    shown.toggleGroup(shown.entries.find(({ row }) => row.key === key).row.picture.alike);
  }

  // Focus the card at an index, which is made if it is far away.
  function focus(index) {
    if (index < 0 || index >= shown.entries.length) return;
    [focusedIndex, focusedKey] = [index, keyAt(index)];
    draw();
    const card = cardOf(focusedKey);
    list.style.setProperty("--bar-bottom", `${Math.round(barBottom())}px`);
    card.parts.open.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  function relayout() {
    if (!width) return;
    const before = layout;
    layout = layoutFor(width, store.view.columns, shape, partScores.isShown);
    const isOther = before !== null && before.rowHeight !== layout.rowHeight;
    const top = isOther ? -grid.getBoundingClientRect().top : 0;
    draw();
    if (top > 0) keepInView(top, before);
  }

  // After a change of sizes, the picture that was on top of the viewport is there again.
  function keepInView(top, before) {
    const index = Math.floor(top / before.rowHeight) * before.columns;
    const isAbove = Math.floor(index / layout.columns) * layout.rowHeight;
    window.scrollBy(0, isAbove - Math.floor(top / before.rowHeight) * before.rowHeight);
  }

  function draw() {
    if (!layout || node.hidden) return;
    const { entries } = shown;
    const waiting = waitingIds();
    const rows = Math.ceil((entries.length + waiting.length) / layout.columns);
    windowing.layout(rows, layout.rowHeight);
    grid.style.height = `${rows * layout.rowHeight}px`;
    selection.keepOnly(entries);
    const hadFocus = list.contains(document.activeElement);
    drawCards(entries, waiting);
    if (hadFocus && !list.contains(document.activeElement)) focus(Math.min(focusedIndex, entries.length - 1));
    updateTabStop();
    drawEmpty();
    selectionBar.draw(selection.size);
  }

  // Pictures that the run will still score are in pale places, so that the page does not grow while one looks at it.
  function waitingIds() {
    return shown.isRunning && !isNarrow(shown.filter) && !shown.filter.isGrouped ? shown.waiting : [];
  }

  function drawCards(entries, waiting) {
    const places = entries.length + waiting.length;
    const [firstRow, lastRow] = windowing.range();
    const indexes = new Set();
    for (let index = firstRow * layout.columns; index < Math.min(places, lastRow * layout.columns); index++) indexes.add(index);
    const focused = entries.findIndex(({ row }) => row.key === focusedKey);
    if (focused >= 0) {
      focusedIndex = focused;
      indexes.add(focused);
    }
    placeCards([...indexes].sort((one, other) => one - other), entries, waiting);
    if (partScores.isShown) partScores.want([...indexes].map((index) => entries[index]?.row.id ?? null).filter((id) => id !== null));
  }

  // Put the cards in order without moving the element that has the focus, because that would take the focus from it.
  function placeCards(indexes, entries, waiting) {
    const present = new Map([...list.children].map((card) => [card.dataset.key, card]));
    const cards = indexes.map((index) => {
      const waitingId = waiting[index - entries.length] ?? null;
      const key = keyAt(index) ?? `waiting ${waitingId ?? index}`;
      const card = present.get(key) ?? makeCard(key, index < entries.length, waitingId);
      present.delete(key);
      if (index < entries.length) updateCard(card, entries[index], detailsOf(entries[index], index), texts);
      position(card, index);
      return card;
    });
    for (const card of present.values()) {
      card.querySelector("img")?.removeAttribute("src");  // so that its request does not delay those of the cards that are seen
      card.remove();
    }
    const kept = cards.find((card) => card.contains(document.activeElement));
    let next = null;
    for (const card of cards.reverse()) {
      if (card !== kept && (card.nextSibling !== next || card.parentNode !== list)) list.insertBefore(card, next);
      next = card;
    }
  }

  function makeCard(key, isScored, waitingId) {
    const card = isScored ? createCard(texts, markByButton, toggleGroup)
      : createWaitingCard(waitingId === null ? null : store.thumbnailUrl(waitingId));
    card.dataset.key = key;
    return card;
  }

  function detailsOf({ row }, index) {
    return {
      index, count: shown.entries.length, mark: markOf(store.marks, row.id), isSelected: selection.has(row.key),
      url: row.id === null ? null : store.thumbnailUrl(row.id), parts: partScores.isShown ? partScores.of(row.id) : null,
    };
  }

  function position(card, index) {
    const { x, y } = placeOf(index, layout);
    const { cardWidth, cardHeight, pictureHeight } = layout;
    const style = `width:${cardWidth}px;height:${cardHeight}px;transform:translate(${x}px,${y}px);--picture-height:${pictureHeight}px`;
    if (card.styleText === style) return;
    card.styleText = style;
    card.style.cssText = style;
    card.dataset.size = cardWidth < 150 ? "small" : cardWidth < 250 ? "middle" : "large";
  }

  function drawEmpty() {
    const isFiltered = shown.rows.length > 0 && shown.entries.length === 0;
    empty.hidden = shown.id === null || shown.isRunning || shown.entries.length > 0;
    empty.textContent = empty.hidden ? "" : texts.t(isFiltered ? "results_all_hidden" : "results_no_scores");
  }

  return {
    node, selectionBar: selectionBar.node,
    focusKey(key) { focus(shown.entries.findIndex(({ row }) => row.key === key)); },
    draw(topics) {
      node.hidden = shown.id === null || shown.compared !== null;
      if (topics.has("pictures")) shape = shapeFor(store.pictures.values());
      if (["pictures", "view", "rankings"].some((topic) => topics.has(topic))) relayout();
      else draw();
    },
    get columns() { return layout?.columns ?? null; },
  };
}
