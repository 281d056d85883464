// Step 2: the sentence. Several lines are several sentences. What is wrong with it is said here, before the server is asked.

import { keepDraft } from "./address.js";
import { createElement } from "./elements.js";
import { createExample } from "./example.js";
import { setText } from "./labels.js";
import { createMessage } from "./message.js";
import { lengthProblem, linesOf } from "./sentences.js";
import { createTips } from "./tips.js";

const KEEP_MS = 500;  // after the last key, the draft is kept for a reload

// onSubmit: () after Enter. onList: ([file]) after a list of sentences was chosen.
export function createQuery(store, labels, { onSubmit, onList }) {
  const { t } = store.texts;
  const box = labels.attribute(createElement("textarea", {
    id: "query", class: "query-box", rows: 1, enterkeyhint: "go", "aria-describedby": "query-note", oninput: () => change({ text: box.value }),
    onkeydown: handleKey,
  }), "placeholder", "query_placeholder");
  const note = createElement("p", { class: "query-note", id: "query-note" });
  const message = createMessage(labels, "is-trouble", () => { said = null; });
  const notice = createMessage(labels);
  const exclude = createExclude(store, labels, "exclude", (text) => change({ exclude: text }), onSubmit);
  const example = createExample(store, labels, (id) => change({ example: id }), complain);
  const examples = createExamples(store, labels, (text) => { replace(text); box.focus(); });
  const list = createListInput(labels, onList);
  const tips = createTips(labels);
  const head = createElement("div", { class: "step-head" }, createElement("span", { class: "step-number", "aria-hidden": "true" }, "2"),
    createElement("h2", {}, labels.text(createElement("label", { for: "query" }), "query_title")), tips.button);
  const node = createElement("section", { class: "step sentence" }, head, tips.panel, box, message.node, notice.node, example.node, exclude.node,
    createElement("div", { class: "query-tools" }, note, exclude.opener, example.opener, example.input, list.button, list.input), examples.node);
  let said = null, keepTimer = null;
  window.addEventListener("pagehide", () => keepDraft(store.tab, store.draft));

  function change(values) {
    said = null;
    notice.show("");
    store.setDraft(values);
    clearTimeout(keepTimer);
    keepTimer = setTimeout(() => keepDraft(store.tab, store.draft), KEEP_MS);
  }

  // Fill the box, as if somebody had written it.
  function replace(text) {
    box.value = text;
    change({ text });
  }

  function handleKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    onSubmit();
  }

  // Put a list of sentences into the box; what was there can be put back.
  function fill(sentences, name) {
    const before = store.draft.text;
    replace(sentences.join("\n"));
    const undo = () => { replace(before); box.focus(); };
    notice.show(t("query_filled", { count: sentences.length, name }), before ? { text: t("query_undo"), run: undo } : null);
    box.focus();
  }

  function draw() {
    const { text } = store.draft;
    if (box.value !== text) box.value = text;
    grow();
    exclude.draw();
    const count = linesOf(text).length;
    const problem = lengthProblem(store);
    setText(note, problem || (count > 1 && notice.node.hidden ? t("query_count", { count }) : ""));
    note.classList.toggle("is-trouble", Boolean(problem));
    if (said && !said()) said = null;  // it does not hold any more
    box.setAttribute("aria-invalid", String(Boolean(problem || said)));
    message.show(said?.() ?? "");
  }

  // The box is as high as its text, within bounds.
  function grow() {
    box.style.height = "auto";
    if (box.scrollHeight) box.style.height = `${box.scrollHeight + 2}px`;
  }

  // Say what is wrong, beside the box. sentence: () -> text, empty as soon as it does not hold any more; null: nothing.
  function complain(sentence) {
    said = sentence;
    draw();
    if (said && box.getBoundingClientRect().top < 0) box.scrollIntoView({ block: "center" });
  }

  return {
    node, box, fill, replace, complain,
    // Make a picture the example.
    like(id) {
      change({ example: id });
      box.focus({ preventScroll: true });
      node.scrollIntoView({ block: "center" });
    },
    draw(topics) {
      if (topics.has("session") || topics.has("language")) examples.draw();
      if (topics.has("connection") && store.connection === "open") said = null;
      if (["draft", "language", "session", "pictures", "model"].some((topic) => topics.has(topic))) example.draw();
      if (said || ["draft", "language", "session", "connection"].some((topic) => topics.has(topic))) draw();
    },
  };
}

// The field for what must not be there, folded behind a link. id: of the field.
export function createExclude(store, labels, id, onChange, onSubmit) {
  const { t } = store.texts;
  const input = labels.attribute(createElement("input", {
    type: "text", id, oninput: () => onChange(input.value),
    onkeydown: (event) => { if (event.key === "Enter" && !event.isComposing) onSubmit(); },
  }), "placeholder", "query_exclude_placeholder");
  const label = labels.text(createElement("label", { for: id }), "query_exclude");
  const close = createElement("button", { type: "button", class: "plain close", onclick: clear }, "✕");
  labels.attribute(close, "aria-label", "query_exclude_close");
  const node = createElement("div", { class: "exclude", id: `${id}-row`, hidden: true }, label, input, close);
  const opener = createElement("button", { type: "button", class: "plain", "aria-controls": `${id}-row`, onclick: open });

  function open() {
    unfold(true);
    input.focus();
  }

  function clear() {
    onChange("");
    unfold(false);
    opener.focus();
  }

  function unfold(isOpen) {
    node.hidden = !isOpen;
    opener.hidden = isOpen;
  }

  return {
    node, opener,
    draw() {
      setText(opener, t("query_exclude_open"));
      if (input.value !== store.draft.exclude) input.value = store.draft.exclude;
      if (store.draft.exclude) unfold(true);
    },
  };
}

// A button that opens a list of sentences.
function createListInput(labels, onList) {
  const input = createElement("input", {
    type: "file", class: "hidden-file", accept: ".txt,.csv,text/plain,text/csv", tabindex: "-1", "aria-hidden": "true",
    onchange: () => { onList([...input.files]); input.value = ""; },
  });
  const button = createElement("button", { type: "button", class: "plain", onclick: () => input.click() });
  return { input, button: labels.text(button, "query_open_list") };
}

function createExamples(store, labels, onChoose) {
  const title = labels.text(createElement("span", { class: "muted" }), "query_examples");
  const list = createElement("span", { class: "examples-list" });
  const node = createElement("div", { class: "examples" }, title, list);
  return {
    node,
    draw() {
      node.hidden = !store.examples.length;
      list.replaceChildren(...store.examples.map((text) =>
        createElement("button", { type: "button", class: "example", onclick: () => onChoose(text) }, text)));
    },
  };
}
