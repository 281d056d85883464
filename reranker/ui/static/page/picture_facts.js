// What is known of a picture and its score, folded: exact numbers, the file, what the camera wrote, its labels in a library.

import { createElement } from "./elements.js";
import { bytesText, countText, takenText } from "./formats.js";
import { percentOf } from "./tagging_labels.js";

const EXACT_DECIMALS = 4;
const NO_DETAILS = Object.freeze({ rows: [], labels: [] });

export function createFacts(store, labels) {
  const { texts } = store;
  const list = createElement("dl");
  const node = createElement("details", { class: "facts", ontoggle: () => { if (node.open && row) loadDetails(); } },
    labels.text(createElement("summary"), "lightbox_details"), list);
  const details = new Map();  // {rows: of the camera, labels: in a library}, by picture
  let row = null;

  async function loadDetails() {
    const { id } = row;
    if (id === null || details.has(id)) return;
    details.set(id, NO_DETAILS);
    try {
      details.set(id, await store.api.get(store.path(`pictures/${id}/details`)));
    } catch {
      details.delete(id);  // asked again when the details are opened again
    }
    if (row.id === id) drawList();
  }

  function drawList() {
    const { rows, labels: found } = details.get(row.id) ?? NO_DETAILS;
    const facts = [...(row.score === undefined ? [] : scoreFacts(row, texts)), ...fileFacts(row.picture, texts),
      ...rows.map(([name, value]) => [texts.text(name), value]), ...labelFacts(found, texts)];
    list.replaceChildren(...facts.map(([name, value]) => createElement("div", {}, createElement("dt", {}, name), createElement("dd", {}, value))));
  }

  return {
    node,
    draw(newRow) {
      row = newRow;
      if (node.open) loadDetails();
      drawList();
    },
  };
}

function scoreFacts(row, texts) {
  const facts = [["lightbox_score", row.score.toFixed(EXACT_DECIMALS)], ["lightbox_log_odds", row.logOdds.toFixed(EXACT_DECIMALS)]];
  if (row.tokens) facts.push(["lightbox_tokens", countText(row.tokens, texts.language)]);
  if (row.isCached) facts.push(["lightbox_time", texts.t("lightbox_from_cache")]);
  else if (row.latencyMs) facts.push(["lightbox_time", `${countText(Math.round(row.latencyMs), texts.language)} ms`]);
  if (row.words) facts.push(["lightbox_words", row.words]);
  return facts.map(([key, value]) => [texts.t(key), value]);
}

function labelFacts(found, texts) {
  const written = found.map((label) => `${texts.text(label)} ${percentOf(label.confidence)}`);
  return written.length ? [[texts.t("lightbox_labels"), written.join(" · ")]] : [];
}

function fileFacts(picture, texts) {
  if (!picture) return [];
  const { language } = texts;
  const facts = [["lightbox_file_size", bytesText(picture.bytes)]];
  if (picture.width) facts.unshift(["lightbox_pixels", `${countText(picture.width, language)} × ${countText(picture.height, language)}`]);
  if (picture.taken) facts.push(["lightbox_taken", takenText(picture.taken, language)]);
  return facts.map(([key, value]) => [texts.t(key), value]);
}
