// A picture that can be enlarged by the wheel, the buttons or a double click, and moved; and dimmed where it does not matter.

import { createElement } from "./elements.js";

const MOST = 12;

// full, thumbnail: addresses, or null. The thumbnail is shown until the full picture has arrived.
export function createZoom(full, thumbnail, name) {
  const image = createElement("img", { src: thumbnail ?? "", alt: name, draggable: "false" });
  const map = createElement("div", { class: "map", hidden: true });
  const layer = createElement("div", { class: "layer" }, full ? image : createElement("span", { class: "no-picture" }), map);
  const node = createElement("div", { class: "zoom", onwheel: wheel, ondblclick: () => set(scale > 1 ? 1 : 3), onpointerdown: press, onpointermove: drag, onpointerup: release }, layer);
  let scale = 1, x = 0, y = 0, start = null;
  if (full) {
    const large = new Image();
    large.onload = () => { image.src = full; };
    large.src = full;
  }

  function set(value) {
    scale = Math.min(MOST, Math.max(1, value));
    if (scale === 1) [x, y] = [0, 0];
    layer.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    node.classList.toggle("zoomed", scale > 1);
  }

  function wheel(event) {
    event.preventDefault();
    set(scale * Math.exp(-event.deltaY / 300));
  }

  function press(event) {
    if (scale === 1) return;
    start = { x: event.clientX - x, y: event.clientY - y };
    node.setPointerCapture(event.pointerId);
  }

  function drag(event) {
    if (!start) return;
    [x, y] = [event.clientX - start.x, event.clientY - start.y];
    set(scale);
  }

  function release() {
    start = null;
  }

  return {
    node,
    by: (factor) => set(scale * factor),
    // strengths: rows of numbers from 0 to 1, how much each place matters; null for no map.
    dim(strengths) {
      map.hidden = !strengths;
      if (!strengths) return map.replaceChildren();
      map.style.gridTemplateColumns = `repeat(${strengths[0].length}, 1fr)`;
      map.replaceChildren(...strengths.flat().map((strength) => createElement("i", { style: `opacity: ${(0.78 * (1 - strength)).toFixed(3)}` })));
      return undefined;
    },
  };
}
