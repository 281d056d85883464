// Start the page: find or make the session, follow it, and put the parts of the page in their places.

import { firstLanguage, keepLanguage } from "./address.js";
import { createConnectionNotice } from "./connection_notice.js";
import { createDropTarget } from "./drop_target.js";
import { createElement } from "./elements.js";
import { createHeader } from "./header.js";
import { createIncoming } from "./incoming_files.js";
import { createLabels } from "./labels.js";
import { loadTextsAndStyles } from "./loading.js";
import { createPictures } from "./pictures.js";
import { createQuery } from "./query.js";
import { createRankRequest } from "./rank_request.js";
import { createResults } from "./results.js";
import { createRun } from "./run.js";
import { createRunBar } from "./run_bar.js";
import { showRun } from "./run_view.js";
import { linesOf } from "./sentences.js";
import { followSession, forgetSession } from "./session_life.js";
import { createStore } from "./store.js";
import { createTranslator } from "./texts.js";
import { createUploads } from "./uploads.js";

// element: where the page goes. root: its address, without a slash at the end. header: another element for the header.
// onLanguage: is called with the language that somebody has chosen.
export async function start(element, root, { header = null, onLanguage = () => {} } = {}) {
  const texts = await loadTextsAndStyles(root);
  const store = createStore(root, createTranslator(texts, firstLanguage()), "session");
  const page = createPage(store, element, {
    chooseLanguage(language) {
      store.setLanguage(language);
      keepLanguage(language);
      onLanguage(language);
    },
    forget: () => forgetSession(store, page.connection),
  });
  for (const each of [element, header]) each?.classList.add("reranker");
  header?.replaceChildren(...page.top);
  element.replaceChildren(...(header ? [] : page.top), ...page.nodes);
  followSession(store, page.connection);
  return store;
}

// Returns the nodes of the page: top, for the header, and nodes.
function createPage(store, element, actions) {
  const labels = createLabels(store.texts);
  const uploads = createUploads(store);
  const incoming = createIncoming(store, uploads, { fill: (...list) => query.fill(...list), complain: (sentence) => query.complain(sentence) });
  const results = createResults(store, (id) => query.like(id));
  const resultsPlace = createElement("div", { id: "results", tabindex: -1 }, results.node);
  const request = createRankRequest(store, uploads);
  const run = createRun(store, request, { complain: (sentence) => query.complain(sentence), onStart: () => showRun(bar, resultsPlace) });
  const query = createQuery(store, labels, { onSubmit: run.start, onList: incoming.openLists });
  const pictures = createPictures(store, uploads, labels, incoming.take);
  const bar = createRunBar(store, run, request, labels, results.filter);
  const header = createHeader(store, labels, actions);
  const connection = createConnectionNotice(store, labels);
  const onNoFiles = () => pictures.complain(() => store.texts.t("upload_no_file"));
  const drop = createDropTarget(element, labels, { onFiles: incoming.take, onNoFiles });
  const inputs = createElement("div", { class: "inputs" }, pictures.node, query.node, pictures.manager);

  store.subscribe((topics) => {
    if (topics.has("language")) {
      document.documentElement.lang = store.texts.locale;
      labels.refresh();
    }
    run.update();
    [header, connection, pictures, query, bar].forEach((part) => part.draw(topics));
    describe(element, store);
  });
  store.note("language");
  return {
    top: [createSkipLink(labels, resultsPlace), header.node],
    nodes: [connection.node, inputs, bar.mark, bar.node, resultsPlace, drop.node],
    connection,
  };
}

// What other parts of the page, and tests, may know.
function describe(element, store) {
  element.dataset.session = store.session?.id ?? "";
  element.dataset.query = linesOf(store.draft.text)[0] ?? "";
  element.dataset.count = store.pictures.size;
}

function createSkipLink(labels, target) {
  return labels.text(createElement("a", { class: "skip-link", href: "#results", onclick: (event) => {
    event.preventDefault();  // the address has the session behind its #
    target.focus({ preventScroll: true });
    target.scrollIntoView();
  } }), "header_skip");
}
