// The scores of the parts of a sentence for the pictures on the board. They are asked for when their cards are seen.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";

const WAIT_MS = 250;  // until the board has stopped moving
const MOST_PICTURES = 60;  // of one request
const NOT_FOUND_BELOW = 0.5;  // of 10

export function createPartScores(store, shown, labels, notices) {
  const known = new Map();  // by ranking and picture: scores in the order of the parts, null where there is none
  const button = labels.text(createElement("button", { type: "button", class: "plain parts-button", onclick: toggle }), "results_parts");
  let wanted = [], timer = null, isAsking = false;

  const parts = () => shown.summary?.parts ?? [];
  const keyOf = (picture) => `${shown.id} ${picture}`;

  function toggle() {
    store.setView({ parts: !store.view.parts });
  }

  async function ask() {
    timer = null;
    const ranking = shown.id;
    const pictures = wanted.filter((id) => !known.has(keyOf(id))).slice(0, MOST_PICTURES);
    if (isAsking || !pictures.length) return;
    isAsking = true;
    try {
      const { scores } = await store.api.post(store.path("parts"), { ranking, pictures });
      for (const id of pictures) known.set(`${ranking} ${id}`, scores[id] ?? []);
    } catch (error) {
      store.setView({ parts: false });
      notices.fail(error);
    }
    isAsking = false;
    store.note("parts");
  }

  return {
    node: button,
    get isShown() { return Boolean(store.view.parts) && parts().length > 1 && !shown.isRunning; },
    // What a card shows of a picture: [{text, score}], empty until it is known.
    of(picture) {
      const scores = known.get(keyOf(picture)) ?? [];
      return parts().map(({ text, excluded }, index) => ({ text, excluded, score: scores[index] ?? null })).filter(({ score }) => score !== null);
    },
    // ids: of the pictures whose cards exist.
    want(ids) {
      wanted = ids;
      if (ids.some((id) => !known.has(keyOf(id)))) timer ??= setTimeout(ask, WAIT_MS);
    },
    draw() {
      button.hidden = parts().length < 2 || shown.compared !== null || shown.isRunning;
      button.setAttribute("aria-pressed", String(Boolean(store.view.parts)));
    },
  };
}

// Fill the line of a card. texts: the translator.
export function updatePartScores(line, scores, texts) {
  updateByKey(line, scores, ({ text, excluded }) => `${excluded} ${text}`, () => {
    const name = createElement("span", { class: "part-name" }), score = createElement("b");
    return Object.assign(createElement("span", { class: "part" }, name, score), { parts: { name, score } });
  }, (chip, { text, excluded, score }) => {
    setText(chip.parts.name, excluded ? texts.t("results_not", { text }) : text);
    setText(chip.parts.score, score.toFixed(1));
    chip.classList.toggle("is-missing", !excluded && score < NOT_FOUND_BELOW);
    chip.title = `${chip.parts.name.textContent} ${score.toFixed(1)}`;
  });
}
