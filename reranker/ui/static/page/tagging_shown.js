// What the tab “Labels” shows: the pictures that pass the filter with their labels, and how many pictures have each label.
// All parts of the tab draw from this object.

import { correctionOf, shownLabels } from "./tagging_labels.js";

const TOPICS = ["pictures", "tagged", "tagging", "corrections", "draft", "view", "session", "language", "job"];

export function createTaggingShown(store) {
  const { pictureLabels } = store;
  const known = new Map();  // by picture: what its labels were made from, and the labels
  let optionsKey = "";

  const shown = {
    all: [], entries: [],  // [{picture, labels, correction, failure, state}]; state: "judged", "failed", "waiting" or "none"
    counts: [],            // [{key, en, zh, count}] of all pictures
    filter: new Set(),     // keys of labels that the pictures must have
    failed: [], remaining: 0,
    get language() { return store.draft.language === "both" ? "both" : store.texts.language; },
    get options() { return { threshold: store.draft.threshold ?? null, most: store.draft.most ?? null }; },
    get isRunning() { return store.job !== null; },
    toggle(key) {
      if (!shown.filter.delete(key)) shown.filter.add(key);
      store.note("view");
    },
    clear() {
      shown.filter.clear();
      store.note("view");
    },
    update,
  };

  function update(topics) {
    if (!TOPICS.some((topic) => topics.has(topic))) return;
    forgetOld();
    shown.all = [...store.pictures.values()].map(entryOf);
    shown.counts = countsOf(shown.all);
    const names = new Map(shown.counts.map((each) => [each.key, each]));
    for (const key of shown.filter) if (!names.has(key)) shown.filter.delete(key);
    shown.entries = shown.filter.size ? shown.all.filter(passes) : shown.all;
    shown.failed = shown.all.filter(({ failure }) => failure);
    shown.remaining = shown.all.filter(({ failure, state }) => failure ? failure.canRetry : state !== "judged").length;
  }

  const passes = ({ labels }) => {
    const keys = new Set(labels.map(({ key }) => key));
    return [...shown.filter].every((key) => keys.has(key));
  };

  // Labels are made again only where something has changed: there can be thousands of pictures, and news ten times a second.
  function forgetOld() {
    const key = JSON.stringify(shown.options);
    if (key !== optionsKey) known.clear();
    optionsKey = key;
  }

  function entryOf(picture) {
    const { vocabulary, judged, failed, corrections } = pictureLabels;
    const row = judged.get(picture.id), correction = correctionOf(corrections, picture.id);
    let before = known.get(picture.id);
    if (!before || before.row !== row || before.correction !== correction || before.vocabulary !== vocabulary) {
      before = { row, correction, vocabulary, labels: shownLabels(vocabulary, row, correction, shown.options) };
      known.set(picture.id, before);
    }
    const failure = failed.get(picture.id) ?? null;
    const state = row ? "judged" : failure ? "failed" : store.job ? "waiting" : "none";
    return { picture, labels: before.labels, correction, failure, state };
  }

  return shown;
}

function countsOf(entries) {
  const counts = new Map();
  for (const { labels } of entries) {
    for (const { key, en, zh } of labels) {
      const known = counts.get(key);
      if (known) known.count += 1; else counts.set(key, { key, en, zh, count: 1 });
    }
  }
  return [...counts.values()];
}
