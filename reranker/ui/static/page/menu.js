// The menu of the session: its address, its end, and the keys of the page.

import { openDialog } from "./dialogs.js";
import { createElement } from "./elements.js";
import { createPopover } from "./popover.js";

const COPIED_MS = 4000;
const KEYS = [
  ["Enter", "header_key_rank"], ["Shift + Enter", "header_key_line"], ["Esc", "header_key_stop"], ["← → ↑ ↓", "header_key_move"],
  ["Space, Shift + ↓", "header_key_select"], ["P · X · U", "header_key_pick"], ["1–5 · 0", "header_key_rate"],
  ["Delete", "header_key_remove"], ["?", "header_key_help"],
];

export function createMenu(store, labels, forget) {
  const { t } = store.texts;
  const copied = createElement("p", { class: "menu-note", role: "status" });
  const item = (key, run) => labels.text(createElement("button", { type: "button", class: "menu-item", onclick: run }), key);
  const menu = createPopover("menu", [
    item("header_copy", copyAddress), copied,
    item("header_keys", showKeys), item("header_forget", askToForget),
  ], () => { copied.textContent = ""; });
  menu.button.textContent = "⋯";
  labels.attribute(menu.button, "aria-label", "header_menu");
  labels.attribute(menu.button, "title", "header_menu");
  labels.attribute(menu.panel, "aria-label", "header_menu");

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
    const isElsewhere = isTyping || event.defaultPrevented || document.querySelector("dialog[open]");
    if (event.key === "?" && !isElsewhere && menu.node.checkVisibility()) showKeys();
  });

  // Open a dialog instead of the menu; the button of the menu has the focus again after it.
  function ask(dialog) {
    if (menu.isOpen) menu.button.click();
    menu.button.focus();
    openDialog(menu.node, dialog);
  }

  async function copyAddress() {
    try {
      await navigator.clipboard.writeText(location.href);
      copied.textContent = t("header_copied", { hours: store.session?.hours ?? 0 });
      setTimeout(() => { copied.textContent = ""; }, COPIED_MS);
    } catch {  // a page that is not served by HTTPS, or a frame, may not copy
      const address = createElement("p", { class: "address" }, location.href);
      ask({ title: t("header_copy"), content: [address], close: t("header_close") });
    }
  }

  function showKeys() {
    const rows = KEYS.flatMap(([key, text]) => [createElement("dt", {}, createElement("kbd", {}, key)), createElement("dd", {}, t(text))]);
    const dialog = { title: t("header_keys"), content: [createElement("dl", { class: "keys" }, ...rows)], close: t("header_close") };
    if (menu.isOpen) ask(dialog);
    else openDialog(menu.node, dialog);
  }

  function askToForget() {
    ask({
      title: t("header_forget_title"), content: [createElement("p", {}, t("header_forget_text"))],
      actions: [{ text: t("header_forget_yes"), className: "danger", run: forget }], close: t("header_cancel"),
    });
  }

  return { node: menu.node };
}
