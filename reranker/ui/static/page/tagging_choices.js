// Step 2 of the tab “Labels”: which labels are looked for, and which of them are shown. The first needs a run, the second none.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";
import { createMessage } from "./message.js";
import { OWN } from "./own_labels.js";
import { createTaggingOptions } from "./tagging_options.js";
import { nameOf } from "./tagging_labels.js";

const CHOICES = ["auto", "general", "aerial", "toybox", OWN];
const RETRY_MS = 2000;

// own: see own_labels.js.
export function createTaggingChoices(store, own, labels) {
  const { t } = store.texts;
  const select = createElement("select", { id: "labels-vocabulary", onchange: () => change({ vocabulary: select.value, groups: [] }) });
  const title = labels.text(createElement("label", { for: "labels-vocabulary" }), "tagging_title");
  const about = createElement("p", { class: "muted tagging-about", id: "labels-about" });
  select.setAttribute("aria-describedby", "labels-about");
  const box = createOwnBox(store, own, labels, (text) => change({ text }));
  const groups = createGroups(store, labels, change);
  const options = createTaggingOptions(store, labels);
  const message = createMessage(labels, "is-trouble", () => { said = null; });
  const head = createElement("div", { class: "step-head" },
    createElement("span", { class: "step-number", "aria-hidden": "true" }, "2"), createElement("h2", {}, title), select);
  const node = createElement("section", { class: "step tagging" }, head, about, box.node, groups.node, message.node, options.node);
  let built = null, isLoading = false, said = null;

  // The vocabularies of the program do not change while it runs.
  async function load() {
    if (built || isLoading || store.connection !== "open") return;
    isLoading = true;
    try {
      built = (await store.api.get(store.path("picture-labels/choices"))).choices;
    } catch {
      setTimeout(() => store.note("choices"), RETRY_MS);
    }
    isLoading = false;
    store.note("choices");
  }

  function change(values) {
    said = null;
    store.setDraft(values);
  }

  // The chosen vocabulary: {name, labels, groups}, or null if it is not known yet.
  function chosen() {
    const { vocabulary } = store.draft;
    return vocabulary === OWN ? own.file : built?.find(({ choice }) => choice === vocabulary) ?? null;
  }

  function aboutText() {
    const { vocabulary } = store.draft;
    const found = chosen(), count = found?.labels ?? 0;
    if (vocabulary === OWN) return t("tagging_about_own");
    if (vocabulary === "auto") return t("tagging_about_auto", { name: found ? t(`tagging_name_${found.name}`) : "…", count });
    return t(`tagging_about_${vocabulary}`, { count });
  }

  function draw() {
    updateByKey(select, CHOICES, (choice) => choice, (value) => createElement("option", { value }), (option, value) => setText(option, t(`tagging_choice_${value}`)));
    select.value = store.draft.vocabulary;
    setText(about, aboutText());
    box.draw();
    groups.draw(chosen()?.groups ?? []);
    message.show(said?.() || store.texts.text(store.pictureLabels.problem));
  }

  return {
    node,
    // Say what is wrong. sentence: () -> text, or null.
    complain(sentence) { said = sentence; draw(); },
    draw(topics) {
      load();
      if (["choices", "draft", "language", "session", "tagging", "connection"].some((topic) => topics.has(topic))) draw();
      options.draw(topics);
    },
  };
}

// The box for labels that are typed, or what is known of the file instead of it.
function createOwnBox(store, own, labels, onText) {
  const { t } = store.texts;
  const text = createElement("textarea", { id: "own-labels", rows: 5, spellcheck: "false", oninput: () => onText(text.value) });
  labels.attribute(text, "aria-label", "tagging_own_label");
  labels.attribute(text, "placeholder", "tagging_own_placeholder");
  const input = createElement("input", {
    type: "file", id: "choose-own-labels", accept: ".txt,.csv,.jsonl", class: "hidden-file", tabindex: "-1", "aria-hidden": "true",
    onchange: () => { if (input.files.length) own.take(input.files[0]); input.value = ""; },
  });
  const choose = labels.text(createElement("button", { type: "button", class: "button", onclick: () => input.click() }), "tagging_own_choose");
  const file = createElement("p", { class: "tagging-file" });
  const remove = labels.text(createElement("button", { type: "button", class: "plain", onclick: own.forget }), "tagging_own_remove");
  const hint = labels.text(createElement("p", { class: "muted" }), "tagging_own_hint");
  const node = createElement("div", { class: "tagging-own", hidden: true }, text,
    createElement("div", { class: "tagging-own-row" }, file, remove, choose, input, hint));
  let session = null;

  // A browser that has no draft shows what was typed last.
  function takeOver() {
    if (session === store.session?.id) return;
    session = store.session?.id ?? null;
    const typed = store.pictureLabels.own?.text;
    if (typed && !store.draft.text) store.setDraft({ text: typed });
  }

  return {
    node,
    draw() {
      takeOver();
      node.hidden = store.draft.vocabulary !== OWN;
      text.hidden = own.file !== null;
      if (document.activeElement !== text && text.value !== store.draft.text) text.value = store.draft.text;
      file.hidden = remove.hidden = own.file === null;
      hint.hidden = own.file !== null;
      choose.disabled = own.isSending;
      setText(file, own.file ? t("tagging_own_file", { name: own.file.name, count: own.file.labels }) : "");
    },
  };
}

// Boxes for the groups of the vocabulary; all labels are looked for if none is chosen.
function createGroups(store, labels, change) {
  const { t } = store.texts;
  const summary = createElement("summary");
  const list = createElement("div", { class: "tagging-groups-list", role: "group" });
  labels.attribute(list, "aria-label", "tagging_groups");
  const none = labels.text(createElement("button", { type: "button", class: "plain", onclick: () => change({ groups: [] }) }), "tagging_groups_all");
  const node = createElement("details", { class: "tagging-groups", hidden: true }, summary, list, none);

  function toggle(key, isOn) {
    const others = store.draft.groups.filter((group) => group !== key);
    change({ groups: isOn ? [...others, key] : others });
  }

  function makeBox([en, zh]) {
    const input = createElement("input", { type: "checkbox", onchange: () => toggle(en || zh, input.checked) });
    const text = createElement("span");
    return Object.assign(createElement("label", {}, input, text), { parts: { input, text } });
  }

  return {
    node,
    draw(groups) {
      node.hidden = groups.length < 2;
      const chosen = new Set(store.draft.groups);
      setText(summary, chosen.size ? t("tagging_groups_some", { count: chosen.size, total: groups.length }) : t("tagging_groups_none", { count: groups.length }));
      none.hidden = !chosen.size;
      updateByKey(list, groups, ([en, zh]) => en || zh, makeBox, ({ parts }, [en, zh]) => {
        setText(parts.text, nameOf({ en, zh }, store.texts.language));
        parts.input.checked = chosen.has(en || zh);
      });
    },
  };
}
