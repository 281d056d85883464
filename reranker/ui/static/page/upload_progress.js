// What uploads are doing and what they had to say: progress, what was there already, and which files are no pictures.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";
import { createMessage } from "./message.js";

const MAX_LISTED = 8;  // more are behind a button

export function createUploadProgress(store, uploads, labels) {
  const { t } = store.texts;
  const text = createElement("span", { class: "upload-text" });
  const bar = createElement("i");
  const progress = createElement("div", { class: "progress", role: "progressbar", "aria-valuemin": 0 }, bar);
  labels.attribute(progress, "aria-label", "upload_progress");
  const cancel = labels.text(createElement("button", { type: "button", class: "plain", onclick: uploads.cancel }), "upload_cancel");
  const row = createElement("div", { class: "upload-row", hidden: true }, text, progress, cancel);
  const summary = createMessage(labels, "", uploads.forget);
  const trouble = createMessage(labels, "is-trouble", uploads.forget);
  const refused = createRefused(store, uploads, labels);
  const spoken = createElement("p", { class: "visually-hidden", role: "status" });
  let wasActive = false;

  function draw() {
    row.hidden = !uploads.isActive;
    setText(text, t("upload_preparing", { done: uploads.done, count: uploads.total }));
    progress.setAttribute("aria-valuemax", uploads.total);
    progress.setAttribute("aria-valuenow", uploads.done);
    bar.style.transform = `scaleX(${uploads.total ? uploads.done / uploads.total : 0})`;
    if (uploads.isActive !== wasActive) setText(spoken, t(uploads.isActive ? "upload_started" : "upload_ended", { count: store.pictures.size }));
    wasActive = uploads.isActive;
    summary.show(uploads.isActive ? "" : summaryOf());
    trouble.show(uploads.trouble?.() ?? "");
    refused.draw();
  }

  function summaryOf() {
    const sentences = [];
    if (uploads.same.length) sentences.push(t("upload_same", { count: uploads.same.length, names: listOf(uploads.same, t) }));
    if (uploads.leftOut) sentences.push(t("upload_left_out", { count: uploads.leftOut, max: store.limits.max_pictures }));
    return sentences.join(" ");
  }

  return {
    node: createElement("div", { class: "uploads" }, row, summary.node, trouble.node, refused.node, spoken),
    draw(topics) { if (topics.has("uploads") || topics.has("language")) draw(); },
  };
}

// A few names, and how many more there are.
function listOf(names, t) {
  const listed = names.slice(0, 3).join(t("upload_comma"));
  return names.length > 3 ? t("upload_and_more", { names: listed, count: names.length - 3 }) : listed;
}

// The files that were not added, each with its reason.
function createRefused(store, uploads, labels) {
  const { t } = store.texts;
  const title = createElement("p", { class: "refused-title" });
  const list = createElement("ul");
  const more = createElement("button", { type: "button", class: "plain", onclick: () => { isUnfolded = true; draw(); } });
  const close = createElement("button", { type: "button", class: "plain close", onclick: uploads.forget }, "✕");
  labels.attribute(close, "aria-label", "header_close");
  const node = createElement("div", { class: "refused", role: "group", hidden: true }, title, close, list, more);
  labels.attribute(node, "aria-label", "upload_refused_title");
  let isUnfolded = false;

  function draw() {
    const { refused } = uploads;
    node.hidden = !refused.length;
    if (!refused.length) isUnfolded = false;
    const shown = isUnfolded ? refused : refused.slice(0, MAX_LISTED);
    setText(title, t("upload_refused", { count: refused.length }));
    updateByKey(list, shown.map((sentence, index) => ({ sentence, index })), ({ index }) => index,
      () => createElement("li"), (item, { sentence }) => setText(item, sentence()));
    more.hidden = shown.length === refused.length;
    setText(more, t("upload_more", { count: refused.length - shown.length }));
  }

  return { node, draw };
}
