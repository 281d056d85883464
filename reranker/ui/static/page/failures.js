// The pictures of a ranking that have no score, with the reasons, and another try for those that can succeed.

import { createElement } from "./elements.js";
import { failedRows } from "./ranking_rows.js";

export function createFailures(store) {
  const { t, text } = store.texts;
  const summary = createElement("summary"), list = createElement("ul");
  const again = createElement("button", { type: "button" });
  const details = createElement("details", {}, summary, list);
  const node = createElement("div", { class: "failures", hidden: true }, details, again);
  let ranking = null;

  const retry = () => store.notices.attempt(() => store.api.post(store.path("retry"), { ranking: ranking.id }));
  again.addEventListener("click", retry);

  return {
    node,
    show(shown) {
      ranking = shown;
      const failed = shown ? failedRows(store, shown.id) : [];
      node.hidden = !failed.length;
      const count = failed.filter(([picture, , canRetry]) => picture && canRetry).length;
      summary.textContent = t("failures_title", { count: failed.length });
      list.replaceChildren(...failed.map(([, reason]) => createElement("li", {}, text(reason))));
      again.hidden = !count || Boolean(store.job);
      again.textContent = t(shown?.state === "stopped" ? "failures_rank_rest" : "failures_retry", { count });
    },
  };
}
