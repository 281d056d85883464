// One picture at full size over the page, with its neighbours in shown order, why it has its score, and marks.

import { createElement } from "./elements.js";
import { createExplanation } from "./explanation.js";
import { createFacts } from "./picture_facts.js";
import { setText } from "./labels.js";
import { changeOfKey, changeText, createMarkButtons, markOf, setMarks, updateMarkButtons } from "./marks.js";
import { createNotices } from "./notices.js";
import { createStage } from "./stage.js";

// onClose: (key of the picture that was shown last). onLike: (id), instead of it, after a picture was made the example.
export function createLightbox(store, shown, labels, { onClose, onLike }) {
  const { texts } = store;
  const notices = createNotices(labels);
  const stage = createStage(store, step, drawZoom);
  const iconButton = (key, glyph, onclick, className = "") => {
    const button = createElement("button", { type: "button", class: `icon ${className}`, onclick }, glyph);
    return labels.attribute(labels.attribute(button, "aria-label", key), "title", key);
  };
  const previous = iconButton("lightbox_previous", "‹", () => step(-1), "stage-previous");
  const next = iconButton("lightbox_next", "›", () => step(1), "stage-next");
  const magnification = createElement("button", { type: "button", class: "icon zoom-reset", onclick: () => stage.zoom.reset() });
  labels.attribute(magnification, "title", "lightbox_fit");
  const keep = createElement("button", { type: "button", class: "lightbox-keep", onclick: toggleBeside });
  const close = iconButton("lightbox_close", "✕", () => node.close());
  const bar = createElement("div", { class: "lightbox-bar" },
    iconButton("lightbox_shrink", "−", () => stage.zoom.shrink()), magnification, iconButton("lightbox_enlarge", "+", () => stage.zoom.enlarge()),
    keep, close);
  const rank = createElement("span", { class: "lightbox-rank" }), score = createElement("b", { class: "lightbox-score" });
  const name = createElement("h2", { class: "lightbox-name" });
  const place = createElement("span", { class: "lightbox-place" });
  const marks = createMarkButtons(mark, null);
  const like = labels.text(createElement("button", { type: "button", class: "button", onclick: likeThis }), "example_like_this");
  const why = createExplanation(store, shown, labels, stage.showMap);
  const facts = createFacts(store, labels);
  const side = createElement("div", { class: "lightbox-side" },
    createElement("div", { class: "lightbox-head" }, rank, score, place), name, marks, like, why.node, facts.node, notices.alert, notices.spoken);
  const view = createElement("div", { class: "lightbox-view" }, stage.node, previous, next, bar);
  const node = createElement("dialog", { class: "lightbox", onkeydown: handleKey, onclose: handleClose }, view, side);
  labels.attribute(node, "aria-label", "lightbox_title");
  let key = null, besideKey = null, likedId = null, index = 0, preloaded = [];

  const rowOf = (wanted) => shown.rows.find((row) => row.key === wanted) ?? null;

  function open(newKey) {
    [key, besideKey] = [newKey, null];
    stage.zoom.reset();
    node.showModal();
    draw();
    close.focus();
  }

  function step(change) {
    const entries = shown.entries;
    const target = entries[indexNow() + change] ?? null;
    if (!target) return;
    key = target.row.key;
    if (besideKey === null) stage.zoom.reset();
    draw();
    const { row } = target;
    notices.say(texts.t("card_label", { rank: row.rank, score: row.text, name: row.name }));
  }

  // Where the picture is among those that are shown; where it was, if the filter does not show it any more.
  function indexNow() {
    const found = shown.entries.findIndex(({ row }) => row.key === key);
    if (found >= 0) index = found;
    return index;
  }

  // Keep this picture on the left while the arrows change the other one.
  function toggleBeside() {
    if (besideKey !== null) besideKey = null;
    else {
      besideKey = key;
      const at = indexNow();
      key = (shown.entries[at + 1] ?? shown.entries[at - 1] ?? shown.entries[at]).row.key;
    }
    stage.zoom.reset();
    draw();
  }

  function mark(change) {
    const row = rowOf(key);
    if (row.id === null) return;
    notices.say(changeText(texts, change, row.name));
    setMarks(store, [row.id], change, notices);
  }

  function handleKey(event) {
    const change = changeOfKey(event);
    const action = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": stage.zoom.enlarge, "-": stage.zoom.shrink }[event.key];
    if (!change && !action) return;
    event.preventDefault();
    if (change) mark(change); else action();
  }

  function likeThis() {
    likedId = rowOf(key).id;
    node.close();
  }

  function handleClose() {
    const last = key, liked = likedId;
    [key, likedId] = [null, null];
    preloaded = [];
    stage.showMap(null);
    if (liked === null) onClose(last); else onLike(liked);
  }

  function draw() {
    if (!node.open || key === null) return;
    const row = rowOf(key);
    if (!row) return node.close();  // it was removed from the session
    if (!rowOf(besideKey)) besideKey = null;
    const at = indexNow();
    stage.show(row, rowOf(besideKey));
    setText(rank, `#${row.rank}`);
    setText(score, row.text);
    setText(name, row.name);
    setText(place, texts.t("lightbox_place", { number: at + 1, count: shown.entries.length }));
    // Not disabled, because that would take the focus and the keys from them.
    previous.setAttribute("aria-disabled", String(at <= 0));
    next.setAttribute("aria-disabled", String(at >= shown.entries.length - 1));
    keep.setAttribute("aria-pressed", String(besideKey !== null));
    setText(keep, texts.t(besideKey === null ? "lightbox_keep_beside" : "lightbox_alone"));
    keep.hidden = shown.entries.length < 2;
    marks.hidden = row.id === null;
    like.hidden = row.id === null || !store.model?.takes_example;
    updateMarkButtons(marks, markOf(store.marks, row.id), texts);
    why.draw(row);
    facts.draw(row);
    drawZoom();
    preload([at - 1, at + 1]);
  }

  function drawZoom() {
    const size = stage.magnification;
    setText(magnification, size === null ? "" : `${Math.round(size * stage.zoom.scale * 100)} %`);
  }

  function preload(indexes) {
    preloaded = indexes.map((at) => shown.entries[at]?.row.id).filter(Boolean).map((id) => {
      const image = new Image();
      image.src = store.fullUrl(id);
      return image;
    });
  }

  return { node, open, draw };
}
