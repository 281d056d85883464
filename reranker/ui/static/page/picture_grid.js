// The grid of pictures to manage. It has one tab stop; arrows move in it. Cells are placed by their index, so that one
// with the focus can stay while others come and go.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";
import { createWindowing } from "./windowing.js";

const CELL_PX = 128, GAP_PX = 10, NAME_PX = 28;  // width that cells have at least, space between them, height of a name

// chosen: see manager.js. onChange: () after another selection. onRemove: (id).
export function createPictureGrid(store, labels, chosen, { onChange, onRemove }) {
  const { t, text } = store.texts;
  const list = labels.attribute(createElement("ul", { class: "manage-grid", role: "list" }), "aria-label", "pictures_list");
  const node = createElement("div", { class: "manage-place" }, list);
  const windowing = createWindowing(node, () => draw(pictures));
  let pictures = [], stop = 0, columns = 1, cellWidth = CELL_PX, isFocusWanted = false;

  new ResizeObserver(() => requestAnimationFrame(() => { if (node.clientWidth) draw(pictures); })).observe(node);
  list.addEventListener("keydown", handleKey);
  list.addEventListener("focusin", ({ target }) => { stop = Math.max(0, indexOf(target)); updateStop(); });

  const indexOf = (target) => pictures.findIndex(({ id }) => id === target.closest("li").dataset.key);
  const order = () => pictures.map(({ id }) => id);
  const rowHeight = () => cellWidth * 0.75 + NAME_PX + GAP_PX;

  function draw(all) {
    pictures = all;
    measure();
    stop = Math.max(0, Math.min(stop, pictures.length - 1));
    const rows = Math.ceil(pictures.length / columns);
    windowing.layout(rows, rowHeight());
    node.style.height = `${rows * rowHeight()}px`;
    updateByKey(list, shownIndexes(), (index) => pictures[index].id, makeCell, updateCell);
    updateStop();
    if (isFocusWanted) focusStop();
    isFocusWanted = false;
  }

  function measure() {
    const width = node.clientWidth || CELL_PX;
    columns = Math.max(2, Math.floor((width + GAP_PX) / (CELL_PX + GAP_PX)));
    cellWidth = Math.floor((width - GAP_PX * (columns - 1)) / columns);
  }

  // The indexes near the viewport, and that of the tab stop.
  function shownIndexes() {
    const [first, last] = windowing.range();
    const indexes = [];
    for (let index = first * columns; index < Math.min(pictures.length, last * columns); index += 1) indexes.push(index);
    if (pictures.length && !indexes.includes(stop)) indexes.push(stop);
    return indexes.sort((one, other) => one - other);
  }

  function makeCell(index) {
    const { id } = pictures[index];
    const image = createElement("img", { src: store.smallUrl(id), alt: "", decoding: "async", draggable: "false" });
    const name = createElement("span", { class: "name" });
    const cell = createElement("button", { type: "button", class: "cell", onclick: (event) => choose(event, id) }, image, name);
    const remove = createElement("button", { type: "button", class: "cell-remove", tabindex: -1, onclick: () => onRemove(id) }, "✕");
    return Object.assign(createElement("li", {}, cell, remove), { parts: { cell, name, remove } });
  }

  function updateCell(item, index) {
    const picture = pictures[index];
    const { cell, name, remove } = item.parts;
    const trouble = text(picture.error);
    setText(name, picture.name);
    cell.title = trouble || picture.name;
    cell.setAttribute("aria-label", trouble ? `${picture.name}: ${trouble}` : picture.name);
    cell.setAttribute("aria-pressed", String(chosen.has(picture.id)));
    remove.setAttribute("aria-label", t("pictures_remove", { name: picture.name }));
    item.classList.toggle("is-trouble", Boolean(trouble));
    item.setAttribute("aria-posinset", index + 1);
    item.setAttribute("aria-setsize", pictures.length);
    const [x, y] = [(index % columns) * (cellWidth + GAP_PX), Math.floor(index / columns) * rowHeight()];
    item.style.cssText = `width:${cellWidth}px;height:${rowHeight() - GAP_PX}px;transform:translate(${x}px,${y}px)`;
  }

  function choose(event, id) {
    if (event.shiftKey) chosen.extend(id, order());
    else if (event.ctrlKey || event.metaKey || event.pointerType === "touch") chosen.toggle(id);
    else chosen.only(id);
    onChange();
  }

  function handleKey(event) {
    const index = indexOf(event.target);
    const target = indexAfter(event.key, index);
    if (target !== null) moveTo(target, event.shiftKey);
    else if (event.key === " ") chosen.toggle(pictures[index].id);
    else if (event.key === "Delete" || event.key === "Backspace") return onRemove(pictures[index].id);
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) chosen.all(order());
    else if (event.key === "Escape" && chosen.size) chosen.clear();
    else return;
    event.preventDefault();
    onChange();
  }

  function indexAfter(key, index) {
    const last = pictures.length - 1;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -index, End: last - index };
    return key in steps ? Math.max(0, Math.min(last, index + steps[key])) : null;
  }

  function moveTo(index, isRange) {
    const order_ = order();
    if (isRange) { chosen.extend(order_[stop], order_); chosen.extend(order_[index], order_); }
    stop = index;
    draw(pictures);
    focusStop();
  }

  const cellAt = (index) => [...list.children].find((item) => item.dataset.key === pictures[index]?.id)?.parts.cell;

  function updateStop() {
    const stopCell = cellAt(stop);
    for (const { parts } of list.children) parts.cell.tabIndex = parts.cell === stopCell ? 0 : -1;
  }

  function focusStop() {
    const cell = cellAt(stop);
    cell?.focus({ preventScroll: true });
    cell?.scrollIntoView({ block: "nearest" });
  }

  return {
    node, draw, focusStop,
    // After the next removal, the picture that takes the place has the focus, if one of the grid has it now.
    keepFocus() { isFocusWanted = true; },
  };
}
