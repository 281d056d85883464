// The results: what the shown ranking is for, earlier rankings, the briefs of a run, the cards, and what failed.

import { createBoard } from "./board.js";
import { createBriefTable } from "./briefs.js";
import { createComparison } from "./comparison.js";
import { createElement } from "./elements.js";
import { createExportMenu } from "./export_menu.js";
import { createFailures } from "./failures.js";
import { createFilters } from "./filters.js";
import { createHeadline } from "./headline.js";
import { createLightbox } from "./lightbox.js";
import { createEarlier } from "./earlier.js";
import { NO_FILTER, orderedRows, visibleRows } from "./ranking_rows.js";

// Returns the area of the results, and the filter, which stands elsewhere.
export function createResults(store) {
  const { t } = store.texts;
  const expanded = new Set();
  const shownRows = () => ({ rows, visible });
  let rows = [], visible = [], lastRanking = null;

  const open = (ranking) => store.setView({ ranking, compared: null });
  const lightbox = createLightbox(store, shownRows, (key) => board.focus(key));
  const board = createBoard(store, { open: (row) => lightbox.open(row.key), expand: (group) => { expanded.add(group); draw(); } });
  const filters = createFilters(store);
  const headline = createHeadline(store), failures = createFailures(store);
  const earlier = createEarlier(store, open), briefs = createBriefTable(store, open), comparison = createComparison(store);
  const exports = createExportMenu(store, shownRows);
  const nothing = createElement("p", { class: "nothing muted", hidden: true });
  const node = createElement("section", { class: "results", id: "results", tabindex: "-1", "aria-labelledby": "results-title" },
    earlier.node, briefs.node, createElement("div", { class: "results-head" }, headline.node, exports.node),
    comparison.node, nothing, board.node, failures.node, lightbox.node);

  // Without a choice, the latest ranking is shown; a run that begins is shown at once.
  function chooseRanking() {
    if (store.rankings.has(store.view.ranking)) return;
    const [latest] = [...store.rankings.values()].slice(-1);
    const first = latest && [...store.rankings.values()].find((each) => each.run === latest.run);
    store.view.ranking = first?.id ?? null;
  }

  function draw() {
    if (!store.session) return;
    chooseRanking();
    const id = store.view.ranking, summary = store.rankings.get(id);
    if (id !== lastRanking) {
      lastRanking = id;
      expanded.clear();
      board.selection.clear();
      store.view.filter = { ...store.view.filter, min: NO_FILTER.min, max: NO_FILTER.max, name: NO_FILTER.name };
    }
    if (id) store.loadResults(id);
    rows = id ? orderedRows(store, id) : [];
    visible = visibleRows(rows, store.view.filter, store, expanded);
    filters.show(rows, visible);
    headline.show(summary, rows);
    earlier.show();
    briefs.show(summary);
    comparison.show();
    exports.show(summary, visible);
    failures.show(summary);
    const isCompared = Boolean(store.view.compared);
    board.node.hidden = isCompared;
    if (!isCompared) board.show(visible);
    nothing.hidden = isCompared || !rows.length || visible.length > 0;
    nothing.textContent = t("results_none_pass");
    lightbox.refresh();
  }

  store.subscribe((topics) => {
    if (["pictures", "marks", "rankings", "results", "view", "language", "connection"].some((topic) => topics.has(topic))) draw();
  });
  return { node, filter: filters.node };
}
