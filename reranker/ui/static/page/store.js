// The state of the page: a copy of the server's session, kept up to date by its events, and what only this tab knows.
// Listeners are told which topics have changed, at most once a frame.

import { createApi } from "./api.js";
import { createPictureLabels } from "./picture_labels.js";
import { createSessionEvents } from "./session_events.js";

// While hundreds of files arrive, drawing each by itself would take longer than their upload.
const SLOW_TOPICS = new Set(["pictures", "uploads", "tagged"]), SLOW_MS = 200;

// Topics: "connection", "session" (all of it), "pictures", "marks", "rankings" (summaries), "results" (of a
// ranking), "parts" (their scores), "job", "model", "view", "language", "draft", "uploads", "updates" (of
// libraries), "libraries", "tagging" (a run and its labels), "tagged" (labels of pictures), "corrections", "choices".
// tab: "session" for the tab “Rank”, "library" for “Library”, "labels" for “Labels”.
export function createStore(root, translator, tab) {
  const listeners = new Set();
  let changed = new Set(), isScheduled = false, slowTimer = null, toldAt = -Infinity;

  const store = {
    tab,
    session: null,      // {id, ends_at, hours}; null until the first state has arrived
    connection: "connecting",  // "connecting", "open", "lost", "ended" (the session does not exist any more), "login"
    limits: null, examples: [], samples: 0, galleries: [],
    pictures: new Map(),  // by id, in the order of the session
    marks: new Map(),     // by picture id: {pick, rating}
    rankings: new Map(),  // summaries by id, oldest first
    results: new Map(),   // by ranking id: {scored: Map of rows by key, failed: Map of rows by key, waiting: [id], isLoaded}
    job: null, model: null, canRestore: 0,
    updates: new Map(),   // of libraries, by their names
    view: {},             // of this tab alone; change it by setView
    draft: { text: "", exclude: "", example: "" },  // the boxes of the sentence, and a picture's id; change it by setDraft
    texts: translator,
    api: createApi(root, () => translator.language, () => translator.t("server_gone")),
    subscribe(listener) { listeners.add(listener); return () => listeners.delete(listener); },
    setView(values) { Object.assign(store.view, values); note("view"); },
    setDraft(values) { Object.assign(store.draft, values); note("draft"); },
    setLanguage(language) { translator.language = language; note("language"); },
    // The id of an element, of which another tab may have one, too.
    idOf: (name) => tab === "session" ? name : `${tab}-${name}`,
    path: (rest) => `sessions/${store.session.id}/${rest}`,
    // Hundreds of these are shown at a time, and a browser keeps the pixels of all that it has shown.
    smallUrl: (picture) => store.api.urlOf(store.path(`pictures/${picture}/thumbnail?size=small`)),
    thumbnailUrl: (picture) => store.api.urlOf(store.path(`pictures/${picture}/thumbnail`)),
    fullUrl: (picture) => store.api.urlOf(store.path(`pictures/${picture}/full`)),
    connect: (id) => events.follow(id),
    disconnect: () => events.stop(),
    loadResults, note,
  };
  store.pictureLabels = createPictureLabels(store);  // see there
  const events = createSessionEvents(store.api, {
    onState: applyState, onChange: applyChange,
    onConnection(connection) {
      if (store.connection !== connection) note("connection");
      store.connection = connection;
    },
  });

  function note(...topics) {
    for (const topic of topics) changed.add(topic);
    const wait = [...changed].every((topic) => SLOW_TOPICS.has(topic)) ? toldAt + SLOW_MS - performance.now() : 0;
    if (wait <= 0) return schedule();
    slowTimer ??= setTimeout(schedule, wait);
  }

  function schedule() {
    if (isScheduled) return;
    isScheduled = true;
    // Hidden tabs have no frames, but their title shows the progress.
    document.hidden ? setTimeout(tell, 100) : requestAnimationFrame(tell);
  }

  function tell() {
    if (!isScheduled) return;
    clearTimeout(slowTimer);
    const topics = changed;
    [changed, isScheduled, slowTimer, toldAt] = [new Set(), false, null, performance.now()];
    for (const listener of [...listeners]) listener(topics);
  }

  function applyState(state) {
    const { session, limits, examples, samples, galleries, job, model } = state;
    Object.assign(store, { session, limits, examples, samples, galleries, job, model, canRestore: state.can_restore });
    store.pictures = new Map(state.pictures.map((picture) => [picture.id, picture]));
    store.marks = new Map(Object.entries(state.marks));
    store.rankings = new Map(state.rankings.map((ranking) => [ranking.id, ranking]));
    store.pictureLabels.applyState(state);
    const known = [...store.results.keys()];
    store.results.clear();
    known.filter((id) => store.rankings.has(id)).forEach(loadResults);
    note("session", "pictures", "marks", "rankings", "results", "job", "model");
  }

  function applyChange(change) {
    const [[kind, value]] = Object.entries(change);
    appliers[kind]?.(value, change);
  }

  const appliers = {
    pictures_added(pictures) {
      setPictures(pictures);
      store.pictures = new Map([...store.pictures].sort(([, one], [, other]) => one.place - other.place));
    },
    pictures_changed(pictures) { setPictures(pictures); },
    pictures_removed(ids, change) {
      ids.forEach((id) => store.pictures.delete(id));
      store.canRestore = change.can_restore;
      note("pictures", "results");
    },
    marks(marks) { Object.entries(marks).forEach(([id, mark]) => store.marks.set(id, mark)); note("marks"); },
    model(model) { store.model = model; note("model"); },
    library(update) { store.updates.set(update.name, update); note("updates"); },
    job(job) { store.job = job; note("job"); },
    ranking(summary) { store.rankings.set(summary.id, summary); note("rankings"); },
    ranking_removed(id) { store.rankings.delete(id); store.results.delete(id); note("rankings"); },
    ...store.pictureLabels.appliers,
    scored(more) { if (store.results.has(more.ranking)) addResults(store.results.get(more.ranking), more); note("results"); },
  };

  function setPictures(pictures) {
    for (const picture of pictures) store.pictures.set(picture.id, picture);
    note("pictures");
  }

  // Fetch the results of a ranking, which then arrive by events while it runs.
  async function loadResults(id) {
    if (store.results.has(id)) return;
    const results = { scored: new Map(), failed: new Map(), waiting: [], isLoaded: false };
    store.results.set(id, results);  // first, so that results which arrive meanwhile are kept
    try {
      const found = await store.api.get(store.path(`rankings/${id}`));
      addResults(results, found);
      results.waiting = found.waiting;
      results.isLoaded = true;
    } catch {
      store.results.delete(id);
    }
    note("results");
  }

  // A picture that is scored again by a retry is no failure any more.
  function addResults(results, { scored, failed }) {
    const keyOf = (picture, name, index) => picture ?? `${index} ${name}`;
    failed.forEach((row, index) => results.failed.set(keyOf(row[0], row[3], index), row));
    scored.forEach((row, index) => {
      const key = keyOf(row[0], row[3], index);
      results.scored.set(key, row);
      results.failed.delete(key);
    });
  }

  document.addEventListener("visibilitychange", () => { if (document.hidden && isScheduled) tell(); });
  return store;
}
