// The example of step 2: a picture of the session that the others should be like, beside the sentence or instead of it.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { PICTURES } from "./sources.js";

// The picture of the draft's example; null if there is none, or the model knows none.
export function exampleOf({ draft, model, pictures }) {
  return model?.takes_example === false ? null : pictures.get(draft.example) ?? null;
}

// What a ranking is for, in one line: its sentence, its example, or both.
export function titleOf({ query, example }, texts) {
  if (!example) return query;
  return texts.t(query ? "example_beside" : "example_alone", { text: query, name: example.name });
}

// The example with a button that removes it, and a button that chooses a file. onChange: (id of the picture, or empty).
// onTrouble: (() -> sentence).
export function createExample(store, labels, onChange, onTrouble) {
  const { t } = store.texts;
  const image = createElement("img", { alt: "", decoding: "async" });
  const name = createElement("span", { class: "example-name" });
  const close = labels.attribute(createElement("button", { type: "button", class: "plain close", onclick: remove }, "✕"), "aria-label", "example_remove");
  const node = createElement("div", { class: "like", hidden: true }, image, name, close);
  const input = createElement("input", {
    type: "file", class: "hidden-file", accept: PICTURES, tabindex: "-1", "aria-hidden": "true",
    onchange: () => { take(input.files[0]); input.value = ""; },
  });
  const opener = labels.text(createElement("button", { type: "button", class: "plain", onclick: () => input.click() }), "example_choose");

  // The file becomes a picture of the session, or is one already.
  async function take(file) {
    try {
      const path = store.path(`pictures?name=${encodeURIComponent(file.name)}`);
      const { picture } = await store.api.post(path, file, { raw: true });
      onChange(picture.id);
    } catch (error) {
      onTrouble(error.sentence);
    }
  }

  function remove() {
    onChange("");
    node.hidden = true;
    opener.hidden = false;
    opener.focus();
  }

  return {
    node, opener, input,
    draw() {
      const picture = exampleOf(store);
      node.hidden = picture === null;
      opener.hidden = picture !== null || !store.model?.takes_example;
      if (picture === null) return;
      const url = store.smallUrl(picture.id);
      if (image.getAttribute("src") !== url) image.src = url;
      setText(name, t("example_like", { name: picture.name }));
    },
  };
}
