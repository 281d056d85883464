// Step 3: the button that ranks, and the bar that stays at the top: progress, sentence, filter.

import { createElement, createStepNumber } from "./elements.js";

const ANNOUNCE_MS = 5000;
const NOTIFY_AFTER_S = 20;
const PHONE = "(max-width: 640px)";

export function createRunBar(store, { query, results }) {
  const { t } = store.texts;
  const rank = createElement("button", { type: "button", class: "primary rank", id: "rank", onclick: start });
  const stop = createElement("button", { type: "button", id: "stop", hidden: true, onclick: halt });
  const shown = createElement("span", { class: "shown-query" });
  const status = createElement("span", { class: "status" });
  const fill = createElement("i");
  const bar = createElement("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, hidden: true }, fill);
  const live = createElement("span", { class: "visually-hidden", role: "status" });
  const node = createElement("section", { class: "run-bar", "aria-label": "" },
    createElement("div", { class: "run-line" }, createStepNumber(3), rank, stop, createElement("div", { class: "run-text" }, shown, status), live), bar, results.filter);
  let isStarting = false, announcedAt = 0, ranSince = null;
  const plainTitle = document.title;

  async function start() {
    if (isStarting || store.job || !store.session) return;
    const problem = query.problem();
    if (problem) return query.complain(problem);
    isStarting = true;
    show();
    if (matchMedia(PHONE).matches) node.scrollIntoView({ behavior: "smooth" });
    try {
      const { rankings } = await store.api.post(store.path("rank"), { queries: query.lines(), exclude: query.exclude() });
      store.setView({ ranking: rankings[0] });
    } catch (error) {
      query.complain(error.message);
    }
    isStarting = false;
    show();
  }

  function halt() {
    store.notices.attempt(() => store.api.post(store.path("stop")));
    if (store.job) { store.job.stopping = true; show(); }
  }

  function show() {
    const { job } = store, isBusy = isStarting || Boolean(job);
    rank.textContent = t("run_rank");
    stop.textContent = t("run_stop");
    stop.hidden = !job;
    stop.disabled = Boolean(job?.stopping);
    rank.classList.toggle("busy", isBusy);
    rank.setAttribute("aria-disabled", String(isBusy));
    const percent = job ? Math.floor(100 * (job.loading ?? job.done / Math.max(1, job.total))) : 0;
    bar.hidden = !isBusy || store.connection !== "open";
    fill.style.width = `${percent}%`;
    bar.setAttribute("aria-valuenow", percent);
    bar.setAttribute("aria-label", t("run_progress"));
    node.setAttribute("aria-label", t("run_rank"));
    status.textContent = isStarting && !job ? t("run_starting") : job ? jobText(job) : idleText();
    shown.textContent = job && store.rankings.get(job.current) ? quoted(store.rankings.get(job.current).query) : "";
    document.title = job ? `${percent} % · ${plainTitle}` : plainTitle;
    announce(Boolean(job));
  }

  const quoted = (text) => t("quoted", { text });

  function jobText(job) {
    if (job.stopping) return t("run_stopping");
    if (job.loading != null) return t("run_loading", { percent: Math.round(100 * job.loading) });
    if (job.place) return t("run_waiting", { done: job.done, total: job.total, count: job.place });
    if (job.coarse) return t("run_coarse", { done: job.done, total: job.total, count: job.coarse });
    const parts = [`${job.done}/${job.total}`, job.name];
    if (job.rate) parts.push(t("run_rate", { rate: job.rate < 100 ? job.rate.toFixed(1) : job.rate.toFixed(0) }));
    if (job.left_s != null) parts.push(timeLeft(job.left_s));
    if (job.memory) parts.push(job.memory);
    return parts.filter(Boolean).join(" · ");
  }

  const timeLeft = (seconds) => seconds < 100
    ? t("run_seconds", { count: Math.max(1, Math.round(seconds)) }) : t("run_minutes", { count: Math.round(seconds / 60) });

  // Without a run: that the sentence in the box is not the one of the results.
  function idleText() {
    const ranking = store.rankings.get(store.view.ranking);
    const lines = query.lines();
    if (!ranking || !lines.length) return "";
    const ranked = [...store.rankings.values()].filter((each) => each.run === ranking.run);
    const same = lines.every((line) => ranked.some((each) => each.query === line && each.exclude === query.exclude()));
    return same ? "" : t("run_not_ranked");
  }

  // Screen readers hear the progress now and then, and the end.
  function announce(isRunning) {
    const now = performance.now();
    if (isRunning && ranSince === null) ranSince = now;
    if (isRunning && now - announcedAt >= ANNOUNCE_MS) {
      live.textContent = status.textContent;
      announcedAt = now;
      askForNotifications((now - ranSince) / 1000);
    }
    if (!isRunning && ranSince !== null && !isStarting) {
      const seconds = (now - ranSince) / 1000;
      ranSince = null;
      live.textContent = t("run_ended");
      if (seconds > NOTIFY_AFTER_S && document.hidden) notify();
    }
  }

  store.subscribe((topics) => {
    if (topics.has("language")) live.textContent = "";
    show();
  });
  query.subscribe(show);
  query.box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    start();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && store.job && !document.querySelector("dialog[open]")) halt();
  });
  return { node };

  function notify() {
    try {
      if (Notification.permission === "granted") new Notification(t("run_ended"), { body: store.rankings.get(store.view.ranking)?.query ?? "" });
    } catch { /* frames may not notify */ }
  }
}

// Ask once, while somebody waits for a long run.
let hasAsked = false;
function askForNotifications(seconds) {
  if (hasAsked || seconds < NOTIFY_AFTER_S) return;
  hasAsked = true;
  try {
    if (window.self === window.top && Notification.permission === "default") Notification.requestPermission();
  } catch { /* not offered here */ }
}
