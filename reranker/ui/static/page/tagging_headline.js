// What the labels are of: the vocabulary and the models, how many pictures have labels, and those that failed or remain.

import { createElement } from "./elements.js";
import { secondsText } from "./formats.js";
import { setText } from "./labels.js";
import { createPopover } from "./popover.js";

const MAX_LINES = 50;

export function createTaggingHeadline(store, shown, labels, notices) {
  const { texts } = store;
  const { pictureLabels } = store;
  const title = createElement("h2", { class: "headline-title", tabindex: -1 });
  const verdict = createElement("b", { class: "headline-verdict", hidden: true });
  const counts = createElement("span");
  const list = createElement("ul");
  const reasons = createPopover("reasons", [list]);
  const retry = createElement("button", { type: "button", class: "button", onclick: tryAgain });
  const tools = createElement("div", { class: "failures" }, reasons.node, retry);
  const node = createElement("div", { class: "results-head" },
    createElement("div", { class: "headline" }, title, createElement("p", { class: "headline-counts" }, verdict, counts)),
    createElement("div", { class: "results-tools" }, tools));

  async function tryAgain() {
    retry.disabled = true;
    try {
      await store.api.post(store.path("picture-labels/retry"));
      title.focus({ preventScroll: true });
    } catch (error) {
      notices.fail(error);
    }
    retry.disabled = false;
  }

  function countTexts(run) {
    const { t } = texts;
    const judged = shown.all.filter(({ state }) => state === "judged");
    const empty = judged.filter(({ labels: found }) => !found.length).length;
    return [
      t("tagging_judged", { count: judged.length, total: shown.all.length }),
      empty ? t("tagging_empty", { count: empty }) : "",
      run.model, run.encoder ? t("tagging_encoder", { name: run.encoder }) : "",
      run.seconds ? t("results_seconds", { seconds: secondsText(run.seconds, texts.language) }) : "",
    ].filter(Boolean).join(" · ");
  }

  function verdictOf(run) {
    if (run.state === "failed") return texts.text(run.error);
    return run.state === "stopped" && shown.remaining ? texts.t("tagging_stopped") : "";
  }

  function drawFailures() {
    const { failed } = shown;
    const isRunning = store.job !== null;
    reasons.node.hidden = !failed.length;
    setText(reasons.button, texts.t("tagging_failed", { count: failed.length }));
    const lines = failed.slice(0, MAX_LINES).map(({ picture, failure }) => {
      const reason = texts.text(failure.reason);
      return reason.includes(picture.name) ? reason : texts.t("results_reason", { text: reason, names: picture.name });
    });
    if (lines.join("\n") !== list.drawn) list.replaceChildren(...lines.map((line) => createElement("li", {}, line)));
    list.drawn = lines.join("\n");
    retry.hidden = isRunning || !pictureLabels.run || !shown.remaining;
    setText(retry, texts.t("tagging_label_remaining", { count: shown.remaining }));
    tools.hidden = reasons.node.hidden && retry.hidden;
  }

  return {
    node,
    draw() {
      const { run } = pictureLabels;
      node.hidden = !run;
      if (!run) return;
      const name = texts.t(run.choice === "own" ? "tagging_choice_own" : `tagging_choice_${run.vocabulary}`);
      setText(title, texts.t("tagging_headline", { name, count: run.labels }));
      setText(counts, countTexts(run));
      setText(verdict, verdictOf(run));
      verdict.hidden = !verdict.textContent;
      verdict.classList.toggle("is-error", run.state === "failed");
      drawFailures();
    },
  };
}
