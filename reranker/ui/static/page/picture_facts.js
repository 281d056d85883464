// What is known of a picture and its score, folded: exact numbers, the file, and what the camera wrote.

import { createElement } from "./elements.js";
import { bytesText, countText, takenText } from "./formats.js";

const EXACT_DECIMALS = 4;

export function createFacts(store, labels) {
  const { texts } = store;
  const list = createElement("dl");
  const node = createElement("details", { class: "facts", ontoggle: () => { if (node.open && row) loadCamera(); } },
    labels.text(createElement("summary"), "lightbox_details"), list);
  const camera = new Map();  // rows of the server by picture
  let row = null;

  async function loadCamera() {
    const { id } = row;
    if (id === null || camera.has(id)) return;
    camera.set(id, []);
    try {
      camera.set(id, (await store.api.get(store.path(`pictures/${id}/details`))).rows);
    } catch {
      camera.delete(id);  // asked again when the details are opened again
    }
    if (row.id === id) drawList();
  }

  function drawList() {
    const facts = [...(row.score === undefined ? [] : scoreFacts(row, texts)), ...fileFacts(row.picture, texts),
      ...(camera.get(row.id) ?? []).map(([name, value]) => [texts.text(name), value])];
    list.replaceChildren(...facts.map(([name, value]) => createElement("div", {}, createElement("dt", {}, name), createElement("dd", {}, value))));
  }

  return {
    node,
    draw(newRow) {
      row = newRow;
      if (node.open) loadCamera();
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

function fileFacts(picture, texts) {
  if (!picture) return [];
  const { language } = texts;
  const facts = [["lightbox_file_size", bytesText(picture.bytes)]];
  if (picture.width) facts.unshift(["lightbox_pixels", `${countText(picture.width, language)} × ${countText(picture.height, language)}`]);
  if (picture.taken) facts.push(["lightbox_taken", takenText(picture.taken, language)]);
  return facts.map(([key, value]) => [texts.t(key), value]);
}
