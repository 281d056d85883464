// A grid of which only the rows near the visible part of the page exist. All rows are equally high, so nothing jumps.
// The arrow keys move the focus; the Tab key stops at one cell only.

import { createElement, updateByKey } from "./elements.js";

const EXTRA_ROWS = 2;  // above and below the visible part
const GAP_PX = 12;

// keyOf: (item) -> key. make: (item) -> cell, a <li> with one main <button>. update: (cell, item, index).
// columns: (width) -> count. rowHeight: (cell width) -> px. label: () -> text.
// onKey: (event, item) for other keys than the arrows.
export function createGrid({ className, keyOf, make, update, columns, rowHeight, onKey = () => {} }) {
  const list = createElement("ol", { class: "grid-rows", onkeydown: move });
  const node = createElement("div", { class: `grid ${className}` }, list);
  let items = [], activeKey = null, isScheduled = false;

  const layout = () => {
    const width = node.clientWidth || 1;
    const count = Math.max(1, columns(width));
    const cell = (width - GAP_PX * (count - 1)) / count;
    return { count, row: Math.round(rowHeight(cell)) + GAP_PX };
  };

  function draw() {
    isScheduled = false;
    if (!node.isConnected || !node.clientWidth) return;
    const { count, row } = layout();
    const top = -node.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / row) - EXTRA_ROWS);
    const last = Math.ceil((top + window.innerHeight) / row) + EXTRA_ROWS;
    const rows = Math.ceil(items.length / count);
    node.style.height = `${Math.max(0, rows * row - GAP_PX)}px`;
    list.style.gridTemplateColumns = `repeat(${count}, minmax(0, 1fr))`;
    list.style.gridAutoRows = `${row - GAP_PX}px`;
    list.style.transform = `translateY(${first * row}px)`;
    if (!items.some((item) => keyOf(item) === activeKey)) activeKey = items.length ? keyOf(items[0]) : null;
    const start = first * count;
    let index = start;
    updateByKey(list, items.slice(start, Math.max(start, last * count)), keyOf, make, (cell, item) => {
      cell.setAttribute("aria-posinset", index + 1);
      cell.setAttribute("aria-setsize", items.length);
      mainButton(cell).tabIndex = keyOf(item) === activeKey ? 0 : -1;
      update(cell, item, index++);
    });
  }

  function schedule() {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(draw);
  }

  const mainButton = (cell) => cell.querySelector("button");

  function move(event) {
    const cell = event.target.closest("li");
    const index = items.findIndex((item) => String(keyOf(item)) === cell?.dataset.key);
    if (index < 0) return;
    const { count } = layout();
    const steps = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: count, ArrowUp: -count, Home: -index, End: items.length - 1 - index,
    };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey) return onKey(event, items[index]);
    event.preventDefault();
    focus(keyOf(items[Math.min(items.length - 1, Math.max(0, index + steps[event.key]))]));
  }

  // Bring a cell into view and give it the focus.
  function focus(key) {
    const index = items.findIndex((item) => keyOf(item) === key);
    if (index < 0) return;
    activeKey = key;
    const { count, row } = layout();
    const y = node.getBoundingClientRect().top + Math.floor(index / count) * row;
    const margin = 120;  // of the bar that stays at the top
    if (y < margin) window.scrollBy(0, y - margin);
    else if (y + row > window.innerHeight) window.scrollBy(0, y + row - window.innerHeight);
    draw();
    mainButton(list.querySelector(`[data-key="${CSS.escape(String(key))}"]`))?.focus({ preventScroll: true });
  }

  window.addEventListener("scroll", schedule, { passive: true });
  new ResizeObserver(schedule).observe(node);

  return {
    node,
    show(newItems) { items = newItems; schedule(); },
    refresh: schedule,
    focus,
    get items() { return items; },
  };
}
