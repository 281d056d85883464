// Pick, reject and rate pictures, by buttons and by keys.

import { createElement } from "./elements.js";

export const NO_MARK = Object.freeze({ pick: 0, rating: 0 });
const KEYS = { p: { pick: 1 }, x: { pick: -1 }, u: { pick: 0 }, 0: { rating: 0 }, 1: { rating: 1 }, 2: { rating: 2 }, 3: { rating: 3 }, 4: { rating: 4 }, 5: { rating: 5 } };

// What a key does to marks, or null.
export const markOfKey = (event) => (event.ctrlKey || event.metaKey || event.altKey ? null : KEYS[event.key.toLowerCase()] ?? null);

// Change the marks of pictures at once, and tell the server. Returns a text that says what was done.
export function mark(store, ids, change) {
  for (const id of ids) store.marks.set(id, { ...(store.marks.get(id) ?? NO_MARK), ...change });
  store.note("marks");
  store.notices.attempt(() => store.api.post(store.path("marks"), { pictures: ids, ...change }));
  const [[kind, value]] = Object.entries(change);
  return store.texts.t(kind === "rating" ? "mark_said_rating" : { 1: "mark_said_pick", [-1]: "mark_said_reject", 0: "mark_said_none" }[value], { count: ids.length, stars: value });
}

// The buttons of one picture. onMark: (change).
export function createMarkButtons(store, onMark) {
  const button = (kind, value, sign) => createElement("button", {
    type: "button", class: `mark-button ${kind}`, tabindex: "-1", "data-kind": kind, "data-value": value,
    onclick: (event) => { event.stopPropagation(); onMark(change(kind, value)); },
  }, sign);
  const node = createElement("div", { class: "marks" }, button("pick", 1, "✓"), button("pick", -1, "✗"),
    createElement("span", { class: "stars" }, ...[1, 2, 3, 4, 5].map((stars) => button("rating", stars, "★"))));
  let shown = NO_MARK;

  // Pressing what is set already takes it back.
  const change = (kind, value) => ({ [kind]: shown[kind] === value ? 0 : value });

  return {
    node,
    show(marked) {
      shown = marked ?? NO_MARK;
      node.classList.toggle("set", Boolean(shown.pick || shown.rating));
      for (const each of node.querySelectorAll("button")) {
        const value = Number(each.dataset.value), isStar = each.dataset.kind === "rating";
        const isOn = isStar ? shown.rating >= value : shown.pick === value;
        each.classList.toggle("on", isOn);
        each.setAttribute("aria-pressed", String(isStar ? shown.rating === value : isOn));
        each.setAttribute("aria-label", isStar ? store.texts.t("mark_stars", { count: value }) : store.texts.t(value === 1 ? "mark_pick" : "mark_reject"));
      }
    },
  };
}
