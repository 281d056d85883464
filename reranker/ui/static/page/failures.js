// The pictures of a ranking that have no score, folded, with the reasons, and a button for those that can succeed.

import { createElement } from "./elements.js";
import { countText } from "./formats.js";
import { setText } from "./labels.js";
import { createPopover } from "./popover.js";

const MAX_NAMES = 20;  // more pictures with the same reason are only counted

export function createFailures(store, shown, notices) {
  const { texts } = store;
  const list = createElement("ul");
  const popover = createPopover("reasons", [list]);
  const retry = createElement("button", { type: "button", class: "button", onclick: tryAgain });
  const node = createElement("div", { class: "failures", hidden: true }, popover.node, retry);
  let drawn = "";

  async function tryAgain() {
    retry.disabled = true;
    try {
      await store.api.post(store.path("retry"), { ranking: shown.id });
      retry.closest(".results").querySelector(".headline-title").focus({ preventScroll: true });
    } catch (error) {
      notices.fail(error);
    }
    retry.disabled = Boolean(store.job);
  }

  // One line for each reason; a reason that names its picture is a line of its own.
  function lines() {
    const byReason = new Map();
    for (const { name, reason } of shown.failed) {
      const text = texts.text(reason);
      byReason.set(text, [...byReason.get(text) ?? [], name]);
    }
    return [...byReason].map(([text, names]) => names.every((name) => text.includes(name)) ? text : listed(text, names));
  }

  function listed(text, names) {
    const shownNames = names.slice(0, MAX_NAMES).join(texts.t("results_comma"));
    const more = names.length - MAX_NAMES;
    return texts.t("results_reason", { text, names: more > 0 ? texts.t("results_and_more", { names: shownNames, count: more }) : shownNames });
  }

  return {
    node,
    draw() {
      const { failed } = shown;
      const again = failed.filter(({ canRetry }) => canRetry).length;
      const isStopped = shown.summary?.state === "stopped";
      node.hidden = failed.length === 0 || shown.compared !== null;
      setText(popover.button, texts.t("results_failed", { count: failed.length, number: countText(failed.length, texts.language) }));
      retry.hidden = again === 0 || shown.isRunning;
      retry.disabled = Boolean(store.job);
      const some = again < failed.length ? "results_try_some_again" : "results_try_again";
      setText(retry, texts.t(isStopped ? "results_rank_remaining" : some, { count: again }));
      const content = lines();
      if (content.join("\n") === drawn) return;
      drawn = content.join("\n");
      list.replaceChildren(...content.map((line) => createElement("li", {}, line)));
    },
  };
}
