// Marks of pictures: picked, rejected, and stars; as buttons and as keys.

import { createElement } from "./elements.js";

const NO_MARK = Object.freeze({ pick: 0, rating: 0 });
const MAX_RATING = 5;

export const markOf = (marks, id) => marks.get(id) ?? NO_MARK;

// The change that a key asks for, or null.
export function changeOfKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (/^[0-5]$/.test(event.key)) return { rating: Number(event.key) };
  return { p: { pick: 1 }, x: { pick: -1 }, u: { pick: 0 } }[event.key.toLowerCase()] ?? null;
}

// Show the marks at once, and take them back if the server refuses them.
export async function setMarks(store, ids, change, notices) {
  const before = new Map(ids.map((id) => [id, markOf(store.marks, id)]));
  for (const [id, mark] of before) store.marks.set(id, { ...mark, ...change });
  store.note("marks");
  try {
    await store.api.post(store.path("marks"), { pictures: ids, ...change });
  } catch (error) {
    for (const [id, mark] of before) store.marks.set(id, mark);
    store.note("marks");
    notices.fail(error);
  }
}

// What a change did, as a sentence. what: the name of a picture, or how many.
export function changeText(texts, change, what) {
  if (change.pick !== undefined) return texts.t({ 1: "mark_said_picked", "-1": "mark_said_rejected", 0: "mark_said_unmarked" }[change.pick], { what });
  return texts.t(change.rating ? "mark_said_rated" : "mark_said_unrated", { what, count: change.rating });
}

// The marks in words, for labels: "picked, 4 stars".
export function markTexts(texts, mark) {
  return [
    mark.pick === 1 && texts.t("mark_picked"), mark.pick === -1 && texts.t("mark_rejected"),
    mark.rating > 0 && texts.t("mark_stars", { count: mark.rating }),
  ].filter(Boolean);
}

// Buttons for one picture. tabindex: -1 where keys do the same. onChange: (change, event).
export function createMarkButtons(onChange, tabindex) {
  const button = (name, glyph, change) => {
    const attributes = { type: "button", class: `mark mark-${name}`, tabindex, onclick: (event) => onChange(change(), event) };
    return createElement("button", attributes, glyph);
  };
  const node = createElement("span", { class: "marks" });
  const current = () => node.mark ?? NO_MARK;
  const stars = Array.from({ length: MAX_RATING }, (_, index) =>
    button("star", "★", () => ({ rating: current().rating === index + 1 ? 0 : index + 1 })));
  node.append(
    button("pick", "✓", () => ({ pick: current().pick === 1 ? 0 : 1 })),
    button("reject", "✕", () => ({ pick: current().pick === -1 ? 0 : -1 })),
    createElement("span", { class: "stars", role: "group" }, ...stars));
  return node;
}

// Show a mark on buttons of createMarkButtons.
export function updateMarkButtons(node, mark, texts) {
  if (node.mark === mark && node.language === texts.language) return;
  Object.assign(node, { mark, language: texts.language });
  const [pick, reject, stars] = node.children;
  press(pick, mark.pick === 1, texts.t("mark_pick"));
  press(reject, mark.pick === -1, texts.t("mark_reject"));
  stars.setAttribute("aria-label", texts.t("mark_rating"));
  stars.dataset.rating = mark.rating;
  [...stars.children].forEach((star, index) => {
    press(star, mark.rating === index + 1, texts.t("mark_rate", { count: index + 1 }));
    star.classList.toggle("filled", index < mark.rating);
  });
}

function press(button, isPressed, label) {
  button.setAttribute("aria-pressed", String(isPressed));
  button.setAttribute("aria-label", label);
  button.title = label;
}
