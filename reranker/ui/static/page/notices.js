// What an action did: said to screen readers, and shown if it failed.

import { createElement } from "./elements.js";

export function createNotices(labels) {
  const spoken = createElement("p", { class: "visually-hidden", role: "status" });
  const sentence = createElement("span");
  const close = labels.attribute(createElement("button", { type: "button", class: "plain", onclick: hide }, "✕"), "aria-label", "results_close");
  const alert = createElement("div", { class: "results-alert", role: "alert", hidden: true }, sentence, close);

  function hide() { alert.hidden = true; }

  return {
    spoken, alert, hide,
    say(text) {
      hide();
      spoken.textContent = text;
    },
    fail(error) {
      sentence.textContent = error.message;
      alert.hidden = false;
    },
  };
}
