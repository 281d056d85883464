// Which of the labels that were found are shown: language, least confidence, most labels of a picture. They hold at once.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";

const LANGUAGES = ["page", "both"];
const DEFAULT_PERCENT = 50;  // where the slider stands before the calibration is known
const MOST = 100;

export function createTaggingOptions(store, labels) {
  const { t } = store.texts;
  const language = createElement("select", { onchange: () => store.setDraft({ language: language.value }) });
  const slider = createElement("input", { type: "range", min: 1, max: 99, step: 1, oninput: () => store.setDraft({ threshold: Number(slider.value) / 100 }) });
  const value = createElement("output", { class: "tagging-threshold" });
  const reset = labels.text(createElement("button", { type: "button", class: "plain", onclick: resetThreshold }), "tagging_threshold_reset");
  const most = createElement("input", {
    type: "number", min: 1, max: MOST, inputmode: "numeric",
    oninput: () => store.setDraft({ most: mostOf(most.value) }), onchange: () => { most.value = mostOf(most.value) ?? ""; },
  });
  labels.attribute(most, "placeholder", "tagging_most_all");
  const field = (key, input, ...more) => createElement("div", { class: "tagging-field" },
    createElement("label", {}, labels.text(createElement("span"), key), input), ...more);
  const node = createElement("fieldset", { class: "tagging-options" }, labels.text(createElement("legend"), "tagging_options"),
    field("tagging_language", language),
    field("tagging_threshold", slider, createElement("span", { class: "tagging-value" }, value, reset)),
    field("tagging_most", most));

  // The button goes away, so the slider has the focus then.
  function resetThreshold() {
    store.setDraft({ threshold: null });
    slider.focus();
  }

  // Where the calibration is for most labels.
  function calibratedPercent() {
    const thresholds = store.pictureLabels.vocabulary?.thresholds ?? [];
    const counts = new Map();
    for (const each of thresholds) counts.set(each, (counts.get(each) ?? 0) + 1);
    const [usual] = [...counts].sort(([, one], [, other]) => other - one)[0] ?? [DEFAULT_PERCENT / 100];
    return Math.round(100 * usual);
  }

  function draw() {
    updateByKey(language, LANGUAGES, (each) => each, (each) => createElement("option", { value: each }), (option, each) => setText(option, t(`tagging_language_${each}`)));
    language.value = store.draft.language;
    const percent = store.draft.threshold === null ? calibratedPercent() : Math.round(100 * store.draft.threshold);
    slider.value = percent;
    const text = store.draft.threshold === null ? t("tagging_calibrated") : t("tagging_from", { percent });
    setText(value, text);
    slider.setAttribute("aria-valuetext", text);
    reset.hidden = store.draft.threshold === null;
    if (document.activeElement !== most) most.value = store.draft.most ?? "";
  }

  return {
    node,
    draw(topics) { if (["draft", "language", "tagged", "session"].some((topic) => topics.has(topic))) draw(); },
  };
}

// How many labels a text asks for; null for all.
function mostOf(text) {
  const number = Math.floor(Number(text));
  return text === "" || !(number >= 1) ? null : Math.min(number, MOST);
}
