// Small pictures in one or two rows: what is loaded, at a glance. While pictures arrive, the latest are shown.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";

const ROWS = 2;

// onMore: () after a click.
export function createStrip(store, uploads, onMore) {
  const { t } = store.texts;
  const tiles = createElement("div", { class: "strip-tiles", "aria-hidden": "true" });
  const node = createElement("div", { class: "strip", onclick: onMore }, tiles);
  const more = createElement("span", { class: "strip-more" });
  let room = 0;

  new ResizeObserver(() => {
    const before = room;
    if (node.clientWidth) room = ROWS * getComputedStyle(tiles).gridTemplateColumns.split(" ").length;
    if (room !== before) requestAnimationFrame(draw);
  }).observe(node);

  function draw() {
    if (!room || node.hidden) return;
    const ids = [...store.pictures.keys()];
    const hasMore = ids.length > room;
    const count = hasMore ? room - 1 : ids.length;
    const shown = uploads.isActive ? ids.slice(-count) : ids.slice(0, count);
    more.remove();
    updateByKey(tiles, shown, (id) => id, makeTile, () => {});
    if (hasMore) tiles.append(more);
    setText(more, t("pictures_strip_more", { number: ids.length - count }));
  }

  const makeTile = (id) => createElement("img", { src: store.smallUrl(id), alt: "", decoding: "async", draggable: "false" });

  return { node, draw };
}
