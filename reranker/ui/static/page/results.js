// The results of the page: earlier rankings, a headline, the table of several sentences, and the board. All of it is drawn
// from one object, so that its parts agree; see shown.js.

import { createBoard } from "./board.js";
import { MAX_COLUMNS, MIN_COLUMNS } from "./board_layout.js";
import { createBriefs, createBriefSteps } from "./briefs.js";
import { createComparison } from "./comparison.js";
import { createElement } from "./elements.js";
import { createExportMenu } from "./export_menu.js";
import { createFailures } from "./failures.js";
import { createFilters } from "./filters.js";
import { createLabels } from "./labels.js";
import { createLightbox } from "./lightbox.js";
import { createNotices } from "./notices.js";
import { createPartScores } from "./part_scores.js";
import { createChips, createHeadline } from "./rankings.js";
import { createShown } from "./shown.js";

// onLike: (id of a picture), after it was made the example. Returns {node, filter}: the results at full width, and the
// filter for the sticky bar.
export function createResults(store, onLike) {
  const labels = createLabels(store.texts);
  const shown = createShown(store);
  const notices = createNotices(labels);
  const exportMenu = createExportMenu(store, shown, labels);
  const filters = createFilters(store, shown, labels, exportMenu);
  const headline = createHeadline(store, shown);
  const chips = createChips(store, shown, notices);
  const briefs = createBriefs(store, shown, labels, () => showBoard(headline));
  const steps = createBriefSteps(store, shown, labels, briefs);
  const failures = createFailures(store, shown, notices);
  const comparison = createComparison(store, shown, labels);
  const lightbox = createLightbox(store, shown, labels, { onClose: (key) => board.focusKey(key), onLike });
  const partScores = createPartScores(store, shown, labels, notices);
  const board = createBoard(store, shown, labels, notices, partScores, { open: lightbox.open, barBottom: () => bottomOf(filters.node) });
  const size = createSizeSlider(store, shown, labels, board);

  const head = createElement("div", { class: "results-head" }, headline.node, createElement("div", { class: "results-tools" }, failures.node, steps.node, partScores.node, size.node));
  const foot = createElement("div", { class: "results-foot" }, board.selectionBar, notices.alert);
  const node = createElement("section", { class: "results" },
    chips.node, briefs.node, head, comparison.node, board.node, foot, notices.spoken, lightbox.node);
  labels.attribute(node, "aria-label", "results_title");

  const parts = [filters, exportMenu, chips, headline, briefs, steps, failures, comparison, partScores, board, size, lightbox];
  store.subscribe((topics) => {
    if (!store.session) return;
    if (topics.has("language")) labels.refresh();
    const before = shown.id;
    shown.update(topics);
    if (shown.id !== before) notices.hide();
    node.hidden = head.hidden = shown.id === null;
    parts.forEach((part) => part.draw(topics));
  });
  return { node, filter: filters.node };
}

// Where the sticky bar ends while it is at the top of the viewport, in pixels.
function bottomOf(node) {
  const { bottom } = node.getBoundingClientRect();
  return bottom > 0 && bottom < window.innerHeight / 2 ? bottom : 0;
}

// At once, because the table above can be many screens high.
function showBoard({ title }) {
  title.focus({ preventScroll: true });
  title.scrollIntoView({ block: "start" });
}

// A slider from small pictures (many columns) to large ones.
function createSizeSlider(store, shown, labels, board) {
  const sum = MIN_COLUMNS + MAX_COLUMNS;
  const input = createElement("input", {
    type: "range", min: MIN_COLUMNS, max: MAX_COLUMNS, step: 1,
    oninput: () => store.setView({ columns: sum - Number(input.value) }),
  });
  const label = labels.text(createElement("span"), "results_size");
  const node = createElement("label", { class: "size" }, label, input);
  return {
    node,
    draw() {
      const { columns } = board;
      node.hidden = shown.compared !== null;
      if (columns === null) return;
      if (document.activeElement !== input) input.value = sum - columns;
      input.setAttribute("aria-valuetext", store.texts.t("results_columns", { count: columns }));
    },
  };
}
