// Start the tab “Library”: find or make its session, follow it, and put its parts in their places.

import { firstLanguage } from "./address.js";
import { createConnectionNotice } from "./connection_notice.js";
import { followLanguage } from "./document_language.js";
import { createElement } from "./elements.js";
import { createLabels } from "./labels.js";
import { createLibraries } from "./libraries.js";
import { createLibraryBox } from "./library_box.js";
import { createLibrarySentence } from "./library_sentence.js";
import { loadTextsAndStyles } from "./loading.js";
import { createResults } from "./results.js";
import { createRun } from "./run.js";
import { createRunBar } from "./run_bar.js";
import { showRun } from "./run_view.js";
import { createSearchRequest } from "./search_request.js";
import { followSession } from "./session_life.js";
import { createStore } from "./store.js";
import { createTranslator } from "./texts.js";

const NO_DRAFT = { text: "", exclude: "", example: "" };

// element: where the tab goes. root: the address of the page, without a slash at the end.
export async function start(element, root) {
  const texts = await loadTextsAndStyles(root);
  const store = createStore(root, createTranslator(texts, firstLanguage()), "library");
  const tab = createTab(store, element);
  element.classList.add("reranker");
  element.replaceChildren(...tab.nodes);
  followLanguage(store);
  followSession(store, tab.connection);
}

function createTab(store, element) {
  const labels = createLabels(store.texts);
  const libraries = createLibraries(store);
  const connection = createConnectionNotice(store, labels);
  const results = createResults(store, searchLike);
  const place = createElement("div", { class: "results-place" }, results.node);
  const box = createLibraryBox(store, libraries, labels, (values) => sentence.change(values));
  const request = createSearchRequest(store, libraries, box);
  const run = createRun(store, request, { complain: (why) => sentence.complain(why), onStart: () => showRun(bar, place) });
  const sentence = createLibrarySentence(store, labels, run.start);
  const bar = createRunBar(store, run, request, labels, results.filter);
  const inputs = createElement("div", { class: "inputs" }, sentence.node, box.node);

  // Search by a picture of the results alone.
  function searchLike(id) {
    sentence.change({ text: "", exclude: "", example: id });
    run.start();
  }

  store.subscribe((topics) => {
    if (topics.has("language")) labels.refresh();
    if (topics.has("connection") && store.connection === "ended") store.setDraft(NO_DRAFT);
    libraries.update(topics);
    run.update();
    [connection, box, sentence, bar].forEach((part) => part.draw(topics));
    element.dataset.session = store.session?.id ?? "";
  });
  store.note("language");
  return { nodes: [connection.node, inputs, bar.mark, bar.node, place], connection };
}
