// One picture of a ranking as a card: the picture with its rank, the score, the name, and marks.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { updatePartScores } from "./part_scores.js";
import { createMarkButtons, markTexts, updateMarkButtons } from "./marks.js";

// Create an empty card. onMark: (key, change, event). onToggle: (key), unfolds near-duplicates.
export function createCard(texts, onMark, onToggle) {
  const card = createElement("li", { class: "card" });
  const onChange = (change, event) => onMark(card.dataset.key, change, event);
  card.parts = {
    open: createElement("button", { type: "button", class: "card-open" }),
    image: createElement("img", { alt: "", decoding: "async", draggable: "false" }),
    tile: createElement("span", { class: "card-tile" }),
    badge: createElement("span", { class: "card-badge" }),
    more: createElement("button", { type: "button", class: "card-more", tabindex: -1, onclick: () => onToggle(card.dataset.key) }),
    bar: createElement("i"),
    rank: createElement("span", { class: "card-rank" }),
    score: createElement("b", { class: "card-score" }),
    coarse: createElement("span", { class: "card-coarse" }),
    name: createElement("span", { class: "card-name" }),
    scores: createElement("div", { class: "card-parts", hidden: true }),
    marks: createMarkButtons(onChange, -1),
  };
  const { open, image, tile, badge, more, bar, rank, score, coarse, name, scores, marks } = card.parts;
  open.append(image, tile, badge);
  card.append(open, more,
    createElement("span", { class: "card-bar", "aria-hidden": "true" }, bar),
    createElement("div", { class: "card-line" },
      createElement("span", { class: "card-figures", "aria-hidden": "true" }, rank, score, coarse), marks),
    createElement("div", { class: "card-line", "aria-hidden": "true" }, name), scores);
  return card;
}

// The place of a picture that is not scored yet. url: null if it is not known which picture that is.
export function createWaitingCard(url) {
  return createElement("li", { class: "card is-waiting", "aria-hidden": "true" },
    createElement("span", { class: "card-waiting" }, url && createElement("img", { src: url, alt: "", decoding: "async" })));
}

// Show an entry of a ranking. place: {index, count, mark, isSelected, url, parts}; parts: see part_scores.js, or null.
export function updateCard(card, entry, place, texts) {
  const { row } = entry;
  const { parts } = card;
  showPicture(parts, row, place.url);
  setText(parts.badge, String(row.rank));
  setText(parts.rank, `#${row.rank}`);
  setText(parts.score, row.text);
  setText(parts.name, row.name);
  setText(parts.coarse, row.isCoarse ? texts.t("card_coarse") : "");
  parts.name.title = row.name;
  parts.bar.style.width = `${row.score * 10}%`;
  card.classList.toggle("is-first", row.rank === 1);
  card.classList.toggle("is-member", entry.isMember);
  card.classList.toggle("is-selected", place.isSelected);
  card.classList.toggle("is-picked", place.mark.pick === 1);
  card.classList.toggle("is-rejected", place.mark.pick === -1);
  showSimilar(parts.more, entry, texts);
  parts.scores.hidden = place.parts === null;
  if (place.parts) updatePartScores(parts.scores, place.parts, texts);
  parts.marks.hidden = row.id === null;
  updateMarkButtons(parts.marks, place.mark, texts);
  card.setAttribute("aria-posinset", place.index + 1);
  card.setAttribute("aria-setsize", place.count);
  parts.open.setAttribute("aria-label", labelOf(entry, place, texts));
}

function showPicture({ image, tile }, row, url) {
  image.hidden = url === null;
  tile.hidden = url !== null;
  if (url === null) setText(tile, row.name);
  else if (image.getAttribute("src") !== url) image.setAttribute("src", url);
}

function showSimilar(more, { similar, isOpen }, texts) {
  more.hidden = similar === 0;
  if (more.hidden) return;
  setText(more, isOpen ? texts.t("card_fewer") : texts.t("card_similar", { count: similar }));
  more.setAttribute("aria-expanded", String(isOpen));
}

function labelOf({ row, similar }, { mark, isSelected }, texts) {
  return [
    texts.t("card_label", { rank: row.rank, score: row.text, name: row.name }),
    row.isCoarse && texts.t("card_coarse"), similar > 0 && texts.t("card_similar", { count: similar }),
    ...markTexts(texts, mark), isSelected && texts.t("card_selected"),
  ].filter(Boolean).join(texts.t("results_comma"));
}
