// The large picture of the lightbox, or two side by side, with zoom and a map of what matters.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { createZoom } from "./zoom.js";

const FULL_EFFECT = 2;  // log-odds lost from which on a place is not dimmed at all
const DARKEST = 0.82;

// onSwipe: (1 or -1). onZoom: (scale).
export function createStage(store, onSwipe, onZoom) {
  const main = createPane(store), beside = createPane(store);
  const node = createElement("div", { class: "stage" }, beside.node, main.node);
  const panes = [beside, main];
  const zoom = createZoom(node, (state) => { panes.forEach((pane) => pane.move(state)); onZoom(state.scale); }, onSwipe);
  return {
    node, zoom,
    // rows of a ranking; besideRow: null if one picture is alone.
    show(row, besideRow) {
      beside.node.hidden = besideRow === null;
      if (besideRow) beside.show(besideRow);
      main.show(row);
      panes.forEach((pane) => pane.caption(besideRow !== null));
    },
    showMap: main.showMap,
    // How large the picture is shown, compared to its own pixels; null if unknown.
    get magnification() { return main.magnification; },
  };
}

function createPane(store) {
  const thumbnail = createElement("img", { alt: "", draggable: "false" }), full = createElement("img", { alt: "", draggable: "false" });
  const map = createElement("canvas", { hidden: true, "aria-hidden": "true" });
  const frame = createElement("div", { class: "stage-frame" }, thumbnail, full, map);
  const tile = createElement("p", { class: "stage-tile" });
  const label = createElement("p", { class: "stage-caption" });
  const node = createElement("div", { class: "stage-pane" }, frame, tile, label);
  let row = null;
  full.addEventListener("load", () => full.classList.add("is-loaded"));
  new ResizeObserver(fit).observe(node);

  // The frame has exactly the size of the picture, so that the map lies on it.
  function fit() {
    const { width, height } = row?.picture ?? {};
    if (!width || !height) return;
    const scale = Math.min(node.clientWidth / width, node.clientHeight / height);
    frame.style.width = `${width * scale}px`;
    frame.style.height = `${height * scale}px`;
  }

  return {
    node,
    show(newRow) {
      const isOther = row?.id !== newRow.id;
      row = newRow;
      frame.hidden = row.id === null;
      tile.hidden = row.id !== null;
      setText(tile, row.name);
      if (!isOther || row.id === null) return;
      full.classList.remove("is-loaded");
      thumbnail.src = store.thumbnailUrl(row.id);
      full.src = store.fullUrl(row.id);
      thumbnail.alt = row.name;
      map.hidden = true;
      fit();
    },
    caption(isNeeded) {
      label.hidden = !isNeeded;
      if (isNeeded) setText(label, `#${row.rank} · ${row.text} · ${row.name}`);
    },
    move({ scale, x, y }) {
      frame.style.transform = `translate(${x * node.clientWidth}px, ${y * node.clientHeight}px) scale(${scale})`;
    },
    showMap(drops) {
      map.hidden = drops === null;
      if (drops) drawMap(map, drops);
    },
    get magnification() { return row?.picture?.width ? frame.clientWidth / row.picture.width : null; },
  };
}

// Dim the places that do not matter. The scale is fixed: a map of a picture in which nothing matters is dark everywhere.
function drawMap(canvas, drops) {
  [canvas.width, canvas.height] = [drops[0].length, drops.length];
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  drops.flat().forEach((drop, index) => {
    const share = Math.min(1, Math.max(0, drop / FULL_EFFECT));
    pixels.data[index * 4 + 3] = Math.round(255 * DARKEST * (1 - share));
  });
  context.putImageData(pixels, 0, 0);
}
