// What the results area shows: one ranking, its rows in order, and the entries that pass the filter. All parts of the
// area draw from this object, so that they cannot contradict each other.

import { filterRows, NO_FILTER } from "./filtering.js";
import { failedRows, orderRows } from "./order.js";

const CALM_MS = 400;  // between two orders of a running ranking, so that eyes can follow the cards
const NO_RESULTS = Object.freeze({ scored: new Map(), failed: new Map(), waiting: [], isLoaded: true });

export function createShown(store) {
  let known = null, session = null, results = NO_RESULTS, isLoaded = true, orderedAt = 0, timer = null;
  store.view.filter ??= NO_FILTER;

  const shown = {
    id: null, summary: null,
    run: [],      // the summaries of all sentences that were ranked together
    rows: [], entries: [], failed: [],
    waiting: [],  // ids of pictures that the run has still to score; null for each if they are not known
    openGroups: new Set(),  // numbers of groups of near-duplicates that are unfolded
    get compared() { return store.rankings.has(store.view.compare) ? store.view.compare : null; },  // another ranking, or null
    get filter() { return store.view.filter; },
    get isRunning() { return shown.summary?.state === "running"; },
    setFilter(values) { store.setView({ filter: { ...store.view.filter, ...values } }); },
    show(id) { store.setView({ ranking: id, compare: null }); },
    toggleGroup(number) {
      if (!shown.openGroups.delete(number)) shown.openGroups.add(number);
      store.note("view");
    },
    update,
  };

  function update(topics) {
    followRankings();
    const id = store.view.ranking ?? null;
    if (id && topics.size > Number(topics.has("results"))) store.loadResults(id);  // not again and again after an error
    const isOther = settle(id);
    const hasNews = ["results", "rankings"].some((topic) => topics.has(topic));
    const isLoadedNow = isLoaded !== results.isLoaded;
    isLoaded = results.isLoaded;
    if (isOther || isLoadedNow || topics.has("pictures") || (hasNews && !shown.isRunning)) order();
    else if (hasNews) orderSoon();
    shown.entries = filterRows(shown.rows, shown.filter, store.marks, shown.openGroups);
  }

  function order() {
    clearTimeout(timer);
    [timer, orderedAt] = [null, performance.now()];
    shown.rows = orderRows(results, shown.summary?.temperature ?? 1, store.pictures);
    shown.failed = failedRows(results, store.pictures);
    shown.waiting = shown.isRunning ? waitingIds() : [];
  }

  // A run can be of a part of the pictures only, which is known once its results were loaded.
  function waitingIds() {
    const count = Math.max(0, shown.summary.total - shown.rows.length - shown.failed.length);
    const ids = results.waiting.filter((id) => !results.scored.has(id) && !results.failed.has(id));
    return ids.length === count ? ids : Array(count).fill(null);
  }

  function orderSoon() {
    const wait = orderedAt + CALM_MS - performance.now();
    if (wait <= 0) order();
    else timer ??= setTimeout(() => { timer = null; store.note("results"); }, wait);
  }

  // Show what was started or opened last, also by another tab of the session. Otherwise leave the choice alone.
  function followRankings() {
    if (session !== store.session?.id) [known, session] = [null, store.session?.id];
    const all = [...store.rankings.values()];
    const fresh = all.filter((summary) => !known?.has(summary.id));
    if (store.session) known = new Set(store.rankings.keys());
    const chosen = store.rankings.get(store.view.ranking);
    const latest = (chosen ? fresh : all).at(-1);
    if (!latest || latest.run === chosen?.run) return;
    store.setView({
      ranking: all.find((summary) => summary.run === latest.run).id, compare: null,
      filter: { ...shown.filter, min: NO_FILTER.min, max: NO_FILTER.max },
    });
  }

  // Go over to a ranking once its results are there; until then, the earlier one stays. Returns whether it is another.
  function settle(id) {
    const before = shown.id;
    const summary = store.rankings.get(id);
    const loaded = store.results.get(id);
    if (!summary) [shown.id, results] = [null, NO_RESULTS];
    else if (loaded?.isLoaded || summary.scored + summary.failed === 0) [shown.id, results] = [id, loaded ?? NO_RESULTS];
    else if (!store.rankings.has(shown.id)) [shown.id, results] = [id, NO_RESULTS];
    shown.summary = store.rankings.get(shown.id) ?? null;
    shown.run = shown.summary ? [...store.rankings.values()].filter((other) => other.run === shown.summary.run) : [];
    return shown.id !== before;
  }

  return shown;
}
