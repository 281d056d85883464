// A small box that adds a label to a picture: one of the vocabulary, completed in both languages, or any other text.

import { createElement } from "./elements.js";
import { nameOf } from "./tagging_labels.js";

const MAX_LENGTH = 200;  // as the server allows

// onAdd: (name), returns a promise of whether it was added.
export function createAddBox(store, shown, labels, onAdd) {
  const choices = createElement("datalist", { id: "tagging-known-labels" });
  const input = createElement("input", { type: "text", list: choices.id, maxlength: MAX_LENGTH, autocomplete: "off", class: "tag-input" });
  labels.attribute(input, "placeholder", "tagging_add_placeholder");
  labels.attribute(input, "aria-label", "tagging_add_placeholder");
  const button = labels.text(createElement("button", { type: "submit", class: "button" }), "tagging_add_button");
  const node = createElement("form", { class: "tag-add-box", onsubmit: add }, input, button, choices);
  let drawn = null;

  async function add(event) {
    event.preventDefault();
    const name = input.value.trim();
    if (!name) return input.focus();
    if (await onAdd(name)) input.value = "";
    input.focus();
  }

  // The names of all labels, and of those that people have added before.
  function drawChoices() {
    const { vocabulary } = store.pictureLabels;
    const added = shown.counts.filter(({ key }) => !vocabulary?.find(key));
    const signature = `${added.map(({ key }) => key).join("\n")} ${store.texts.language}`;
    if (drawn?.vocabulary === vocabulary && drawn.signature === signature) return;
    drawn = { vocabulary, signature };
    choices.replaceChildren(...[...vocabulary?.labels ?? [], ...added].flatMap(optionsOf));
  }

  // One for each language, which tells the other name, too.
  function optionsOf({ en, zh }) {
    const { language } = store.texts;
    const names = [...new Set([nameOf({ en, zh }, language), en, zh])].filter(Boolean);
    return names.map((value) => createElement("option", { value, label: names.length > 1 ? nameOf({ en, zh }, "both") : value }));
  }

  return { node, drawChoices, focus: () => input.focus(), clear: () => { input.value = ""; } };
}
