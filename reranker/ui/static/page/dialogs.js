// Small dialogs: a question, a list of keys, an address.

import { createElement } from "./elements.js";

let lastId = 0;

// actions: [{text, className, run}]; the dialog closes after each. close: the text of the button that does nothing.
export function openDialog(parent, { title, content, actions = [], close }) {
  const opener = document.activeElement;
  const id = `reranker-dialog-${++lastId}`;
  const button = ({ text, className = "", run = () => {} }) =>
    createElement("button", { type: "button", class: `button ${className}`, onclick: () => { dialog.close(); run(); } }, text);
  const dialog = createElement("dialog", { class: "small-dialog", "aria-labelledby": id },
    createElement("h2", { id }, title), ...content,
    createElement("div", { class: "dialog-buttons" }, ...[{ text: close }, ...actions].map(button)));
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (opener?.isConnected) opener.focus({ preventScroll: true });
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });  // on the backdrop
  parent.append(dialog);
  dialog.showModal();
}
