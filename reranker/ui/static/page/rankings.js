// What the results are of: the earlier rankings as chips, and a headline with the sentence, the model and the counts.

import { createElement, updateByKey } from "./elements.js";
import { titleOf } from "./example.js";
import { countText, secondsText } from "./formats.js";
import { setText } from "./labels.js";

const MAX_SCORE = 10;
const MAX_CHIPS = 8;  // more are folded

export function createHeadline(store, shown) {
  const { texts } = store;
  const kicker = createElement("p", { class: "headline-kicker" });
  const sentence = createElement("span"), exclude = createElement("span", { class: "headline-exclude" });
  const title = createElement("h2", { class: "headline-title", tabindex: -1 }, sentence, exclude);
  const verdict = createElement("b", { class: "headline-verdict", hidden: true }), counts = createElement("span");
  const node = createElement("div", { class: "headline" }, kicker, title, createElement("p", { class: "headline-counts" }, verdict, counts));
  return {
    node, title,
    draw() {
      const { summary, run } = shown;
      if (!summary) return;
      const number = run.findIndex(({ id }) => id === summary.id) + 1;
      kicker.hidden = run.length < 2;
      setText(kicker, texts.t("brief_number", { number, count: run.length }));
      setText(sentence, titleOf(summary, texts));
      setText(exclude, summary.exclude ? texts.t("results_not", { text: summary.exclude }) : "");
      setText(counts, countTexts(shown, texts).join(" · "));
      setText(verdict, verdictOf(shown, texts, store.tab));
      verdict.hidden = !verdict.textContent;
      verdict.classList.toggle("is-error", summary.state === "failed");
    },
  };
}

// The counts are of the pictures that the board can show, so that both always agree.
function countTexts({ summary, rows, failed }, texts) {
  const count = (key, value) => texts.t(key, { count: value, number: countText(value, texts.language) });
  const isRunning = summary.state === "running";
  const removed = isRunning ? 0 : summary.total - rows.length - failed.length;
  return [
    count("results_pictures", summary.total), count("results_scored", rows.length),
    failed.length > 0 && count("results_failed", failed.length),
    removed > 0 && count("results_removed", removed),
    summary.reused > 0 && count("results_reused", summary.reused),
    !isRunning && summary.seconds > 0 && texts.t("results_seconds", { seconds: secondsText(summary.seconds, texts.language) }),
    [summary.model, summary.precision].filter(Boolean).join(" "),
    summary.saved_from && texts.t("results_opened", { name: summary.saved_from }),
  ].filter(Boolean);
}

// The pictures of a library are in the order of the recall until they are ranked.
function verdictOf({ summary, rows, failed }, texts, tab) {
  if (tab === "library" && summary.state === "running") {
    return texts.t("library_provisional", { done: rows.length + failed.length, count: summary.total });
  }
  if (summary.state === "failed") return texts.text(summary.error);
  if (summary.state === "stopped") return texts.t("results_stopped", { scored: rows.length, count: summary.total });
  if (summary.state !== "done" || !summary.none_fits || !rows.length) return "";
  return texts.t("results_none_fits", { threshold: summary.threshold, most: MAX_SCORE });
}

// One chip for each run, the newest first.
export function createChips(store, shown, notices) {
  const { texts } = store;
  const title = createElement("span", { class: "chips-title" });
  const list = createElement("ul", { class: "chips-list" });
  const more = createElement("button", { type: "button", class: "plain", onclick: () => { isFolded = !isFolded; store.note("view"); } });
  const node = createElement("nav", { class: "chips", hidden: true }, title, list, more);
  let isFolded = true;

  function makeChip() {
    const chip = createElement("li", { class: "chip" });
    const open = createElement("button", {
      type: "button", class: "chip-open", onclick: () => shown.show(chip.run[0].id),
      onpointerenter: () => store.loadResults(chip.run[0].id),
    });
    const compared = createElement("button", { type: "button", class: "chip-icon", onclick: () => compare(chip.run) }, "⇄");
    const removed = createElement("button", { type: "button", class: "chip-icon", onclick: () => remove(chip) }, "✕");
    chip.parts = { open, compared, removed };
    chip.append(open, compared, removed);
    return chip;
  }

  function compare([{ id }]) {
    store.loadResults(id);
    store.setView({ compare: id });
  }

  async function remove(chip) {
    const neighbour = chip.nextElementSibling ?? chip.previousElementSibling;
    neighbour?.parts.open.focus({ preventScroll: true });
    try {
      for (const { id } of chip.run) await store.api.delete(store.path(`rankings/${id}`));
      notices.say(texts.t("results_ranking_removed", { name: titleOf(chip.run[0], texts) }));
    } catch (error) {
      notices.fail(error);
    }
  }

  function updateChip(chip, run) {
    const { open, compared, removed } = chip.parts;
    chip.run = run;
    const isShown = run.some(({ id }) => id === shown.id);
    const [{ exclude }] = run, query = titleOf(run[0], texts);
    const name = run.length > 1 ? texts.t("brief_chip", { query, count: run.length - 1 }) : query;
    setText(open, name);
    open.title = exclude ? `${name} ${texts.t("results_not", { text: exclude })}` : name;
    chip.classList.toggle("is-shown", isShown);
    if (isShown) open.setAttribute("aria-current", "true"); else open.removeAttribute("aria-current");
    compared.hidden = isShown || run.length > 1;
    removed.hidden = run.some((summary) => summary.state === "running");
    for (const [button, key] of [[compared, "results_compare_with"], [removed, "results_remove"]]) {
      button.title = texts.t(key, { name });
      button.setAttribute("aria-label", button.title);
    }
  }

  return {
    node,
    draw() {
      const runs = new Map();
      for (const summary of store.rankings.values()) runs.set(summary.run, [...runs.get(summary.run) ?? [], summary]);
      node.hidden = runs.size < 2;
      setText(title, texts.t("results_rankings"));
      node.setAttribute("aria-label", title.textContent);
      const all = [...runs.values()].reverse();
      const first = isFolded ? all.filter((run, index) => index < MAX_CHIPS || run.some(({ id }) => id === shown.id)) : all;
      updateByKey(list, first, ([{ run }]) => run, makeChip, updateChip);
      more.hidden = all.length <= MAX_CHIPS;
      more.setAttribute("aria-expanded", String(!isFolded));
      setText(more, isFolded ? texts.t("results_more_rankings", { count: all.length - first.length }) : texts.t("results_fewer_rankings"));
    },
  };
}
