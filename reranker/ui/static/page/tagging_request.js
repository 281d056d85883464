// What the tab “Labels” asks the server to label, what keeps it from that, and what its bar says before a run.

import { OWN } from "./own_labels.js";

// The request of a run; see run.js and run_bar.js. shown: see tagging_shown.js.
export function createTaggingRequest(store, shown, uploads) {
  const { t } = store.texts;
  const { pictureLabels } = store;

  function problem() {
    if (!store.pictures.size) return uploads.isActive ? "tagging_wait" : "tagging_no_pictures";
    return store.draft.vocabulary === OWN && !hasOwn() ? "tagging_own_empty" : null;
  }

  const hasOwn = () => Boolean(pictureLabels.own?.name) || store.draft.text.trim() !== "";

  async function send() {
    const { vocabulary, text, groups } = store.draft;
    const isTyped = vocabulary === OWN && !pictureLabels.own?.name;
    const wanted = { vocabulary, groups, text: isTyped ? text : null };
    return [(await store.api.post(store.path("picture-labels/run"), wanted)).run];
  }

  // Whether the pictures have the labels that are chosen.
  function isApplied() {
    const { run, own } = pictureLabels;
    const { vocabulary, groups, text } = store.draft;
    if (run.choice !== vocabulary || [...run.groups].sort().join("\n") !== [...groups].sort().join("\n")) return false;
    if (vocabulary !== OWN) return true;
    return run.source === own?.source && (Boolean(own.name) || own.text === text);
  }

  function idleText() {
    const { size } = store.pictures, { run } = pictureLabels;
    if (!size) return t("tagging_add_pictures");
    if (run && !isApplied()) return t("tagging_not_applied");
    if (run && shown.remaining) return t("tagging_remaining", { count: shown.remaining });
    return run ? "" : t("tagging_ready", { count: size });
  }

  return {
    problem, send,
    sentenceOf: (key) => t(key),
    hasEnded: (id) => pictureLabels.problem !== null || (pictureLabels.run?.id === id && pictureLabels.run.state !== "running"),
    busy: "tagging_busy",
    ids: { start: "label-pictures", stop: "stop-labels" },
    step: "3",
    title: "tagging_run",
    get buttonText() { return t("tagging_run"); },
    get isReady() { return store.pictures.size > 0; },
    get idleText() { return idleText(); },
    get endText() { return pictureLabels.run ? t("tagging_ended", { count: pictureLabels.judged.size }) : null; },
  };
}
