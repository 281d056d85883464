// Start the page: find or make the session, follow it, and put the parts of the page in their places.

import { createBriefing } from "./query.js";
import { createElement } from "./elements.js";
import { createHeader } from "./header.js";
import { createNotices } from "./notices.js";
import { createPictures } from "./pictures.js";
import { createResults } from "./results.js";
import { createRunBar } from "./run_bar.js";
import { createStore } from "./store.js";
import { createTranslator } from "./texts.js";
import { createUploads } from "./uploads.js";

const LANGUAGES = ["en", "zh"];

// element: where the tab “Rank” goes. header: where the header goes. root: the address of the page, without a slash at
// its end. onLanguage: is called with the language that somebody has chosen.
export async function start(element, { header, root, onLanguage = () => {} }) {
  loadStyles(root);
  const texts = await (await fetch(`${root}/page/texts.json`)).json();
  const store = createStore(root, createTranslator(texts, firstLanguage()));
  const notices = createNotices(store);
  store.notices = notices;
  const uploads = createUploads(store);
  const query = createBriefing(store, uploads);
  const pictures = createPictures(store, uploads);
  const results = createResults(store);
  const runBar = createRunBar(store, { query, results });
  header.replaceChildren(createHeader(store, chooseLanguage).node);
  element.replaceChildren(
    createSkipLink(store, results.node), notices.node, createElement("div", { class: "inputs" }, pictures.node, query.node),
    runBar.node, results.node, uploads.overlay);

  function chooseLanguage(language) {
    store.setLanguage(language);
    rememberLanguage(language);
    onLanguage(language);
  }

  store.subscribe((topics) => {
    if (topics.has("language") || topics.has("connection")) document.documentElement.lang = store.texts.language === "zh" ? "zh-CN" : "en";
    element.dataset.session = store.session?.id ?? "";
    element.dataset.query = query.lines()[0] ?? "";
    element.dataset.count = store.pictures.size;
  });
  store.note("language");
  await openSession(store);
  return store;
}

function loadStyles(root) {
  for (const name of ["app.css", "results.css"]) {
    const href = `${root}/page/${name}`;
    if (!document.querySelector(`link[href="${href}"]`)) document.head.append(createElement("link", { rel: "stylesheet", href }));
  }
}

// The language of the address, or else the first of the browser's that the page has.
function firstLanguage() {
  const chosen = new URLSearchParams(location.search).get("lang");
  if (LANGUAGES.includes(chosen)) return chosen;
  return navigator.languages.map((language) => language.slice(0, 2)).find((language) => LANGUAGES.includes(language)) ?? "en";
}

function rememberLanguage(language) {
  const parameters = new URLSearchParams(location.search);
  parameters.set("lang", language);
  history.replaceState(history.state, "", `${location.pathname}?${parameters}${location.hash}`);
}

// Follow the session of the address. A new one is made without it, and when that one has ended.
async function openSession(store) {
  const known = new URLSearchParams(location.hash.slice(1)).get("session");
  if (known) store.connect(known);
  else await newSession(store);
  store.subscribe(async (topics) => {
    if (!topics.has("connection") || store.connection !== "ended") return;
    store.notices.say("session_ended");
    await newSession(store);
  });
}

async function newSession(store) {
  try {
    const { id } = await store.api.post("sessions");
    history.replaceState(history.state, "", `${location.pathname}${location.search}#session=${id}`);
    store.connect(id);
  } catch (error) {
    store.notices.trouble(error.message);
    setTimeout(() => newSession(store), 2000);
  }
}

function createSkipLink(store, target) {
  const link = createElement("a", { class: "skip-link", href: "#results", onclick: (event) => {
    event.preventDefault();  // the address has the session behind its #
    target.focus();
    target.scrollIntoView();
  } });
  store.subscribe((topics) => { if (topics.has("language")) link.textContent = store.texts.t("skip_to_results"); });
  return link;
}
