// What a run tells people who do not look at the page: the title of the tab, sentences for screen readers, a notification.

import { createElement } from "./elements.js";
import { titleOf } from "./example.js";

const ANNOUNCE_MS = 5000, LONG_MS = 20_000;
const TITLE = document.title;  // all tabs write their progress into it

// request: see run_bar.js.
export function createRunEvents(store, run, labels, request) {
  const { t } = store.texts;
  const spoken = createElement("p", { class: "visually-hidden", role: "status" });
  const button = labels.text(createElement("button", { type: "button", class: "plain notify", hidden: true, onclick: askToNotify }), "run_notify");
  let startedAt = null, spokenAt = 0, hasAsked = false, written = TITLE;

  function draw(status) {
    const { job } = store;
    const title = job?.total && run.isFollowed ? `${Math.floor(100 * job.done / job.total)}% · ${TITLE}` : TITLE;
    if (title !== written) document.title = written = title;
    if (run.isBusy && startedAt === null) startedAt = performance.now();
    if (run.isBusy) announce(status);
    button.hidden = !(run.isBusy && canAsk() && performance.now() - startedAt > LONG_MS);
    if (!run.isBusy && startedAt !== null) end();
  }

  function announce(status) {
    if (performance.now() - spokenAt < ANNOUNCE_MS) return;
    spokenAt = performance.now();
    spoken.textContent = status;
  }

  function end() {
    [startedAt, spokenAt] = [null, 0];
    const text = request.endText ?? rankingText();
    if (!text) return;
    spoken.textContent = text;
    if (document.hidden) notify(text);
  }

  function rankingText() {
    const ranking = store.rankings.get(store.view.ranking);
    return ranking ? t("run_ended", { count: ranking.scored, query: titleOf(ranking, store.texts) }) : null;
  }

  // Frames of other sites are denied without a question, and a question that was answered is not asked again.
  const canAsk = () => !hasAsked && window.Notification?.permission === "default" && window.top === window;

  function askToNotify() {
    hasAsked = true;
    button.hidden = true;
    Notification.requestPermission();
  }

  function notify(text) {
    if (window.Notification?.permission !== "granted") return;
    try {
      new Notification(text);
    } catch { /* Chrome on Android has them in service workers only */ }
  }

  return { spoken, button, draw };
}
