// The bar with the button, the progress, and the filter of the results. It stays at the top of the window.

import { createElement } from "./elements.js";
import { titleOf } from "./example.js";
import { setText } from "./labels.js";
import { createRunEvents } from "./run_events.js";
import { statusText } from "./run_status.js";

// request: what a run is of, and in words: {ids: of the buttons; step: its number, or null; title: a key; buttonText, isReady, idleText;
// endText: what is said at the end, or null}.
// filter: a node of the results.
export function createRunBar(store, run, request, labels, filter) {
  const { t } = store.texts;
  const rank = createElement("button", { type: "button", id: request.ids.start, class: "button big rank", onclick: run.start });
  const stop = createElement("button", { type: "button", id: request.ids.stop, class: "button big stop", hidden: true, onclick: run.stop });
  const sentence = createElement("p", { class: "run-sentence" });
  const status = createElement("p", { class: "status" });
  const events = createRunEvents(store, run, labels, request);
  const bar = createElement("i");
  const progress = createElement("div", { class: "progress run-progress" }, bar);
  const line = createElement("div", { class: "run-line" },
    request.step && createElement("span", { class: "step-number", "aria-hidden": "true" }, request.step), rank, stop,
    createElement("div", { class: "run-text" }, sentence, status), events.button);
  const mark = createElement("div", { class: "run-mark" });  // where the bar is when it is not stuck
  const node = createElement("section", { class: "run-bar" }, line, progress, filter, events.spoken);
  labels.attribute(node, "aria-label", request.title);

  new IntersectionObserver(([entry]) => {
    node.classList.toggle("is-stuck", !entry.isIntersecting && entry.boundingClientRect.top < 0);
  }).observe(mark);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && store.job && node.checkVisibility() && !isForOthers(event)) run.stop();
  });

  function draw() {
    const { job } = store;
    const text = statusText(store, run, request.idleText);
    setText(rank, request.buttonText);
    rank.classList.toggle("main", request.isReady);
    node.classList.toggle("is-busy", run.isBusy);
    rank.setAttribute("aria-disabled", String(run.isBusy && run.isFollowed));
    drawStop(job);
    setText(sentence, sentenceText());
    sentence.hidden = !sentence.textContent;
    setText(status, text);
    status.classList.toggle("is-trouble", store.connection === "lost");
    drawProgress(job);
    events.draw(text);
  }

  function drawStop(job) {
    const hadFocus = document.activeElement === stop;
    stop.hidden = !job || !run.isFollowed;
    if (hadFocus && stop.hidden) rank.focus({ preventScroll: true });
    stop.setAttribute("aria-disabled", String(Boolean(job?.stopping)));
    setText(stop, t("run_stop"));
  }

  // The sentence that is being ranked, or that of the shown ranking.
  function sentenceText() {
    const ranking = store.rankings.get(store.job?.current ?? store.view.ranking);
    if (!ranking) return "";
    const all = store.job?.rankings ?? [];
    const number = all.length > 1 ? t("run_number", { number: all.indexOf(ranking.id) + 1, count: all.length }) : "";
    const exclude = ranking.exclude ? t("run_exclude", { text: ranking.exclude }) : "";
    return [number, titleOf(ranking, store.texts), exclude].filter(Boolean).join(" ");
  }

  function drawProgress(job) {
    const isShown = run.isBusy && run.isFollowed;
    const isKnown = isShown && job && job.total > 0 && job.loading == null && !job.preparing;
    progress.classList.toggle("is-active", Boolean(isShown));
    progress.classList.toggle("is-waiting", Boolean(isShown && !isKnown));
    bar.style.transform = `scaleX(${isKnown ? job.done / job.total : isShown ? 1 : 0})`;
    if (!isShown) return ["role", "aria-label", "aria-valuenow", "aria-valuemin", "aria-valuemax"].forEach((name) => progress.removeAttribute(name));
    progress.setAttribute("role", "progressbar");
    progress.setAttribute("aria-label", t("run_progress"));
    progress.setAttribute("aria-valuemin", 0);
    progress.setAttribute("aria-valuemax", job?.total ?? 1);
    if (isKnown) progress.setAttribute("aria-valuenow", job.done); else progress.removeAttribute("aria-valuenow");
  }

  return { node, mark, rank, draw };
}

// Whether Escape means something else: it closes a dialog, ends an input method, or empties a field for searches.
function isForOthers({ defaultPrevented, isComposing, target }) {
  const isSearch = target.type === "search" && target.value !== "";
  return defaultPrevented || isComposing || isSearch || document.querySelector("dialog[open]") !== null;
}
