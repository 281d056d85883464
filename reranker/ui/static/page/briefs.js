// The sentences of one run as a table: how far each is, its best pictures, and a way to its cards.

import { createElement, updateByKey } from "./elements.js";
import { scoreText } from "./ranking_rows.js";

export function createBriefTable(store, open) {
  const { t } = store.texts;
  const heads = ["brief_query", "brief_state", "brief_best", "brief_score"].map((key) => [key, createElement("th", { scope: "col" })]);
  const body = createElement("tbody", { onkeydown: move });
  const table = createElement("table", {}, createElement("thead", {}, createElement("tr", {}, ...heads.map(([, head]) => head))), body);
  const node = createElement("div", { class: "briefs", hidden: true }, table);

  function make(ranking) {
    const button = createElement("button", { type: "button", onclick: () => open(ranking.id) });
    return createElement("tr", { onclick: (event) => { if (event.target !== button) open(ranking.id); } },
      createElement("th", { scope: "row" }, button), createElement("td"), createElement("td", { class: "thumbs" }), createElement("td", { class: "number" }));
  }

  function update(row, ranking) {
    const [query, state, best, score] = row.children, button = query.firstChild;
    const isShown = store.view.ranking === ranking.id;
    button.textContent = ranking.query;
    button.tabIndex = isShown ? 0 : -1;
    isShown ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current");
    state.textContent = stateOf(ranking);
    const shown = ranking.best.filter((id) => store.pictures.has(id));
    if (best.dataset.shown !== shown.join()) {
      best.dataset.shown = shown.join();
      best.replaceChildren(...shown.map((id) => createElement("img", { src: store.thumbnailUrl(id), alt: store.pictures.get(id).name, loading: "lazy" })));
    }
    score.textContent = ranking.best_score == null ? "" : scoreText(ranking.best_score);
  }

  function stateOf(ranking) {
    const done = ranking.scored + ranking.failed;
    if (ranking.state === "running") return done ? `${done}/${ranking.total}` : t("brief_waiting");
    return t(`brief_${ranking.state}`, { count: ranking.scored });
  }

  function move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const buttons = [...body.querySelectorAll("th button")], next = buttons[buttons.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.click();
    next.focus();
  }

  return {
    node,
    show(shown) {
      const rankings = shown ? [...store.rankings.values()].filter((ranking) => ranking.run === shown.run) : [];
      node.hidden = rankings.length < 2;
      if (node.hidden) return;
      for (const [key, head] of heads) head.textContent = t(key);
      updateByKey(body, rankings, (ranking) => ranking.id, make, update);
    },
  };
}
