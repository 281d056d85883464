// Step 2: the sentence, or several, one a line; what must not be there; examples; and how to write a good one.

import { createElement, createStepNumber } from "./elements.js";
import { readBriefs } from "./briefs_file.js";

const TIPS = ["tip_say", "tip_not", "tip_style", "tip_lines"];
const EXAMPLES = [["good", "tip_good_1"], ["good", "tip_good_2"], ["bad", "tip_bad_1"], ["bad", "tip_bad_2"]];

export function createBriefing(store, uploads) {
  const { t } = store.texts;
  const heading = createElement("h2", { id: "step-sentence" });
  const box = createElement("textarea", { id: "query", rows: 1, "aria-labelledby": "step-sentence", "aria-describedby": "query-note", spellcheck: "true", oninput: changed });
  const exclude = createElement("input", { type: "text", id: "exclude", oninput: changed });
  const excludeLabel = createElement("label", { for: "exclude" });
  const excludeRow = createElement("div", { class: "exclude", hidden: true }, excludeLabel, exclude);
  const addExclude = createElement("button", { type: "button", class: "plain", onclick: () => { excludeRow.hidden = false; addExclude.hidden = true; exclude.focus(); } });
  const note = createElement("p", { class: "note", id: "query-note", role: "status" });
  const examples = createElement("div", { class: "examples" });
  const tips = createElement("details", { class: "tips" }, createElement("summary"), createElement("div"));
  const node = createElement("section", { class: "step sentence", "aria-labelledby": "step-sentence" },
    createElement("div", { class: "step-head" }, heading), box, excludeRow, note,
    createElement("div", { class: "sentence-tools" }, examples, addExclude, tips));
  const listeners = new Set();
  let trouble = null;

  const lines = () => [...new Set(box.value.split("\n").map((line) => line.trim()).filter(Boolean))];

  function changed() {
    trouble = null;
    grow();
    show();
    listeners.forEach((listener) => listener());
    store.note("query");
  }

  function grow() {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight + 2, 260)}px`;
  }

  function fill(text) {
    box.value = text;
    changed();
  }

  // What is wrong with the input as far as this tab can tell, or null. The server checks again.
  function problem() {
    const texts = lines(), { limits } = store;
    if (!texts.length) return t("query_empty");
    if (texts.length > limits.max_queries) return t("query_too_many", { count: texts.length, max: limits.max_queries });
    if ([...texts, exclude.value].some((text) => text.length > limits.max_query_length)) return t("query_too_long", { max: limits.max_query_length });
    if (store.pictures.size < limits.min_pictures) return t("query_too_few", { count: limits.min_pictures });
    return null;
  }

  function complain(text) {
    trouble = text;
    show();
    box.focus();
  }

  function show() {
    const count = lines().length;
    note.textContent = trouble ?? (count > 1 ? t("query_count", { count }) : "");
    note.classList.toggle("trouble", Boolean(trouble));
    box.setAttribute("aria-invalid", String(Boolean(trouble)));
    examples.hidden = Boolean(box.value) || !store.examples.length;
  }

  function translate() {
    heading.replaceChildren(createStepNumber(2), t("query_title"));
    box.placeholder = t("query_hint");
    excludeLabel.textContent = t("query_not");
    exclude.placeholder = t("query_not_hint");
    addExclude.textContent = t("query_add_not");
    examples.replaceChildren(createElement("span", { class: "muted" }, t("query_examples")),
      ...store.examples.map((example) => createElement("button", { type: "button", class: "chip", onclick: () => { fill(example); box.focus(); } }, example)));
    const [summary, list] = tips.children;
    summary.textContent = t("tips");
    list.replaceChildren(
      createElement("ul", {}, ...TIPS.map((key) => createElement("li", {}, t(key)))),
      createElement("ul", { class: "tip-examples" }, ...EXAMPLES.map(([kind, key]) =>
        createElement("li", { class: kind }, createElement("b", {}, kind === "good" ? "✓ " : "✗ "), createElement("q", {}, t(key)),
          kind === "bad" ? createElement("span", {}, ` ${t(`${key}_why`)}`) : null))));
    show();
  }

  async function readFile(file) {
    const briefs = readBriefs(await file.text());
    if (!briefs.length) return store.notices.say("brief_none", { name: file.name }, { tone: "trouble" });
    fill(briefs.join("\n"));
    store.notices.say("brief_read", { count: briefs.length, name: file.name });
  }

  uploads.onBrief(readFile);
  store.subscribe((topics) => {
    if (topics.has("language") || topics.has("connection")) translate();
    if (topics.has("language")) grow();
  });
  return {
    node, box, lines, problem, complain, fill,
    exclude: () => (excludeRow.hidden ? "" : exclude.value.trim()),
    subscribe: (listener) => listeners.add(listener),
  };
}
