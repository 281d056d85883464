// The menu of downloads of the tab “Labels”. Every file has exactly the pictures that are shown, in their order. Another
// format is a line here and one in labels_tab/label_exports.py.

import { createElement, saveFile } from "./elements.js";
import { bytesText } from "./formats.js";
import { setText } from "./labels.js";
import { createPopover } from "./popover.js";

const FORMATS = ["json", "jsonl", "csv", "corrected"];

export function createTaggingExport(store, shown, labels) {
  const { texts } = store;
  const buttons = FORMATS.map((format) => {
    const button = createElement("button", { type: "button", class: "button", onclick: () => download(format) });
    return labels.text(button, `tagging_export_${format}`);
  });
  const hint = labels.text(createElement("p", { class: "muted" }), "tagging_export_hint");
  const outcome = createElement("p", { class: "export-outcome", role: "status" });
  const popover = createPopover("export", [createElement("div", { class: "export-formats" }, ...buttons), hint, outcome], () => setText(outcome, ""));
  labels.attribute(popover.panel, "aria-label", "export_title");
  let isBusy = false;

  async function download(format) {
    if (isBusy) return;
    isBusy = true;
    setText(outcome, texts.t("export_preparing"));
    outcome.classList.remove("is-error");
    draw();
    try {
      const pictures = shown.entries.map(({ picture }) => picture.id);
      const file = await store.api.post(store.path("picture-labels/exports"), { format, pictures, language: shown.language, ...shown.options });
      saveFile(popover.node, store.api.urlOf(file.url), file.name);
      setText(outcome, texts.t("export_done", { name: file.name, size: bytesText(file.bytes) }));
    } catch (error) {
      setText(outcome, error.message);
      outcome.classList.add("is-error");
    }
    isBusy = false;
    draw();
  }

  function draw() {
    const hasLabels = shown.entries.some(({ state, correction }) => state === "judged" || Object.keys(correction.states).length || correction.checked);
    setText(popover.button, texts.t("tagging_download", { count: shown.entries.length }));
    popover.button.disabled = !hasLabels;
    const isCorrected = shown.entries.some(({ correction }) => correction.checked || Object.keys(correction.states).length);
    buttons.forEach((button, index) => {
      button.disabled = FORMATS[index] === "corrected" && !isCorrected;
      button.setAttribute("aria-disabled", String(isBusy));  // not disabled, because that would take the focus
    });
  }

  return { node: popover.node, button: popover.button, draw };
}
