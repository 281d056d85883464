// The sentence that a library is searched by, what must not be there, and an example picture.

import { keepDraft } from "./address.js";
import { createElement } from "./elements.js";
import { createExample } from "./example.js";
import { setText } from "./labels.js";
import { createMessage } from "./message.js";
import { createExclude } from "./query.js";

const KEEP_MS = 500;  // after the last key, the draft is kept for a reload

// onSubmit: () after Enter.
export function createLibrarySentence(store, labels, onSubmit) {
  const { t } = store.texts;
  const box = labels.attribute(createElement("input", {
    type: "text", id: "library-query", class: "query-box", enterkeyhint: "search", oninput: () => change({ text: box.value }),
    onkeydown: (event) => { if (event.key === "Enter" && !event.isComposing) onSubmit(); },
  }), "placeholder", "query_placeholder");
  const message = createMessage(labels, "is-trouble", () => { said = null; });
  const exclude = createExclude(store, labels, "library-exclude", (text) => change({ exclude: text }), onSubmit);
  const example = createExample(store, labels, (id) => change({ example: id }), complain);
  const note = labels.text(createElement("p", { class: "muted library-note" }), "library_note");
  const head = createElement("div", { class: "step-head" },
    createElement("h2", {}, labels.text(createElement("label", { for: "library-query" }), "query_title")));
  const node = createElement("section", { class: "step sentence" }, head, box, message.node, example.node, exclude.node,
    createElement("div", { class: "query-tools" }, exclude.opener, example.opener, example.input), note);
  let said = null, keepTimer = null;
  window.addEventListener("pagehide", () => keepDraft(store.tab, store.draft));

  // Change the draft, as if somebody had done so by hand.
  function change(values) {
    said = null;
    store.setDraft(values);
    clearTimeout(keepTimer);
    keepTimer = setTimeout(() => keepDraft(store.tab, store.draft), KEEP_MS);
  }

  // Say what is wrong, beside the box. sentence: () -> text, empty as soon as it does not hold any more; null: nothing.
  function complain(sentence) {
    said = sentence;
    draw();
    if (said && box.getBoundingClientRect().top < 0) box.scrollIntoView({ block: "center" });
  }

  function draw() {
    const { text } = store.draft;
    if (box.value !== text) box.value = text;
    exclude.draw();
    if (said && !said()) said = null;  // it does not hold any more
    box.setAttribute("aria-invalid", String(Boolean(said)));
    message.show(said?.() ?? "");
  }

  return {
    node, change, complain,
    draw(topics) {
      if (["draft", "language", "session", "pictures", "model"].some((topic) => topics.has(topic))) example.draw();
      if (said || ["draft", "language", "session"].some((topic) => topics.has(topic))) draw();
    },
  };
}
