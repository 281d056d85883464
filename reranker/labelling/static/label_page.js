// The page of `label`: the pictures of a folder, a sentence, and the labelled queries that are saved in the file.
// elements.js and label_grid.js provide the functions that create elements.

const view = { language: null, pictures: [], order: [], labels: {}, queries: [], openIndex: null, ordering: null };

const grid = createLabelGrid((picture) =>
  createElement("img", { src: `thumbnails/${picture.index}`, alt: "", loading: "lazy", decoding: "async" }));
const query = createElement("input", {
  type: "text", id: "query", autocomplete: "off", onkeydown: (event) => { if (event.key === "Enter" && !event.isComposing) save(); },
});
const status = createElement("p", { class: "status", role: "status" });
const savedList = createElement("div", { class: "labelled-queries" });
const buttons = {
  save: createElement("button", { type: "button", class: "primary", onclick: save }),
  discard: createElement("button", { type: "button", onclick: () => startNext() }),
  order: createElement("button", { type: "button", onclick: order }),
};
const texts = {
  title: createElement("h1"),
  lead: createElement("p", { class: "lead" }),
  query: createElement("label", { for: "query" }),
  sets: createElement("h2"),
};
const languages = createElement("nav", { class: "languages" });

function showStatus({ text, tone }) {
  status.className = `status ${tone}`;
  status.textContent = text;
}

// Request a path; with a body, as a POST. Returns null, and shows a message, if the server does not answer or refuses.
async function request(path, body) {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  try {
    const response = await fetch(view.language ? `${path}?lang=${view.language}` : path, options);
    if (response.ok) return response;
  } catch {
    // A server that cannot be reached is handled like an error response.
  }
  showStatus({ text: view.labels.gone ?? "", tone: "trouble" });
  return null;
}

// The saved query that is being changed, as the server identifies it; empty for a new one.
function openQuery() {
  if (view.openIndex === null) return {};
  const { line, query: savedQuery } = view.queries[view.openIndex];
  return { line, saved_query: savedQuery };
}

async function save() {
  if (buttons.save.disabled) return;
  buttons.save.disabled = true;
  await change("save", { query: query.value, relevant: grid.markedKeys(), ...openQuery() }, () => startNext());
  buttons.save.disabled = false;
}

async function remove(index) {
  const { line, query: savedQuery } = view.queries[index];
  if (!confirm(fillIn(view.labels.sure, { query: savedQuery }))) return;
  const indexAfter = view.openIndex === null || index > view.openIndex ? view.openIndex : view.openIndex - 1;
  await change("remove", { line, saved_query: savedQuery }, () => {
    if (index === view.openIndex) startNext();
    else view.openIndex = indexAfter;
  });
}

async function change(path, body, onSuccess) {
  const response = await request(path, body);
  if (!response) return;
  const result = await response.json();
  view.queries = result.queries;
  if (result.is_done) onSuccess();
  showStatus(result.status);
  draw();
}

// Clear the sentence and the marks for the next query.
function startNext() {
  view.openIndex = null;
  query.value = "";
  grid.mark([]);
  showPictures(originalOrder());
  scrollTo(0, 0);
  query.focus();
  draw();
}

function open(index) {
  view.openIndex = index;
  query.value = view.queries[index].query;
  grid.mark(view.queries[index].relevant);
  draw();
}

// Let the model order the pictures; a second click stops it.
async function order() {
  if (view.ordering) return view.ordering.abort();
  const ordering = view.ordering = new AbortController();
  draw();
  showStatus({ text: view.labels.loading, tone: "busy" });
  try {
    const response = await fetch(`order?lang=${view.language}`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query: query.value }), signal: ordering.signal,
    });
    for await (const event of readLines(response.body)) {
      if (event.done) showStatus({ text: fillIn(view.labels.ordering, event), tone: "busy" });
      if (event.order) showPictures(event.order);
      if (event.order) showStatus({ text: view.labels.ordered, tone: "done" });
      if (event.status) showStatus(event.status);
    }
  } catch {
    const { aborted } = ordering.signal;
    showStatus({ text: aborted ? view.labels.stopped : view.labels.gone, tone: aborted ? "idle" : "trouble" });
  }
  view.ordering = null;
  draw();
}

// Parse each line of a response as JSON as soon as it arrives.
async function* readLines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (text + value).split("\n");
    text = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

const originalOrder = () => view.pictures.map((_, index) => index);

// Show the pictures with these indexes in this order.
function showPictures(order) {
  view.order = order;
  grid.show(order.map((index) => ({ key: view.pictures[index], name: view.pictures[index], index })), view.labels);
}

function draw() {
  const { labels } = view;
  document.title = labels.title;
  for (const [name, node] of Object.entries(texts)) node.textContent = labels[name];
  query.placeholder = labels.hint;
  buttons.save.textContent = view.openIndex === null ? labels.save : labels.change;
  buttons.discard.textContent = labels.leave;
  buttons.discard.hidden = view.openIndex === null;
  buttons.order.textContent = view.ordering ? labels.order_stop : labels.order;
  buttons.order.title = labels.order_about;
  savedList.replaceChildren(createQueryList(view.queries, open, remove, view.openIndex));
}

// Load the state of the page in a language; null is the language of the browser.
async function load(language) {
  view.language = language;
  const response = await request("state");
  if (!response) return;
  const state = await response.json();
  Object.assign(view, { language: state.language, labels: state.labels, queries: state.queries, pictures: state.pictures });
  document.documentElement.lang = state.language;
  languages.replaceChildren(...Object.entries(state.languages).map(([code, name]) => createElement("button", {
    type: "button", lang: code, "aria-pressed": String(code === state.language), onclick: () => load(code),
  }, name)));
  showPictures(view.order.length ? view.order : originalOrder());
  showStatus(state.status);
  draw();
}

document.querySelector("main").append(
  createElement("header", {}, createElement("div", {}, texts.title, texts.lead), languages),
  createElement("div", { class: "top" },
    createElement("div", { class: "query-form" }, texts.query, query, buttons.save, buttons.discard, buttons.order), status),
  createElement("div", { class: "content" }, grid.node, createElement("aside", {}, texts.sets, savedList)));
load(new URLSearchParams(location.search).get("lang"));
