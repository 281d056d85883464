// Which rows of a long grid are near the viewport. The page scrolls, and the page can be in a frame that is as high as its
// content; so the browser is asked which of a few empty chunks are visible, instead of comparing scroll positions.

import { createElement } from "./elements.js";

const CHUNK_PX = 320;
const NEAR = "60% 0px";  // rows this far outside the viewport are made ahead

// node: the positioned parent of the rows. onChange: called when other rows come near.
export function createWindowing(node, onChange) {
  const layer = createElement("div", { class: "window-chunks", "aria-hidden": "true" });
  const near = new Set();
  let rows = 0, rowHeight = 1, rowsPerChunk = 1;
  node.prepend(layer);

  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) near.add(Number(target.dataset.chunk)); else near.delete(Number(target.dataset.chunk));
    }
    onChange();
  }, { rootMargin: NEAR });

  function layout(newRows, newRowHeight) {
    if (newRows === rows && newRowHeight === rowHeight) return;
    [rows, rowHeight] = [newRows, newRowHeight];
    rowsPerChunk = Math.max(1, Math.round(CHUNK_PX / rowHeight));
    const chunks = Math.ceil(rows / rowsPerChunk);
    while (layer.children.length > chunks) removeLast();
    while (layer.children.length < chunks) addChunk();
    [...layer.children].forEach((chunk, index) => {
      chunk.style.top = `${index * rowsPerChunk * rowHeight}px`;
      chunk.style.height = `${Math.min(rowsPerChunk, rows - index * rowsPerChunk) * rowHeight}px`;
    });
  }

  function addChunk() {
    const chunk = createElement("div", { "data-chunk": layer.children.length });
    layer.append(chunk);
    observer.observe(chunk);
  }

  function removeLast() {
    const chunk = layer.lastElementChild;
    observer.unobserve(chunk);
    near.delete(Number(chunk.dataset.chunk));
    chunk.remove();
  }

  return {
    layout,
    // The first row that is needed, and the row after the last one.
    range() {
      // One chunk more on each side, because the margin of the observer does not count in frames of other sites.
      const first = near.size ? Math.max(0, Math.min(...near) - 1) : 0;
      const last = near.size ? Math.max(...near) + 2 : 3;
      return [Math.min(rows, first * rowsPerChunk), Math.min(rows, last * rowsPerChunk)];
    },
  };
}
