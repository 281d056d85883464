// One picture of the tab “Labels” over the page, with all its labels, and what can be corrected.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";
import { createNotices } from "./notices.js";
import { createFacts } from "./picture_facts.js";
import { createStage } from "./stage.js";
import { createAddBox } from "./tagging_add.js";
import { createChip, updateChip } from "./tagging_chips.js";
import { absentLabels, nameOf } from "./tagging_labels.js";

// onClose: (id of the picture that was shown last).
export function createTaggingLightbox(store, shown, labels, corrections, onClose) {
  const { texts } = store;
  const notices = createNotices(labels);
  const stage = createStage(store, step, () => {});
  const icon = (key, glyph, onclick, className = "") => {
    const button = createElement("button", { type: "button", class: `icon ${className}`, onclick }, glyph);
    return labels.attribute(labels.attribute(button, "aria-label", key), "title", key);
  };
  const previous = icon("lightbox_previous", "‹", () => step(-1), "stage-previous");
  const next = icon("lightbox_next", "›", () => step(1), "stage-next");
  const close = icon("lightbox_close", "✕", () => node.close());
  const bar = createElement("div", { class: "lightbox-bar" },
    icon("lightbox_shrink", "−", () => stage.zoom.shrink()), icon("lightbox_enlarge", "+", () => stage.zoom.enlarge()), close);
  const name = createElement("h2", { class: "lightbox-name" });
  const place = createElement("span", { class: "lightbox-place" });
  const chips = labels.attribute(createElement("div", { class: "tag-chips", role: "group" }), "aria-label", "tagging_labels");
  const note = createElement("p", { class: "tag-note" });
  const absentTitle = labels.text(createElement("h3"), "tagging_absent");
  const absent = createElement("ul", { class: "tag-absent" });
  const check = createElement("button", { type: "button", class: "button tag-all-right", onclick: () => corrections.check(entry()) });
  const add = createAddBox(store, shown, labels, (label) => corrections.add(entry(), label));
  const facts = createFacts(store, labels);
  const hint = labels.text(createElement("p", { class: "muted tagging-keys" }), "tagging_keys");
  const side = createElement("div", { class: "lightbox-side" }, createElement("div", { class: "lightbox-head" }, place), name,
    chips, note, add.node, check, absentTitle, absent, facts.node, hint, notices.alert, notices.spoken);
  const view = createElement("div", { class: "lightbox-view" }, stage.node, previous, next, bar);
  const node = createElement("dialog", { class: "lightbox tagging-lightbox", onkeydown: handleKey, onclose: handleClose }, view, side);
  labels.attribute(node, "aria-label", "lightbox_title");
  let id = null, index = 0;

  const entry = () => shown.all.find(({ picture }) => picture.id === id) ?? null;
  const actions = {
    filter(key) { node.close(); shown.toggle(key); },
    remove: (label) => corrections.remove(entry(), label),
  };

  function open(newId, isAdding) {
    id = newId;
    stage.zoom.reset();
    node.showModal();
    draw();
    if (isAdding) add.focus(); else close.focus();
  }

  function step(change) {
    const target = shown.entries[indexNow() + change];
    if (!target) return;
    id = target.picture.id;
    stage.zoom.reset();
    add.clear();
    draw();
    notices.say(target.picture.name);
  }

  // Where the picture is among those that are shown; where it was, if the filter does not show it any more.
  function indexNow() {
    const found = shown.entries.findIndex(({ picture }) => picture.id === id);
    if (found >= 0) index = found;
    return index;
  }

  function handleKey(event) {
    if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": stage.zoom.enlarge, "-": stage.zoom.shrink,
      c: () => corrections.check(entry()), a: add.focus,
    };
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  function handleClose() {
    const last = id;
    id = null;
    add.clear();
    onClose(last);
  }

  function draw() {
    if (!node.open || id === null) return;
    const found = entry();
    if (!found) return node.close();  // it was removed from the session
    const { picture, correction } = found;
    const at = indexNow();
    stage.show({ id, name: picture.name, picture }, null);
    setText(name, picture.name);
    setText(place, texts.t("lightbox_place", { number: at + 1, count: shown.entries.length }));
    previous.setAttribute("aria-disabled", String(at <= 0));
    next.setAttribute("aria-disabled", String(at >= shown.entries.length - 1));
    drawLabels(found);
    setText(check, texts.t(correction.checked ? "tagging_checked_button" : "tagging_check"));
    check.setAttribute("aria-pressed", String(correction.checked));
    check.hidden = found.state !== "judged" && !found.labels.length && !correction.checked;
    facts.draw({ id, picture });
  }

  function drawLabels({ picture, labels: found, correction, state, failure }) {
    const { language, filter } = shown;
    updateByKey(chips, found, ({ key }) => key, () => createChip(actions), (chip, label) => updateChip(chip, label, { language, filter, picture: picture.name }, texts));
    const reason = failure ? texts.text(failure.reason) : state === "judged" && !found.length ? texts.t("tagging_nothing") : "";
    setText(note, reason);
    note.hidden = !reason;
    note.classList.toggle("is-trouble", Boolean(failure));
    const gone = absentLabels(correction);
    absentTitle.hidden = absent.hidden = !gone.length;
    updateByKey(absent, gone, ({ key }) => key, makeAbsent, updateAbsent);
  }

  function makeAbsent() {
    const text = createElement("s");
    const item = createElement("li");
    const back = createElement("button", { type: "button", class: "plain", onclick: () => corrections.putBack(entry(), item.label) });
    item.append(text, back);
    return Object.assign(item, { parts: { text, back } });
  }

  function updateAbsent(item, label) {
    const text = nameOf(label, shown.language);
    item.label = label;
    setText(item.parts.text, text);
    setText(item.parts.back, texts.t("tagging_put_back"));
    item.parts.back.setAttribute("aria-label", texts.t("tagging_put_back_label", { label: text }));
  }

  return { node, open, draw() { add.drawChoices(); draw(); } };
}
