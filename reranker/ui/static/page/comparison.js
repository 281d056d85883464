// Two rankings side by side, with the change of each picture's rank.

import { createElement } from "./elements.js";
import { orderedRows, scoreText } from "./ranking_rows.js";

const MOST = 100;

export function createComparison(store) {
  const { t } = store.texts;
  const columns = createElement("div", { class: "columns" });
  const close = createElement("button", { type: "button", onclick: () => store.setView({ compared: null }) });
  const node = createElement("div", { class: "comparison", hidden: true }, close, columns);

  function column(id, before) {
    const ranks = new Map(before?.map((row) => [row.key, row.rank]));
    return createElement("section", {}, createElement("h3", {}, store.rankings.get(id).query),
      createElement("ol", {}, ...orderedRows(store, id).slice(0, MOST).map((row) => createElement("li", {},
        createElement("b", {}, `#${row.rank}`),
        row.picture ? createElement("img", { src: store.thumbnailUrl(row.picture), alt: "", loading: "lazy" }) : createElement("span", { class: "no-picture" }),
        createElement("span", { class: "name", title: row.name }, row.name), createElement("span", {}, scoreText(row.score)),
        before ? changeOf(ranks.get(row.key), row.rank) : null))));
  }

  function changeOf(before, after) {
    if (before === undefined) return createElement("span", { class: "change" }, t("compare_new"));
    if (before === after) return createElement("span", { class: "change" }, "=");
    const [sign, key] = before > after ? ["▲", "compare_up"] : ["▼", "compare_down"];
    return createElement("span", { class: "change", "aria-label": t(key, { count: Math.abs(before - after) }) }, `${sign}${Math.abs(before - after)}`);
  }

  return {
    node,
    show() {
      const { compared, ranking } = store.view;
      const isShown = store.rankings.has(compared) && store.rankings.has(ranking) && compared !== ranking;
      if (!isShown) store.view.compared = null;
      node.hidden = !isShown;
      if (!isShown) return;
      store.loadResults(compared);
      close.textContent = t("compare_close");
      columns.replaceChildren(column(compared, null), column(ranking, orderedRows(store, compared)));
    },
  };
}
