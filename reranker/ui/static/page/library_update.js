// The update of the chosen library and its labels: how far it is, for everybody; and the buttons, for the owner of the server.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { isRunning } from "./libraries.js";

export function createLibraryUpdate(store, libraries, labels) {
  const { texts } = store;
  const start = labels.text(createElement("button", { type: "button", class: "button", onclick: () => ask("update") }), "library_update");
  const label = labels.text(createElement("button", { type: "button", class: "button", onclick: () => ask("label") }), "library_label_all");
  const stop = labels.text(createElement("button", { type: "button", class: "button", onclick: () => ask("stop") }), "library_stop");
  const text = createElement("p", { class: "library-update-text", role: "status" });
  const bar = createElement("i");
  const progress = createElement("div", { class: "progress", role: "progressbar", "aria-valuemin": 0, hidden: true }, bar);
  labels.attribute(progress, "aria-label", "library_progress");
  const node = createElement("div", { class: "library-update" }, start, label, stop, text, progress);
  let trouble = null;  // () -> why nothing was started

  async function ask(what) {
    trouble = null;
    try {
      await store.api.post(store.path(`libraries/${what}`), { library: libraries.chosen.name });
    } catch (error) {
      trouble = error.sentence;
    }
    draw();
  }

  function draw() {
    const { chosen, mayUpdate } = libraries;
    const update = store.updates.get(chosen?.name);
    const isBusy = isRunning(update), hadFocus = node.contains(document.activeElement);
    start.hidden = !mayUpdate || isBusy || !chosen?.encoder;
    label.hidden = start.hidden || !chosen.pictures;
    stop.hidden = !mayUpdate || !isBusy;
    if (hadFocus && document.activeElement.hidden) (isBusy ? stop : start).focus({ preventScroll: true });
    const sentence = trouble?.() ?? updateText(update, texts);
    setText(text, sentence);
    text.classList.toggle("is-trouble", Boolean(trouble) || update?.state === "failed");
    progress.hidden = !isBusy || !update.total;
    progress.setAttribute("aria-valuemax", update?.total || 1);
    progress.setAttribute("aria-valuenow", update?.done ?? 0);
    bar.style.transform = `scaleX(${update?.total ? update.done / update.total : 0})`;
    node.hidden = start.hidden && stop.hidden && !sentence;
  }

  return {
    node,
    draw(topics) { if (["libraries", "updates", "draft", "language"].some((topic) => topics.has(topic))) draw(); },
  };
}

function updateText(update, texts) {
  if (!update) return "";
  const { state, work, done, total, failed, removed, unreadable, error } = update;
  const isLabels = work === "labels";
  if (state === "comparing") return texts.t(isLabels ? "library_preparing_labels" : "library_comparing");
  if (state === "failed") return texts.text(error);
  const isChanged = Boolean(total || removed);
  const head = isLabels
    ? { running: "library_labelling", stopped: "library_labels_stopped", done: isChanged ? "library_labelled" : "library_labels_unchanged" }[state]
    : { running: "library_reading", stopped: "library_stopped", done: isChanged ? "library_updated" : "library_unchanged" }[state];
  return [
    texts.t(head, { done, total }),
    removed && texts.t("library_removed", { count: removed }),
    failed && texts.t("library_failed", { count: failed }),
    unreadable && texts.t("library_unreadable", { count: unreadable }),
  ].filter(Boolean).join(" · ");
}
