// One picture of the tab “Labels” as a card: the picture, its name, what can be done with it, and its labels.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";
import { createChip, updateChip } from "./tagging_chips.js";
import { nameOf, percentOf } from "./tagging_labels.js";

// actions: {open, add, check, fold: (id), filter: (key), remove: (id, label)}.
export function createTaggingCard(store, id, actions) {
  const image = createElement("img", { src: store.thumbnailUrl(id), alt: "", decoding: "async", draggable: "false" });
  const open = createElement("button", { type: "button", class: "card-open", onclick: () => actions.open(id) }, image);
  const name = createElement("span", { class: "card-name" });
  const mark = createElement("span", { class: "tag-corrected", "aria-hidden": "true", hidden: true }, "✎");
  const check = createElement("button", { type: "button", class: "tag-tool tag-check", onclick: () => actions.check(id) }, "✓");
  const add = createElement("button", { type: "button", class: "tag-tool tag-add", onclick: () => actions.add(id) }, "+");
  const chips = createElement("div", { class: "tag-chips" });
  const more = createElement("button", { type: "button", class: "tag-more", onclick: () => actions.fold(id) });
  const note = createElement("p", { class: "tag-note" });
  const place = createElement("div", { class: "tag-place" }, chips, more, note);
  const card = createElement("li", { class: "card tag-card" }, open, createElement("div", { class: "tag-line" }, name, mark, check, add), place);
  card.parts = { open, name, mark, check, add, chips, more, note, place };
  card.actions = { filter: actions.filter, remove: (label) => actions.remove(id, label) };
  // Chips are reached by Tab from the card that has the focus only.
  card.setStop = (isStop) => {
    if (card.isStop === isStop && !card.hasNew) return;
    [card.isStop, card.hasNew] = [isStop, false];
    for (const button of card.querySelectorAll("button")) button.tabIndex = isStop ? 0 : -1;
  };
  return card;
}

// view: {index, count, filter, language, fitting, isUnfolded}; fitting: how many chips there is room for.
export function updateTaggingCard(card, entry, view, texts) {
  const { t } = texts;
  const { parts } = card;
  const { picture, labels, correction } = entry;
  setText(parts.name, picture.name);
  parts.name.title = picture.name;
  parts.open.setAttribute("aria-label", labelOf(entry, view, texts));
  parts.check.setAttribute("aria-pressed", String(correction.checked));
  parts.check.setAttribute("aria-label", t("tagging_check_of", { name: picture.name }));
  parts.check.title = t("tagging_check");
  parts.check.hidden = entry.state !== "judged" && !labels.length && !correction.checked;
  parts.mark.hidden = !isCorrected(correction);
  parts.mark.title = t("tagging_corrected");
  parts.add.setAttribute("aria-label", t("tagging_add_to", { name: picture.name }));
  parts.add.title = t("tagging_add");
  card.classList.toggle("is-checked", correction.checked);
  card.classList.toggle("is-waiting-labels", entry.state === "waiting");
  card.setAttribute("aria-posinset", view.index + 1);
  card.setAttribute("aria-setsize", view.count);
  drawChips(card, entry, view, texts);
  const note = noteOf(entry, texts);
  setText(parts.note, note);
  parts.note.hidden = !note;
  parts.note.title = note;
  parts.note.classList.toggle("is-trouble", entry.state === "failed");
}

function drawChips(card, { picture, labels }, { language, filter, fitting, isUnfolded }, texts) {
  const { chips, more, place } = card.parts;
  const shown = isUnfolded ? labels : labels.slice(0, fitting);
  const before = chips.children.length;
  updateByKey(chips, shown, ({ key }) => key, () => createChip(card.actions), (chip, label) =>
    updateChip(chip, label, { language, filter, picture: picture.name }, texts));
  const hasMore = labels.length > fitting;
  more.hidden = !hasMore;
  setText(more, isUnfolded ? "−" : `+${labels.length - fitting}`);
  more.setAttribute("aria-expanded", String(isUnfolded));
  more.setAttribute("aria-label", texts.t(isUnfolded ? "tagging_fold" : "tagging_unfold", { count: labels.length - fitting, name: picture.name }));
  place.classList.toggle("is-unfolded", isUnfolded && hasMore);
  card.hasNew = card.hasNew || before !== chips.children.length || card.isStop === undefined;
}

function noteOf({ state, labels, failure }, texts) {
  if (state === "failed") return texts.text(failure.reason);
  if (state === "judged" && !labels.length) return texts.t("tagging_nothing");
  return "";
}

// Whether somebody has taken labels away, which cannot be seen in the others.
const isCorrected = ({ states }) => Object.values(states).includes("absent");

function labelOf({ picture, labels, correction, state, failure }, { language }, texts) {
  const { t } = texts;
  const listed = labels.map((label) => t("tagging_chip", { label: nameOf(label, language), state: label.by ? t(`tagging_by_${label.by}`) : percentOf(label.confidence) }));
  const what = state === "failed" ? [texts.text(failure.reason)] : listed.length ? listed : state === "judged" ? [t("tagging_nothing")] : [];
  return [picture.name, ...what, isCorrected(correction) && t("tagging_corrected"), correction.checked && t("tagging_checked")].filter(Boolean).join(t("results_comma"));
}
