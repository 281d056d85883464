// Why a picture has its score: the parts of the sentence, the places that matter, and the model's own rating.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";

const NOT_FOUND_BELOW = 0.5;  // of 10
const LEAST_DROP = 0.1;  // log-odds; below it, no single place matters

// showMap: (drops or null), on the large picture.
export function createExplanation(store, shown, labels, showMap) {
  const { texts } = store;
  const why = labels.text(createElement("button", { type: "button", class: "button", onclick: () => ask("explain") }), "lightbox_why");
  const rate = labels.text(createElement("button", { type: "button", class: "button", onclick: () => ask("rating") }), "lightbox_ask_rating");
  const parts = createElement("ul", { class: "why-parts" });
  const note = createElement("p", { class: "why-note" });
  const mapSwitch = createElement("input", { type: "checkbox", checked: true, onchange: () => drawMap() });
  const mapLabel = createElement("label", { class: "why-map", hidden: true }, mapSwitch, labels.text(createElement("span"), "lightbox_map"));
  const words = createElement("p", { class: "why-words" });
  const status = createElement("p", { class: "why-status", role: "status" });
  const node = createElement("section", { class: "why" }, createElement("div", { class: "why-buttons" }, why, rate), status, parts, mapLabel, note, words);
  const answers = new Map();  // by ranking and picture: {explain, rating, trouble}, kept while the page is open
  let row = null, busy = null;

  const keyOf = () => `${shown.id} ${row.id}`;
  const answer = () => answers.get(keyOf()) ?? {};

  async function ask(kind) {
    const key = keyOf(), picture = row.id;
    busy = { key, text: kind === "explain" ? "lightbox_explaining" : "lightbox_rating" };
    drawStatus();
    let news;
    try {
      news = { [kind]: await store.api.post(store.path(kind), { ranking: shown.id, picture }), trouble: null };
      if (kind === "explain") mapSwitch.checked = true;
    } catch (error) {
      news = { trouble: error.sentence };
    }
    answers.set(key, { ...answers.get(key), ...news });
    busy = null;
    draw(row);
  }

  function drawStatus() {
    setText(status, busy?.key === keyOf() ? texts.t(busy.text) : answer().trouble?.() ?? "");
    why.disabled = rate.disabled = busy !== null;
  }

  function draw(newRow) {
    row = newRow;
    node.hidden = row.id === null;
    const { explain, rating } = answer();
    drawStatus();
    parts.replaceChildren(...(explain?.parts ?? []).map(createPart));
    setText(words, rating ? texts.t("lightbox_rated", { text: rating.text }) : "");
    drawMap();
  }

  function createPart({ text, score, excluded }) {
    const isFound = score >= NOT_FOUND_BELOW;
    return createElement("li", { class: isFound ? "" : "is-missing" },
      createElement("span", {}, excluded ? texts.t("results_not", { text }) : text), " ", createElement("b", {}, score.toFixed(1)), isFound ? null : texts.t("lightbox_not_found"));
  }

  function drawMap() {
    const drops = answer().explain?.drops ?? [];
    const largest = Math.max(0, ...drops.flat());
    const hasMap = drops.length > 0 && largest >= LEAST_DROP;
    mapLabel.hidden = !hasMap;
    setText(note, drops.length === 0 ? "" : texts.t(hasMap ? "lightbox_map_note" : "lightbox_no_place"));
    showMap(hasMap && mapSwitch.checked ? drops : null);
  }

  return { node, draw };
}
