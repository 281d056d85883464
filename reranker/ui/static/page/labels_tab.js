// Start the tab “Labels”: find or make its session, follow it, and put its parts in their places.

import { firstLanguage, keepDraft } from "./address.js";
import { createConnectionNotice } from "./connection_notice.js";
import { followLanguage } from "./document_language.js";
import { createDropTarget } from "./drop_target.js";
import { createElement } from "./elements.js";
import { sortFiles, TAGGED } from "./file_kinds.js";
import { createLabels } from "./labels.js";
import { loadTextsAndStyles } from "./loading.js";
import { createOwnLabels } from "./own_labels.js";
import { createPictures } from "./pictures.js";
import { createRun } from "./run.js";
import { createRunBar } from "./run_bar.js";
import { showRun } from "./run_view.js";
import { followSession } from "./session_life.js";
import { createStore } from "./store.js";
import { createTaggingChoices } from "./tagging_choices.js";
import { createTaggingRequest } from "./tagging_request.js";
import { createTaggingResults } from "./tagging_results.js";
import { createTaggingShown } from "./tagging_shown.js";
import { createTranslator } from "./texts.js";
import { createUploads } from "./uploads.js";

const KEEP_MS = 400;
const NO_DRAFT = { vocabulary: "auto", text: "", groups: [], language: "page", threshold: null, most: null };

// element: where the tab goes. root: the address of the page, without a slash at the end.
export async function start(element, root) {
  const texts = await loadTextsAndStyles(root);
  const store = createStore(root, createTranslator(texts, firstLanguage()), "labels");
  Object.assign(store.draft, NO_DRAFT);
  const tab = createTab(store, element);
  element.classList.add("reranker");
  element.replaceChildren(...tab.nodes);
  followLanguage(store);
  followSession(store, tab.connection);
}

function createTab(store, element) {
  const labels = createLabels(store.texts);
  const connection = createConnectionNotice(store, labels);
  const uploads = createUploads(store);
  const shown = createTaggingShown(store);
  const own = createOwnLabels(store, (why) => choices.complain(why));
  const request = createTaggingRequest(store, shown, uploads);
  const results = createTaggingResults(store, shown);
  const place = createElement("div", { class: "results-place" }, results.node);
  const run = createRun(store, request, { complain: (why) => choices.complain(why), onStart: () => showRun(bar, place) });
  const choices = createTaggingChoices(store, own, labels);
  const pictures = createPictures(store, uploads, labels, take, { takesSaved: false });
  const bar = createRunBar(store, run, request, labels, results.filter);
  const onNoFiles = () => pictures.complain(() => store.texts.t("upload_no_file"));
  const drop = createDropTarget(element, labels, { kinds: "tagging_drop_kinds", onFiles: take, onNoFiles });
  let keepTimer = null;
  const inputs = createElement("div", { class: "inputs" }, pictures.node, choices.node, pictures.manager);

  // files: [{file, path, isAlone}].
  function take(files) {
    const { pictures: found, others, ownLabels } = sortFiles(files, TAGGED);
    others.forEach((file) => uploads.refuse(() => store.texts.t("upload_no_picture", { name: file.name })));
    if (found.length) uploads.add(found);
    if (ownLabels.length) own.take(ownLabels.at(-1));
  }

  // After a reload, the choices are as they were.
  function keepSoon() {
    clearTimeout(keepTimer);
    keepTimer = setTimeout(() => keepDraft(store.tab, store.draft), KEEP_MS);
  }

  window.addEventListener("pagehide", () => keepDraft(store.tab, store.draft));
  store.subscribe((topics) => {
    if (topics.has("language")) labels.refresh();
    if (topics.has("connection") && store.connection === "ended") store.setDraft(NO_DRAFT);
    else if (topics.has("draft")) keepSoon();
    shown.update(topics);
    run.update();
    [connection, pictures, choices, results, bar].forEach((part) => part.draw(topics));
    Object.assign(element.dataset, { session: store.session?.id ?? "", count: store.pictures.size });
  });
  store.note("language");
  return { nodes: [connection.node, inputs, bar.mark, bar.node, place, drop.node], connection };
}
