// One line that says what has happened, with an action perhaps, until it is closed.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";

// kind: "" or "is-trouble", which is announced at once. onClose: is called when somebody closes it.
export function createMessage(labels, kind = "", onClose = () => {}) {
  const text = createElement("span", { class: "message-text" });
  const action = createElement("button", { type: "button", class: "plain", hidden: true });
  const close = createElement("button", { type: "button", class: "plain close", onclick: () => { node.hidden = true; onClose(); } }, "✕");
  labels.attribute(close, "aria-label", "header_close");
  const line = createElement("div", { class: "message-line", role: kind ? "alert" : "status" }, text);
  const node = createElement("div", { class: `message ${kind}`, hidden: true }, line, action, close);
  action.addEventListener("click", () => action.run());
  return {
    node,
    // Show a sentence, or nothing if it is empty. button: {text, run} or null.
    show(sentence, button = null) {
      node.hidden = !sentence;
      setText(text, sentence);
      action.hidden = !button;
      if (button) setText(action, button.text);
      action.run = button?.run;
    },
  };
}
