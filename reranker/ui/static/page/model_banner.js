// One line about the model: that it is loading, that it is the demo model, or what is wrong with it.

import { openDialog } from "./dialogs.js";
import { createElement } from "./elements.js";
import { setText } from "./labels.js";

export function createModelBanner(store, labels) {
  const { t, text } = store.texts;
  const head = createElement("b"), details = createElement("span");
  const line = createElement("p", { class: "banner-text", role: "status" }, head, " ", details);
  const bar = createElement("i");
  const progress = createElement("div", { class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, bar);
  labels.attribute(progress, "aria-label", "header_model_progress");
  const download = createElement("button", { type: "button", class: "button", onclick: askToDownload });
  const close = createElement("button", { type: "button", class: "plain close", onclick: dismiss }, "✕");
  labels.attribute(close, "aria-label", "header_close");
  const node = createElement("div", { class: "banner", hidden: true }, line, progress, download, close);
  let closedKind = "", trouble = null;

  function dismiss() {
    closedKind = kindOf(store.model);
    draw();
  }

  function askToDownload() {
    const { name, gigabytes } = store.model.download;
    const size = gigabytes ? t("header_download_size", { gigabytes }) : t("header_download_unknown_size");
    openDialog(node, {
      title: t("header_download_title", { name }), content: [createElement("p", {}, size)],
      actions: [{ text: t("header_download_yes"), className: "main", run: startDownload }], close: t("header_cancel"),
    });
  }

  async function startDownload() {
    try {
      trouble = null;
      await store.api.post(store.path("download"));
    } catch (error) {
      trouble = error.sentence;
    }
    draw();
  }

  function draw() {
    const { model } = store;
    const kind = trouble ? "failed" : kindOf(model);
    node.hidden = !kind || kind === closedKind;
    if (node.hidden) return;
    const percent = Math.round(100 * model.share);
    node.classList.toggle("is-trouble", kind === "failed");
    setText(head, headOf(kind, percent));
    setText(details, trouble?.() ?? text(model.text));
    progress.hidden = kind !== "loading" && kind !== "downloading";
    progress.setAttribute("aria-valuenow", percent);
    bar.style.transform = `scaleX(${model.share})`;
    download.hidden = !model.download || kind === "downloading";
    if (model.download) setText(download, t("header_download", { name: model.download.name }));
    close.hidden = kind !== "demo" && kind !== "note";
  }

  function headOf(kind, percent) {
    if (kind === "demo") return t("header_demo");
    if (kind === "loading") return t("header_loading", { percent });
    return kind === "downloading" ? t("header_downloading", { percent }) : "";
  }

  return {
    node,
    draw(topics) { if (topics.has("model") || topics.has("language")) draw(); },
  };
}

// What there is to say of a model: "loading", "downloading", "failed", "demo", "note" (a warning) or nothing.
function kindOf(model) {
  if (!model) return "";
  if (model.state !== "ready") return model.state;
  if (model.demo) return "demo";
  return Object.values(model.text ?? {}).some(Boolean) ? "note" : "";
}
