// What the tab “Library” asks the server to search, what keeps it from that, and what its bar says before a run.

import { exampleOf } from "./example.js";
import { problemOf, recallOf } from "./library_box.js";
import { lengthProblem } from "./sentences.js";

// The request of a run; see run.js and run_bar.js. box: see library_box.js.
export function createSearchRequest(store, libraries, box) {
  const { t } = store.texts;

  function problem() {
    if (!libraries.isLoaded) return "connection_connecting";
    if (problemOf(libraries, store.texts)) return "unusable";
    if (!store.draft.text.trim() && !exampleOf(store) && !libraries.label) return "query_empty";
    if (lengthProblem(store)) return "too_long";
    if (box.hasWrongDate) return "library_wrong_date";
    const { since, until } = store.draft;
    return since && until && since > until ? "library_dates_reversed" : null;
  }

  function sentenceOf(key) {
    if (key === "unusable") return problemOf(libraries, store.texts);
    return key === "too_long" ? lengthProblem(store) : t(key);
  }

  // A label alone is searched for by its name.
  function textOf({ text }) {
    return text.trim() || (exampleOf(store) ? "" : store.texts.text(libraries.label));
  }

  async function send() {
    const { name, folders } = libraries.chosen;
    const { exclude, folder, since, until, type, min_px: minPx } = store.draft;
    const wanted = {
      library: name, text: textOf(store.draft), label: libraries.label?.key ?? "", exclude: exclude.trim(), example: exampleOf(store)?.id ?? "",
      folder: folders.includes(folder) ? folder : "", since: since ?? "", until: until ?? "", type: type ?? "",
      min_px: minPx ?? 0, recall: recallOf(store),
    };
    let found = null;
    try {
      found = await store.api.post(store.path("libraries/search"), wanted);
    } catch (error) {
      libraries.load();  // it may be gone, or another one
      throw error;
    }
    if (!found.rankings.length) throw { sentence: () => t(found.pictures ? "library_none_pass" : "library_empty", { name }) };
    return found.rankings;
  }

  return {
    hasEnded: (id) => store.rankings.has(id) && store.rankings.get(id).state !== "running",
    problem, sentenceOf, send,
    ids: { start: "search", stop: "stop-search" },
    step: null,
    title: "library_search",
    get buttonText() { return t("library_search"); },
    get isReady() { return Boolean(libraries.chosen?.pictures); },
    get idleText() {
      const count = libraries.chosen?.pictures ?? 0;
      return count ? t("library_ready", { count, recall: Math.min(count, recallOf(store)) }) : "";
    },
  };
}
