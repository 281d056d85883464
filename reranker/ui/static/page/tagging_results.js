// The results of the tab “Labels”: a headline, the pictures with their labels, and a table of counts. All of it is drawn from
// one object; see tagging_shown.js.

import { createElement } from "./elements.js";
import { createLabels } from "./labels.js";
import { createNotices } from "./notices.js";
import { createTaggingBoard } from "./tagging_board.js";
import { createCorrections } from "./tagging_corrections.js";
import { createTaggingCounts } from "./tagging_counts.js";
import { createTaggingFilter } from "./tagging_filter.js";
import { createTaggingHeadline } from "./tagging_headline.js";
import { createTaggingLightbox } from "./tagging_lightbox.js";

// Returns {node, filter, draw}: the results, and the filter for the sticky bar.
export function createTaggingResults(store, shown) {
  const labels = createLabels(store.texts);
  const notices = createNotices(labels);
  const corrections = createCorrections(store, notices, labels);
  const headline = createTaggingHeadline(store, shown, labels, notices);
  const filter = createTaggingFilter(store, shown, labels);
  const counts = createTaggingCounts(store, shown, labels);
  const lightbox = createTaggingLightbox(store, shown, labels, corrections, (id) => board.focusKey(id));
  const board = createTaggingBoard(store, shown, labels, corrections, {
    open: lightbox.open, barBottom: () => Math.max(0, filter.node.getBoundingClientRect().bottom),
  });
  const foot = createElement("div", { class: "results-foot" }, corrections.node, notices.alert);
  const main = createElement("div", { class: "tagging-main" }, board.node, foot);
  const node = createElement("section", { class: "results tagging-results" },
    headline.node, createElement("div", { class: "tagging-columns" }, main, counts.node), notices.spoken, lightbox.node);
  labels.attribute(node, "aria-label", "tagging_results");

  return {
    node, filter: filter.node,
    draw(topics) {
      if (topics.has("language")) labels.refresh();
      node.hidden = !store.pictures.size;
      node.classList.toggle("has-counts", store.pictureLabels.run !== null || shown.counts.length > 0);
      [headline, filter, counts, board, lightbox, corrections].forEach((part) => part.draw(topics));
    },
  };
}
