// A button that opens a panel below it. Escape or a click elsewhere closes the panel.

import { createElement } from "./elements.js";

// onOpen: called before the panel is seen.
export function createPopover(className, content, onOpen = () => {}) {
  const button = createElement("button", { type: "button", class: `${className}-button button`, "aria-expanded": "false", onclick: () => toggle(panel.hidden) });
  const panel = createElement("div", { class: `${className}-panel popover`, role: "group", hidden: true }, ...content);
  const node = createElement("div", { class: className, onkeydown: handleKey }, button, panel);
  document.addEventListener("pointerdown", (event) => {
    if (!panel.hidden && !event.composedPath().includes(node)) toggle(false);
  });

  function toggle(isOpen) {
    if (isOpen) onOpen();
    panel.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
  }

  function handleKey(event) {
    if (event.key !== "Escape" || panel.hidden) return;
    event.stopPropagation();
    toggle(false);
    button.focus();
  }

  return { node, button, panel, get isOpen() { return !panel.hidden; } };
}
